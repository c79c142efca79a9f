"""Whose turn it is: round robin between owners, first come first served within one."""

from collections import deque
from collections.abc import Callable
from typing import Final

MOST_REMEMBERED: Final = 10_000
"""Owners without jobs whose last turn is remembered; whoever is forgotten counts as new."""


class FairQueue:
    """Waiting jobs of several owners. Whose last turn is longest ago comes first, whoever had none
    before everybody who had: one owner with 200 jobs delays another by at most one of them, and
    ten such owners do not either.
    """

    def __init__(self) -> None:
        # The order of the keys is that in which owners came; an owner without jobs has no key.
        self._lines: dict[int, deque[int]] = {}
        # Owners by their last turn, the latest at the end; the number grows with every turn.
        self._turns: dict[int, int] = {}
        self._taken = 0

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
        self._take_out(owner_id, line, job_id)
        return True

    def _take_out(self, owner_id: int, line: deque[int], job_id: int) -> None:
        line.remove(job_id)
        if not line:
            del self._lines[owner_id]

    def take(
        self, may_start: Callable[[int], bool], fits: Callable[[int], bool] = lambda _: True
    ) -> tuple[int, int] | None:
        """Take the next job that fits, of an owner who may start one: `(owner_id, job_id)`, or
        `None`.

        A job that does not fit lets the next one of its owner go first, and keeps its place.
        """
        for owner_id, line in self._in_order():
            job_id = next(filter(fits, line), None) if may_start(owner_id) else None
            if job_id is not None:
                self._take_out(owner_id, line, job_id)
                self._remember(owner_id)
                return owner_id, job_id
        return None

    def _in_order(self) -> list[tuple[int, deque[int]]]:
        return sorted(self._lines.items(), key=lambda item: self._turns.get(item[0], 0))

    def _remember(self, owner_id: int) -> None:
        self._taken += 1
        self._turns.pop(owner_id, None)
        self._turns[owner_id] = self._taken
        if len(self._turns) > MOST_REMEMBERED + len(self._lines):
            del self._turns[next(iter(self._turns))]

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
        for other_id, other in self._in_order():
            if other_id == owner_id:
                before_us = False
                ahead += rounds
            else:
                ahead += min(len(other), rounds + (1 if before_us else 0))
        return ahead + 1
