"""Jobs are stopped by their user or by the end of the process."""

import asyncio
from datetime import timedelta

import pytest

from bot.core.jobs import StopReason
from bot.jobs.queue import RUN_AGAIN_AFTER
from tests.jobs.queue_fixture import open_hall, settled


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


async def test_error_of_a_runner_costs_one_attempt() -> None:
    """The job is run again after a wait; the others go on."""
    async with open_hall() as hall:
        hall.workers.error = ZeroDivisionError("a defect")
        hall.add(1, 2)
        await hall.workers.until_started(1)
        hall.workers.end(1)
        assert await hall.workers.until_started(2) == [1, 2]
        hall.workers.error = None
        hall.workers.end(2)
        await settled()
        assert hall.queue.counts == (0, 1)
        hall.clock.advance(RUN_AGAIN_AFTER)

        assert await hall.workers.until_started(3) == [1, 2, 1]
        assert hall.metrics.unexpected == [("attempt", "ZeroDivisionError")]


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
