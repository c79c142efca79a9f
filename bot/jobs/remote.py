"""Jobs that run on other machines: what the front does for them, and what a worker does.

The front hands a job over when its queue says that it is its turn, and waits until the ledger says
that the attempt is over. Notifications between the two are only hints; both read the ledger.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from bot.core.errors import LedgerUnusable
from bot.core.jobs import Job, JobState, ProgressMeter, Snapshot, StopReason
from bot.core.ports import Clock
from bot.core.ports.metrics import Metrics
from bot.core.ports.runs import LINKS_ENDED, Engine, LiveWorker, Look, RunLedger, WorkerLedger
from bot.jobs.queue import RUN_AGAIN_AFTER, JobQueue, RunningJob, until_jobs_stop
from bot.jobs.runner import JobLifecycle
from bot.supervision import Unit, UnitEdge
from bot.transfer.pool import finish

log = structlog.stdlib.get_logger(__name__)

LOOK_EVERY: Final = 1.0
"""Seconds (real) between two looks at the runs, where nothing is heard."""
BETWEEN_LOOKS: Final = 0.02
"""Seconds (real) between two looks at least: ends that come together share one."""
TELL_EVERY: Final = 1.0
"""Seconds (real) between two reports of a worker."""
COMPARED_EVERY: Final = 5.0
"""Seconds (real) between two looks of a worker at the runs that are its own by the ledger."""
BLIND_AFTER: Final = 3.0
"""Seconds (real) between two looks of the front, above which it may have missed what happened."""
PATIENCE: Final = 7.0
"""Seconds (real) that workers have to renew their leases when the front sees again: the server
may have been away for all.
"""
ENGINE_EVERY: Final = 5.0
"""Seconds (real) between two looks at the engine, while runs wait for a worker."""
ENGINE_CLEANED_EVERY: Final = 60.0
"""Seconds (real) between two looks at the engine otherwise: each removes jobs of dead workers."""


@dataclass
class _Watched:
    """A job that was handed over. Looks that began before `since` say nothing about it."""

    running: RunningJob
    since: float = float("inf")
    over: asyncio.Event = field(default_factory=asyncio.Event)
    job: Job | None = None
    failures: int | None = None
    """Of the job, before this run."""


class RemoteRunner:
    """Runs attempts on workers, for the queue of the front. `place` is where the files are, `root`
    the same in words. `learn` is called with the offset of OSS's clock when a worker reports a
    new one. `sees_since` (monotonic) is since when this process has seen the ledger without a
    break, standing by included; `prepare_links` renews the key that signs the links.
    """

    def __init__(  # noqa: PLR0913 -- what a front has instead of all that relays.
        self,
        runs: RunLedger,
        engine: Engine,
        lifecycle: JobLifecycle,
        clock: Clock,
        *,
        place: str,
        root: str,
        sees_since: float,
        learn: Callable[[timedelta], None],
        prepare_links: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._runs = runs
        self._engine = engine
        self._lifecycle = lifecycle
        self._clock = clock
        self._place = place
        self._root = root
        self._learn = learn
        self._prepare_links = prepare_links
        self._watched: dict[int, _Watched] = {}
        self._heard = asyncio.Event()
        self._looks = 0
        self._told_at: datetime | None = None
        self._seen_at = time.monotonic()
        self._judges_from = sees_since + PATIENCE
        self._engine_at = time.monotonic()
        self._was_blind = False
        self.latest: Look | None = None
        """What was seen last."""

    @property
    def workers(self) -> list[LiveWorker]:
        """The live workers that can have the files."""
        found = self.latest.workers if self.latest is not None else ()
        return [worker for worker in found if worker.place == self._place]

    @property
    def _slots(self) -> int:
        return sum(worker.slots for worker in self.workers)

    @property
    def trouble(self) -> str:
        """Why no job can run, or nothing."""
        if self.latest is None or self._slots:
            return ""
        if resting := ", ".join(_with_obstacle(worker) for worker in self.workers):
            return f"no jobs are taken now by {resting}; the log there says why"
        others = (f"{worker.name} is for {worker.root}" for worker in self.latest.workers)
        if self.latest.workers:
            return f"{'; '.join(others)}; this front needs {self._root}"
        return "no worker runs: relay-bot run --role worker starts one"

    @property
    def obstacle(self) -> str:
        """The code of the error of OSS for which no worker takes jobs, or nothing."""
        obstacles = (worker.obstacle for worker in self.workers if worker.obstacle)
        return "" if self._slots else next(obstacles, "")

    async def run(self, running: RunningJob) -> datetime | None:
        """Have one attempt run; return when the next is due, or `None` if there will be none."""
        watched = self._watched[running.job_id] = _Watched(running)
        try:
            await finish(self._prepare_links())
            await finish(self._runs.hand_over(running.job_id, self._place, self._clock.now()))
            watched.since = self._looks
            self._heard.set()
            return await self._until_over(watched)
        finally:
            del self._watched[running.job_id]

    async def _until_over(self, watched: _Watched) -> datetime | None:
        running = watched.running
        while not watched.over.is_set():
            if running.stop is StopReason.SHUTDOWN:
                raise asyncio.CancelledError
            try:
                if running.stop is StopReason.USER:
                    await self._cancel(running)
                await watched.over.wait()
            except asyncio.CancelledError:
                # At the end of this process the worker goes on.
                if running.stop is not StopReason.USER:
                    raise
        return await finish(self._after(watched))

    async def _cancel(self, running: RunningJob) -> None:
        if not await finish(self._runs.cancel(running.job_id)):
            # No worker has it: the next look says so.
            self._heard.set()

    async def _after(self, watched: _Watched) -> datetime | None:
        running, job = watched.running, watched.job
        signals = self._lifecycle.signals
        if job is not None and job.state is JobState.QUEUED:
            if running.stop is not StopReason.USER:
                running.suspect = _is_suspect(job)
                # If it has not failed, it was its worker that ended.
                running.interrupted = job.failures == watched.failures
                return job.run_at
            await self._lifecycle.cancel_waiting(job.id)
        elif job is not None and job.state is JobState.RUNNING:
            # A process of another role had it; by the next try it will have been recovered.
            return self._clock.now() + RUN_AGAIN_AFTER
        elif job is not None and job.state is JobState.DONE:
            await self._prepare_links()
        signals.outbox.set()
        signals.deletions.set()
        return None

    async def listen(self) -> None:
        """Look whenever a run has changed, until cancelled."""

        def heard(what: str) -> None:
            self._heard.set()
            if what == LINKS_ENDED:
                # Answers that show them are to be corrected.
                self._lifecycle.signals.outbox.set()

        await self._engine.listen(heard)

    async def watch(self, queue: JobQueue) -> None:
        """Look at the runs again and again, until cancelled."""
        while True:
            self._heard.clear()
            look = await self.look(queue)
            if self._was_blind or look.runs.keys() - self._watched.keys():
                self._was_blind = False
                self.resume(queue, await self._lifecycle.unfinished(), look)
            await asyncio.sleep(BETWEEN_LOOKS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), LOOK_EVERY)

    def resume(self, queue: JobQueue, unfinished: Sequence[Job], look: Look) -> None:
        """Go on with what workers run, and let the rest wait for its turn; what the queue knows
        is left alone. Not only at the start: a server that replaced another may lack the end of a
        job that was seen to end. A job that crashed need not run alone: it takes only its worker
        down. But those that crashed again do not run beside each other: one of them would have the
        others crash with it again and again. They go on after those that crashed seldom.
        """
        for job in sorted(unfinished, key=lambda job: job.crashes):
            origin, is_suspect = job.origin, _is_suspect(job)
            if job.id in look.runs:
                queue.adopt(job.id, origin.owner_id, group_id=origin.group_id, apart=is_suspect)
            else:
                queue.enqueue(
                    job.id,
                    origin.owner_id,
                    job.run_at,
                    group_id=origin.group_id,
                    apart=is_suspect,
                    interrupted=job.attempt > 0,
                )

    async def look(self, queue: JobQueue) -> Look:
        """Look at the runs and workers, and let the queue have the slots that there are."""
        self._looks += 1
        number = self._looks
        wanted = [id_ for id_, watched in self._watched.items() if watched.since < number]
        look = await self._runs.look(wanted)
        self._note_blindness()
        # What was told before this process began is older than what it has asked itself.
        is_news = self.latest is not None and look.told_at != self._told_at
        self._told_at = look.told_at
        if is_news and look.oss_offset is not None:
            self._learn(look.oss_offset)
        self.latest = look
        queue.set_at_once(self._slots)
        queue.obstacle = self.obstacle
        # Also of one that was adopted just now: its worker may be judged before the next look.
        for job_id in look.runs.keys() & self._watched.keys():
            self._watched[job_id].failures = look.runs[job_id].failures
        for job_id in wanted:
            # One that was ended by a cancel meanwhile is not there any more.
            if (watched := self._watched.get(job_id)) is not None:
                self._feed(queue, watched, look)
        await self._judge(look)
        return look

    def _note_blindness(self) -> None:
        now = time.monotonic()
        if now - self._seen_at > BLIND_AFTER:
            self._judges_from = now + PATIENCE
            self._was_blind = True
        self._seen_at = now

    def _feed(self, queue: JobQueue, watched: _Watched, look: Look) -> None:
        running = watched.running
        seen = look.runs.get(running.job_id)
        if seen is None:
            watched.job = look.others.get(running.job_id)
            watched.over.set()
            return
        _show(running.meter, seen.snapshot)
        running.elsewhere = bool(seen.worker)
        if seen.cancel_requested and running.stop is None:
            # By a front that ended before it told the worker.
            queue.stop_job(running.job_id, StopReason.USER)

    async def _judge(self, look: Look) -> None:
        """Take back what no worker runs any more."""
        judges = bool(look.lost) and time.monotonic() >= self._judges_from
        vanished = await self._vanished(look.untaken)
        if not (judges or vanished):
            return
        ended = await self._runs.take_back(self._clock.now(), vanished, judges=judges)
        log.warning("jobs go to other workers", lost=look.lost, vanished=len(vanished))
        self._lifecycle.note_ended(ended)
        self._heard.set()

    async def _vanished(self, untaken: Mapping[int, int | None]) -> list[int]:
        """Return the runs that no worker has taken for a while and that the engine has lost."""
        now = time.monotonic()
        if now - self._engine_at < (ENGINE_EVERY if untaken else ENGINE_CLEANED_EVERY):
            return []
        self._engine_at = now
        try:
            known = await self._engine.known()
        except LedgerUnusable as error:
            log.warning("the engine cannot be asked", why=error.reason)
            return []
        return [run for run, number in untaken.items() if number not in known]


def _is_suspect(job: Job) -> bool:
    """Return whether workers may have died of a job. Once it may have been by chance, and all that
    a worker ran goes on at once.
    """
    return job.crashes > 1


def _with_obstacle(worker: LiveWorker) -> str:
    return f"{worker.name} ({worker.obstacle})" if worker.obstacle else worker.name


def _show(meter: ProgressMeter, now: Snapshot) -> None:
    meter.total, meter.downloaded, meter.phase = now.total, now.downloaded, now.phase
    # As of one part, because that is all that is shown.
    meter.set_part(1, now.uploaded)
    meter.store_part(1, now.stored)


@dataclass
class _Taken:
    running: RunningJob
    run_id: int
    task: "asyncio.Task[object] | None"


class RunWorker:
    """Runs what the engine brings, on a worker. `run` is that of a `JobRunner`."""

    def __init__(
        self,
        ledger: WorkerLedger,
        clock: Clock,
        metrics: Metrics | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._edge = UnitEdge(metrics)
        self._taken: dict[int, _Taken] = {}
        self._told: dict[int, Snapshot] = {}
        self._asked = asyncio.Event()
        self.run: Callable[[RunningJob], Awaitable[object]]

    def run_of(self, job_id: int) -> int:
        """Return the run of a job that runs here."""
        return self._taken[job_id].run_id

    @property
    def counts(self) -> tuple[int, int]:
        """Return the numbers of running and of waiting jobs, of which there are none here."""
        return len(self._taken), 0

    @property
    def jobs(self) -> set[int]:
        """The jobs that run here."""
        return set(self._taken)

    def aborted(self) -> None:
        """Look at once which jobs are to be cancelled."""
        self._asked.set()

    async def handle(self, run_id: int) -> None:
        """Run the attempt of a run, unless another worker has the run or it is over."""
        taken = await self._ledger.find(run_id)
        if taken is None:
            log.info("the run is over, or another worker has it", run=run_id)
            return
        while (earlier := self._taken.get(taken.job_id)) is not None and earlier.task is not None:
            await asyncio.wait({earlier.task})
        running = RunningJob(taken.job_id, taken.owner_id, self._clock.now())
        self._taken[taken.job_id] = _Taken(running, run_id, asyncio.current_task())
        try:
            await self._run(running)
        finally:
            del self._taken[taken.job_id]
            self._told.pop(taken.job_id, None)

    async def _run(self, running: RunningJob) -> None:
        while True:
            try:
                await self.run(running)
            except Exception as error:  # noqa: BLE001 -- the edge of an attempt.
                self._edge.failed(Unit.ATTEMPT, running.job_id, error)
                await asyncio.sleep(RUN_AGAIN_AFTER.total_seconds())
            else:
                return

    async def tell(self) -> None:
        """Report progress, and look for what is to be cancelled, until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), TELL_EVERY)
            self._asked.clear()
            if self._taken:
                await self._tell()

    async def compare(self) -> None:
        """Give up what this worker has by the ledger and does not run, until cancelled: a server
        that replaced another may lack the end of an attempt, and no one else would look.
        """
        strange: set[int] = set()
        while True:
            await asyncio.sleep(COMPARED_EVERY)
            found = await self._ledger.mine()
            here = set(self._taken)
            before, strange = strange, {run for run, job in found.items() if job not in here}
            # Seen twice: one that ended while the ledger was read is none.
            if left := strange & before:
                log.warning("runs that are not run here are given up", count=len(left))
                await self._ledger.give_up(left)

    async def _tell(self) -> None:
        await self._ledger.tell_time()
        now = {id_: taken.running.meter.snapshot() for id_, taken in self._taken.items()}
        news = {id_: one for id_, one in now.items() if self._told.get(id_) != one}
        if news:
            await self._ledger.tell(news)
            self._told = {id_: one for id_, one in now.items() if id_ in self._taken}
        for job_id in await self._ledger.cancelled(list(self._taken)):
            self._stop(job_id, StopReason.USER)

    def _stop(self, job_id: int, reason: StopReason) -> None:
        taken = self._taken.get(job_id)
        if taken is None or taken.running.stop is not None or taken.task is None:
            return
        taken.running.stop = reason
        taken.task.cancel()

    async def finish(self, grace: timedelta) -> None:
        """Give what runs here `grace` (real time) to end."""
        if tasks := self._tasks():
            await asyncio.wait(tasks, timeout=grace.total_seconds())

    async def stop(self) -> None:
        """Give what runs here back, for other workers; what cannot be stopped is abandoned."""
        stopped = self._tasks()
        for job_id in list(self._taken):
            self._stop(job_id, StopReason.SHUTDOWN)
        await until_jobs_stop(stopped)

    def _tasks(self) -> "list[asyncio.Task[object]]":
        return [taken.task for taken in self._taken.values() if taken.task is not None]
