"""Jobs are stopped by their user or by the end of the process; errors of runners surface."""

import asyncio
from datetime import timedelta

import pytest

from bot.core.jobs import StopReason
from bot.jobs.queue import JobQueue
from bot.sandbox.clock import SandboxClock
from tests.fakes.samples import NOW
from tests.jobs.queue_fixture import Workers, open_hall, settled


@pytest.mark.parametrize("reason", StopReason)
async def test_stopped_job_knows_why(reason: StopReason) -> None:
    """The reason is there before the task is cancelled; the place is free afterwards."""
    async with open_hall() as hall:
        hall.add(1, 2)
        await hall.workers.until_started(1)
        assert hall.queue.stop_job(1, reason)

        assert await hall.workers.until_started(2) == [1, 2]
        assert hall.workers.stopped == {1: reason}


async def test_first_reason_stays() -> None:
    """A shutdown does not turn a user's cancel into a pause, nor the other way round."""
    async with open_hall() as hall:
        hall.add(1)
        await hall.workers.until_started(1)
        hall.queue.stop_job(1, StopReason.USER)
        hall.queue.stop_job(1, StopReason.SHUTDOWN)
        await settled()

        assert hall.workers.stopped == {1: StopReason.USER}


async def test_job_that_does_not_run_is_not_stopped() -> None:
    """The caller hears that it has to withdraw it."""
    async with open_hall() as hall:
        hall.add(1, 2)
        await hall.workers.until_started(1)

        assert not hall.queue.stop_job(2, StopReason.USER)
        assert not hall.queue.stop_job(999, StopReason.USER)


async def test_job_that_is_stopped_before_its_first_step_hears_of_it() -> None:
    """A task that is cancelled before it begins would never run: the runner is told all the same,
    and the place is free afterwards.
    """
    async with open_hall() as hall:
        hall.add(1, 2)
        # One turn lets the queue create the task, which takes its first step in the next one.
        await asyncio.sleep(0)
        assert hall.workers.started == []
        assert hall.queue.stop_job(1, StopReason.USER)

        assert await hall.workers.until_started(2) == [1, 2]
        assert hall.workers.stopped == {1: StopReason.USER}


async def test_job_that_is_shut_down_before_its_first_step_hears_of_it() -> None:
    """The same at the end of the process."""
    async with open_hall() as hall:
        hall.add(1)
        await asyncio.sleep(0)
        await hall.queue.stop()

        assert hall.workers.stopped == {1: StopReason.SHUTDOWN}
        assert hall.queue.counts == (0, 0)


async def test_error_of_a_runner_surfaces() -> None:
    """It is a defect or a broken ledger, so it is raised by `run`."""
    clock = SandboxClock(NOW, running=False)
    workers = Workers()
    queue = JobQueue(workers.run, clock, at_once=1, per_owner=1)
    workers.error = ZeroDivisionError("a defect")
    queue.enqueue(1, 1, NOW)
    task = asyncio.create_task(queue.run())
    await workers.until_started(1)
    workers.end(1)
    with pytest.raises(ZeroDivisionError, match="a defect"):
        await task

    assert queue.counts == (0, 0)


async def test_stop_cancels_at_once() -> None:
    """Running jobs hear SHUTDOWN and have ended when it returns; waiting ones never start."""
    async with open_hall(at_once=2, per_owner=2) as hall:
        hall.add(1, 2, 3)
        await hall.workers.until_started(2)
        await hall.queue.stop()
        await settled()

        assert hall.workers.stopped == {1: StopReason.SHUTDOWN, 2: StopReason.SHUTDOWN}
        assert hall.workers.started == [1, 2]
        assert hall.queue.counts == (0, 1)


async def test_finish_lets_jobs_end() -> None:
    """A job that ends in time is not cancelled, and nothing new begins."""
    async with open_hall() as hall:
        hall.add(1, 2)
        await hall.workers.until_started(1)
        stopping = asyncio.create_task(hall.queue.finish(timedelta(seconds=30)))
        await settled()
        hall.workers.end(1)
        await stopping

        assert (hall.workers.ended, hall.workers.stopped) == ([1], {})
        assert hall.workers.started == [1]


async def test_finish_returns_when_the_grace_is_over() -> None:
    """Jobs that are still running go on until they are stopped."""
    async with open_hall() as hall:
        hall.add(1)
        await hall.workers.until_started(1)
        await hall.queue.finish(timedelta(0))

        assert hall.queue.running(1) is not None
        assert hall.workers.stopped == {}


async def test_user_may_cancel_during_the_grace() -> None:
    """Then the job ends as its user said."""
    async with open_hall() as hall:
        hall.add(1)
        await hall.workers.until_started(1)
        stopping = asyncio.create_task(hall.queue.finish(timedelta(seconds=30)))
        await settled()
        hall.queue.stop_job(1, StopReason.USER)
        await stopping

        assert hall.workers.stopped == {1: StopReason.USER}
