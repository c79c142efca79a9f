"""Whose turn it is: round robin between owners, first come first served within one."""

from collections import deque
from collections.abc import Callable


class Turns:
    """Waiting jobs of several owners. One owner with 200 jobs delays another by at most one of
    them.
    """

    def __init__(self) -> None:
        # The order of the keys is the order of the turns; an owner without jobs has no key.
        self._lines: dict[int, deque[int]] = {}

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def add(self, owner_id: int, job_id: int) -> None:
        """Append a job to the line of its owner."""
        self._lines.setdefault(owner_id, deque()).append(job_id)

    def remove(self, owner_id: int, job_id: int) -> bool:
        """Take a job out of its line; false if it does not wait."""
        line = self._lines.get(owner_id)
        if line is None or job_id not in line:
            return False
        line.remove(job_id)
        if not line:
            del self._lines[owner_id]
        return True

    def take(
        self, may_start: Callable[[int], bool], fits: Callable[[int], bool] = lambda _: True
    ) -> tuple[int, int] | None:
        """Take the next job that fits, of an owner who may start one: `(owner_id, job_id)`, or
        `None`.

        A job that does not fit lets the next one of its owner go first, and keeps its place.
        """
        for owner_id, line in self._lines.items():
            job_id = next(filter(fits, line), None) if may_start(owner_id) else None
            if job_id is not None:
                line.remove(job_id)
                # To the end of the turns, or out of them.
                del self._lines[owner_id]
                if line:
                    self._lines[owner_id] = line
                return owner_id, job_id
        return None

    def position(self, owner_id: int, job_id: int) -> int | None:
        """Return the place in the queue, from 1, if nobody is held back by a limit; `None` if it
        does not wait.
        """
        line = self._lines.get(owner_id)
        if line is None or job_id not in line:
            return None
        rounds = line.index(job_id)
        ahead = 0
        before_us = True
        for other_id, other in self._lines.items():
            if other_id == owner_id:
                before_us = False
                ahead += rounds
            else:
                ahead += min(len(other), rounds + (1 if before_us else 0))
        return ahead + 1
