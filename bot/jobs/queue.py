"""The queue of jobs: fair between owners, with limits overall, per owner and per group. Owners
take turns (round robin); jobs of one owner are first come, first served. Owns the tasks of running
jobs.
"""

import asyncio
import heapq
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from bot.clock import STUCK_AFTER, wait_for_event
from bot.core.jobs import ProgressMeter, Speed, StopReason
from bot.core.ports import Clock
from bot.core.ports.metrics import Metrics
from bot.supervision import Unit, UnitEdge

log = structlog.stdlib.get_logger(__name__)


RUN_AGAIN_AFTER = timedelta(seconds=5)
CLEARED_AFTER = 60.0
"""Real seconds after which a job that must run alone has shown that it does no harm."""
LONGEST_HOLD = 1.0
"""Real seconds for which arriving messages may delay the start of jobs."""


@dataclass
class RunningJob:
    """A running job. `stop` is set before its task is cancelled, so that the task knows the
    reason. `group_id` is the group it came from, `None` for one of a private chat.
    """

    job_id: int
    owner_id: int
    started_at: datetime
    meter: ProgressMeter = field(default_factory=ProgressMeter)
    speed: Speed = field(default_factory=Speed)
    stop: StopReason | None = None
    group_id: int | None = None
    elsewhere: bool = False
    """Whether another process runs it, which goes on when this one ends."""
    interrupted: bool = False
    """Set by a runner that comes back though the attempt did not fail: it was another process that
    ended.
    """
    suspect: bool = False
    """Set by a runner that comes back: the job may be what has ended other processes."""


Runner = Callable[[RunningJob], Awaitable[datetime | None]]
"""Runs one attempt; returns when the next one is due, or `None` if there will be none."""


class JobQueue:
    """The in-process queue. It decides only when a job starts; the ledger decides whether it may.

    At most `at_once` jobs run, `per_owner` of them of one owner and `per_group` from one group.
    """

    def __init__(
        self,
        runner: Runner,
        clock: Clock,
        *,
        at_once: int,
        per_owner: int,
        per_group: int | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._at_once = at_once
        self._per_owner = per_owner
        self._per_group = at_once if per_group is None else per_group
        self._fair_queue = FairQueue()
        self._owners: dict[int, int] = {}
        self._groups: dict[int, int] = {}
        self._later: list[tuple[datetime, int]] = []
        self._running: dict[int, tuple[RunningJob, asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()
        self._open = True
        self._held_until = 0.0
        self._edge = UnitEdge(metrics)
        self._suspects: set[int] = set()
        # Suspects that take only a process down that is one of several.
        self._apart: set[int] = set()
        # Those of the later ones that have had their turn.
        self._interrupted: set[int] = set()
        self.obstacle = ""
        """The code of the error for which no job can start now, if there is one."""

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Start no job inside the block, but for at most `LONGEST_HOLD`.

        For messages that arrive together: jobs started for the first of them would compete with
        the others for the ledger, and a command among these would be answered late.
        """
        loop = asyncio.get_running_loop()
        self._held_until = loop.time() + LONGEST_HOLD
        timer = loop.call_later(LONGEST_HOLD, self._changed.set)
        try:
            yield
        finally:
            timer.cancel()
            self._held_until = 0.0
            self._changed.set()

    def enqueue(  # noqa: PLR0913 -- independent, and what is optional by keyword.
        self,
        job_id: int,
        owner_id: int,
        not_before: datetime,
        *,
        group_id: int | None = None,
        alone: bool = False,
        apart: bool = False,
        interrupted: bool = False,
    ) -> None:
        """Let a job take its turn, at once or from `not_before` on. A job that is known already is
        left alone. With `alone` it runs beside no other, and with `apart` beside no other that is
        `apart`, until it has run for `CLEARED_AFTER`. One that was `interrupted` has had its turn:
        it goes on before those that still wait.
        """
        if job_id in self._owners:
            return
        if alone:
            self._suspects.add(job_id)
        if apart:
            self._apart.add(job_id)
        self._owners[job_id] = owner_id
        if group_id is not None:
            self._groups[job_id] = group_id
        if interrupted:
            self._interrupted.add(job_id)
        if not_before > self._clock.now():
            heapq.heappush(self._later, (not_before, job_id))
        else:
            self._line_up(job_id)
        self._changed.set()

    def adopt(
        self, job_id: int, owner_id: int, *, group_id: int | None = None, apart: bool = False
    ) -> None:
        """Count a job as running that runs elsewhere already; the runner knows it. Limits do not
        hold it back.
        """
        if job_id in self._owners:
            return
        if apart:
            self._apart.add(job_id)
        self._owners[job_id] = owner_id
        if group_id is not None:
            self._groups[job_id] = group_id
        self._start(owner_id, job_id)

    def set_at_once(self, at_once: int) -> None:
        """Let so many jobs run at once; those that run go on."""
        if at_once != self._at_once:
            self._at_once = at_once
            self._changed.set()

    def withdraw(self, job_id: int) -> None:
        """Remove a waiting job; does nothing if it runs or is unknown."""
        if job_id in self._running:
            return
        owner_id = self._owners.pop(job_id, None)
        self._groups.pop(job_id, None)
        self._trust(job_id)
        self._interrupted.discard(job_id)
        if owner_id is not None and not self._fair_queue.remove(owner_id, job_id):
            self._later = [entry for entry in self._later if entry[1] != job_id]
            heapq.heapify(self._later)

    def stop_job(self, job_id: int, reason: StopReason) -> bool:
        """Cancel the task of a running job; return false if it does not run. The first reason
        stays.
        """
        entry = self._running.get(job_id)
        if entry is None:
            return False
        _stop(*entry, reason)
        return True

    def running(self, job_id: int) -> RunningJob | None:
        """Return a running job, or `None`."""
        entry = self._running.get(job_id)
        return entry[0] if entry else None

    def position(self, job_id: int) -> int | None:
        """Return the place in the queue, from 1; `None` if the job runs, is unknown, or is not
        ready yet.
        """
        owner_id = self._owners.get(job_id)
        return None if owner_id is None else self._fair_queue.position(owner_id, job_id)

    @property
    def counts(self) -> tuple[int, int]:
        """Return the numbers of running and of waiting jobs."""
        return len(self._running), len(self._fair_queue) + len(self._later)

    async def run(self) -> None:
        """Start jobs as they fit, until cancelled. A job whose runner raises is run again after
        `RUN_AGAIN_AFTER`: the runner handles the failures of jobs itself, so it is a defect or a
        ledger that cannot be written.
        """
        while True:
            self._changed.clear()
            self._ripen()
            self._start_what_fits()
            await wait_for_event(
                self._changed, self._clock, self._later[0][0] if self._later else None
            )

    def _ripen(self) -> None:
        now = self._clock.now()
        while self._later and self._later[0][0] <= now:
            _, job_id = heapq.heappop(self._later)
            self._line_up(job_id)

    def _line_up(self, job_id: int) -> None:
        has_had_turn = job_id in self._interrupted
        self._interrupted.discard(job_id)
        self._fair_queue.add(self._owners[job_id], job_id, has_had_turn=has_had_turn)

    def _start_what_fits(self) -> None:
        if asyncio.get_running_loop().time() < self._held_until:
            return
        while self._open and len(self._running) < self._at_once:
            if not self._suspects.isdisjoint(self._running):
                return
            taken = self._take()
            if taken is None:
                return
            owner_id, job_id = taken
            self._start(owner_id, job_id)

    def _start(self, owner_id: int, job_id: int) -> None:
        group_id = self._groups.get(job_id)
        running = RunningJob(job_id, owner_id, self._clock.now(), group_id=group_id)
        task = asyncio.create_task(self._run(running), name=f"job {job_id}")
        self._running[job_id] = (running, task)
        if job_id in self._suspects or job_id in self._apart:
            asyncio.get_running_loop().call_later(CLEARED_AFTER, self._clear, running)

    def _clear(self, running: RunningJob) -> None:
        """Let others run beside a job that has run alone for a while and crashed nothing."""
        if self.running(running.job_id) is not running:
            return
        if running.job_id in self._apart and not running.elsewhere:
            # No process has begun it yet.
            asyncio.get_running_loop().call_later(CLEARED_AFTER, self._clear, running)
            return
        self._trust(running.job_id)
        self._changed.set()

    def _trust(self, job_id: int) -> None:
        self._suspects.discard(job_id)
        self._apart.discard(job_id)

    def _take(self) -> tuple[int, int] | None:
        full = self._full_groups()
        is_held = False

        def fits(job_id: int) -> bool:
            nonlocal is_held
            if is_held or self._groups.get(job_id) in full:
                return False
            if job_id in self._apart and not self._apart.isdisjoint(self._running):
                return False
            # It is its turn: nothing else starts before the others have ended.
            is_held = job_id in self._suspects and bool(self._running)
            return not is_held

        return self._fair_queue.take(self._may_start, fits)

    def _may_start(self, owner_id: int) -> bool:
        mine = sum(1 for running, _ in self._running.values() if running.owner_id == owner_id)
        return mine < self._per_owner

    def _full_groups(self) -> set[int]:
        groups = (running.group_id for running, _ in self._running.values())
        counts = Counter(group_id for group_id in groups if group_id is not None)
        return {group_id for group_id, count in counts.items() if count >= self._per_group}

    async def _run(self, running: RunningJob) -> None:
        again_at: datetime | None = None
        try:
            again_at = await self._runner(running)
        except Exception as error:  # noqa: BLE001 -- the edge of an attempt.
            self._edge.failed(Unit.ATTEMPT, running.job_id, error)
            again_at = self._clock.now() + RUN_AGAIN_AFTER
        finally:
            del self._running[running.job_id]
            del self._owners[running.job_id]
            self._groups.pop(running.job_id, None)
            if again_at is None:
                self._trust(running.job_id)
            else:
                self.enqueue(
                    running.job_id,
                    running.owner_id,
                    again_at,
                    group_id=running.group_id,
                    apart=running.suspect,
                    interrupted=running.interrupted,
                )
            self._changed.set()

    def close(self) -> None:
        """Start no more jobs."""
        self._open = False

    async def finish(self, grace: timedelta) -> None:
        """Start no more jobs, and give running ones `grace` (real time) to end."""
        self._open = False
        if tasks := [task for _, task in self._running.values()]:
            await asyncio.wait(tasks, timeout=grace.total_seconds())

    async def stop(self) -> None:
        """Stop every running job; it keeps its data for the next start.

        Returns after a moment at most: a job with a thread that cannot be stopped is abandoned and
        stays in the ledger as it is, and the caller must end the process with `os._exit`.
        """
        self._open = False
        stopped = set()
        for running, task in self._running.values():
            _stop(running, task, StopReason.SHUTDOWN)
            stopped.add(task)
        await until_jobs_stop(stopped)


async def until_jobs_stop(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Give jobs that were told to stop a moment; those that cannot be stopped are abandoned."""
    if not tasks:
        return
    _, stuck = await asyncio.wait(tasks, timeout=STUCK_AFTER.total_seconds())
    if stuck:
        log.warning("jobs did not stop in time", count=len(stuck))


def _stop(running: RunningJob, task: asyncio.Task[None], reason: StopReason) -> None:
    running.stop = running.stop or reason
    # In the next turn of the loop, because a task that is cancelled before its first step never
    # runs: its runner would not notice, and its place would stay taken for ever.
    asyncio.get_running_loop().call_soon(task.cancel)


MOST_REMEMBERED: Final = 10_000
"""Owners without jobs for which the last turn is remembered; a dropped owner counts as new."""


class FairQueue:
    """Waiting jobs of several owners. The owner with the oldest last turn comes first, after all
    owners without one: an owner with 200 jobs delays another by at most one of them, and ten such
    owners do not either. Interrupted jobs, which have had their turn, come before all others.
    """

    def __init__(self) -> None:
        # Those that have had their turn, with their owners, the first one first.
        self._interrupted: dict[int, int] = {}
        # The keys are in the order in which owners came; an owner without jobs has no key.
        self._lines: dict[int, deque[int]] = {}
        # Owners by their last turn, the latest at the end; the number grows with every turn.
        self._turns: dict[int, int] = {}
        self._taken = 0

    def __len__(self) -> int:
        return len(self._interrupted) + sum(len(line) for line in self._lines.values())

    def add(self, owner_id: int, job_id: int, *, has_had_turn: bool = False) -> None:
        """Append a job to the jobs of its owner, or to those that have had their turn."""
        if has_had_turn:
            self._interrupted[job_id] = owner_id
            return
        self._lines.setdefault(owner_id, deque()).append(job_id)

    def remove(self, owner_id: int, job_id: int) -> bool:
        """Remove a waiting job; return false if it does not wait."""
        if self._interrupted.pop(job_id, None) is not None:
            return True
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
        for interrupted, owner_id in self._interrupted.items():
            if may_start(owner_id) and fits(interrupted):
                del self._interrupted[interrupted]
                return owner_id, interrupted
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
        """Return the place in the queue, from 1, if no owner is held back by a limit; `None` if
        the job does not wait.
        """
        if job_id in self._interrupted:
            return [*self._interrupted].index(job_id) + 1
        line = self._lines.get(owner_id)
        if line is None or job_id not in line:
            return None
        rounds = line.index(job_id)
        ahead = len(self._interrupted)
        before_us = True
        for other_id, other in self._in_order():
            if other_id == owner_id:
                before_us = False
                ahead += rounds
            else:
                ahead += min(len(other), rounds + (1 if before_us else 0))
        return ahead + 1
