"""Runs: jobs that the front has handed over to workers on other machines, the workers, and the
engine that carries runs to them. Only a ledger on a server has them.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from bot.core.jobs import Job, Snapshot

CLOUD: Final = "cloud"
"""The place of runs that any worker can have: their files come over HTTP."""


LINKS_ENDED: Final = "links ended"
"""What is heard when another process has ended links."""


class Role(StrEnum):
    """What a process does. The values are those of `relay-bot run --role`."""

    ALL = "all"
    """Everything, on one machine."""
    FRONT = "front"
    """Receives updates and answers; one is active, others stand by."""
    WORKER = "worker"
    """Fetches and uploads."""


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run as the front sees it. `worker` is "" until one has taken it. `cancel_requested` says
    that the user has cancelled the job, `cancel_asked` that the worker was told so; `failures`
    are those of the job before this run.
    """

    id: int
    job_id: int
    worker: str
    snapshot: Snapshot
    cancel_requested: bool
    cancel_asked: bool
    failures: int


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """A worker that holds its lease. `place` is where its jobs have to be, `root` the same
    in words. `obstacle` is the code of the error of OSS
    for which it takes no jobs, or "".
    """

    name: str
    slots: int
    place: str
    root: str
    version: str
    running: int = 0
    host: str = ""
    started_at: datetime | None = None
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """All that the front learns of runs, of one moment: the runs by job; the jobs without a run,
    of those that were asked for, as they are; the workers. `oss_offset` is by how much the clock
    of OSS is ahead of that of this process, by what workers were told, and `told_at` names the
    newest of these reports.
    """

    runs: Mapping[int, SeenRun]
    others: Mapping[int, Job]
    workers: Sequence[LiveWorker]
    lost: int = 0
    """Runs whose workers have lost their leases."""
    untaken: Mapping[int, int | None] = field(default_factory=dict)
    """Runs that no worker has taken for a while, with the engine's numbers."""
    oss_offset: timedelta | None = None
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TakenRun:
    """A run as a worker takes it."""

    id: int
    job_id: int
    owner_id: int


class RunLedger(Protocol):
    """The runs as the front has them."""

    async def hand_over(self, job_id: int, place: str, now: datetime) -> None:
        """Make a run of a queued job, and give it to the engine in the same transaction. A job
        that has a run, or is not queued, is left alone.
        """

    async def look(self, jobs: Collection[int]) -> Look:
        """Look at all runs and workers, and at those of `jobs` that have no run."""

    async def cancel(self, job_id: int) -> bool:
        """Ask the worker to cancel a job. Return `False` if no worker has it: then none will take
        it any more.
        """

    async def take_back(
        self, now: datetime, vanished: Collection[int], *, judges: bool
    ) -> Sequence[Job]:
        """With `judges`, put the jobs of workers without a lease back into the queue, and fence
        these workers; end those that crashed too often or were cancelled, and return these. Remove
        the runs `vanished`, unless a worker has taken them.
        """


class WorkerLedger(Protocol):
    """The runs and the registry as a worker has them. Every change needs the worker's lease."""

    async def register(self, slots: int, obstacle: str = "") -> None:
        """Note that this worker takes so many jobs at once, from now on; 0 for no more, because of
        an error of OSS with the code `obstacle`, if there is one.
        """

    async def has_others(self) -> bool:
        """Return whether another worker takes jobs of the same place now."""

    async def find(self, run_id: int) -> TakenRun | None:
        """Return a run that no worker has taken, or `None`."""

    async def mine(self) -> Mapping[int, int]:
        """Return the runs that this worker has by the ledger: their jobs, by run."""

    async def give_up(self, run_ids: Collection[int]) -> None:
        """Put the jobs of runs back that this worker has by the ledger, and does not run. Counts
        no failure.
        """

    async def tell(self, progress: Mapping[int, Snapshot]) -> None:
        """Note the progress of runs, by job."""

    async def tell_time(self) -> None:
        """Note what OSS has told of its time, where it is news."""

    async def cancelled(self, job_ids: Collection[int]) -> Collection[int]:
        """Return those of these jobs that are to be cancelled."""


Defer = Callable[[Any, int, str], int]
"""Gives a run (its id and its place) to the engine by a connection of the driver, as a part of its
transaction; returns the engine's number.
"""
Withdraw = Callable[[Any, int], None]
"""Takes what no worker has fetched back from the engine, by its number, and aborts what one has,
as a part of the transaction of a connection.
"""


class Engine(Protocol):
    """What carries runs to workers."""

    async def known(self) -> Collection[int]:
        """Forget what workers had that are silent now; return the numbers of the rest.

        Raises:
            LedgerUnusable: its database cannot be used.
        """

    async def listen(self, heard: Callable[[str], None]) -> None:
        """Call `heard` whenever a run has changed, or with `LINKS_ENDED`, until cancelled. What is
        missed is never told: look now and then without being told.
        """

    async def work(
        self,
        slots: int,
        place: str,
        handle: Callable[[int], Awaitable[None]],
        aborted: Callable[[], None],
    ) -> None:
        """Fetch runs for that place, at most `slots` at once, and handle each by its id, until
        cancelled; what is handled then goes on. `aborted` is called when one is to be aborted.
        Outages are waited for.
        """
