"""The order in which jobs run; fair, bounded, stoppable."""

import asyncio
from collections import Counter
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.jobs import queue
from tests.fakes.samples import NOW, at
from tests.jobs.queue_fixture import open_hall, settled


async def test_job_runs_at_once() -> None:
    """A free place and a job: it starts, with the time and a meter of its own."""
    async with open_hall() as hall:
        hall.add(7, owner=3)
        await hall.workers.until_started(1)
        running = hall.queue.running(7)

        assert running is not None
        assert (running.job_id, running.owner_id, running.started_at) == (7, 3, NOW)
        assert hall.queue.counts == (1, 0)
        assert hall.queue.position(7) is None


async def test_caps_are_exact() -> None:
    """As many as are allowed run, overall and of one owner; the rest waits."""
    async with open_hall(at_once=4, per_owner=3) as hall:
        hall.add(*range(10), owner=1)
        hall.add(*range(10, 20), owner=2)
        await hall.workers.until_started(4)
        await settled()

        assert hall.workers.started == [0, 10, 1, 11]
        assert hall.queue.counts == (4, 16)


async def test_owner_at_the_cap_holds_up_nobody() -> None:
    """A place that one owner may not take goes to another."""
    async with open_hall(at_once=3, per_owner=2) as hall:
        hall.add(1, 2, 3, owner=1)
        hall.add(10, owner=2)
        await hall.workers.until_started(3)

        assert hall.workers.started == [1, 10, 2]


async def test_full_group_holds_up_nobody() -> None:
    """A place that one group may not take goes to others, and to its members elsewhere."""
    async with open_hall(at_once=4, per_owner=2, per_group=2) as hall:
        hall.add(1, 2, owner=1, group=-5)
        hall.add(10, owner=2, group=-5)
        hall.add(20, owner=3, group=-5)
        hall.add(21, owner=3)
        hall.add(30, owner=4, group=-6)
        await hall.workers.until_started(4)
        await settled()

        assert hall.workers.started == [1, 10, 21, 30]
        assert hall.queue.counts == (4, 2)


async def test_group_takes_a_place_that_it_gave_back() -> None:
    """Also one of a job that comes back for another attempt, which counts for the group again."""
    async with open_hall(at_once=3, per_owner=3, per_group=1) as hall:
        hall.workers.again[1] = at(60)
        hall.add(1, 2, 3, group=-5)
        await hall.workers.until_started(1)
        hall.workers.end(1)
        await hall.workers.until_started(2)
        hall.clock.advance(timedelta(seconds=60))
        await settled()
        assert hall.workers.started == [1, 2]
        hall.workers.end(2)
        await hall.workers.until_started(3)
        hall.workers.end(3)

        assert await hall.workers.until_started(4) == [1, 2, 3, 1]


async def test_two_hundred_jobs_of_one_owner_delay_another_by_one() -> None:
    """A job of another owner waits for the job that runs and for one more at most."""
    async with open_hall(at_once=1, per_owner=1) as hall:
        hall.add(*range(200), owner=1)
        await hall.workers.until_started(1)
        hall.add(999, owner=2)
        for count in (2, 3):
            hall.workers.end(hall.workers.started[-1])
            await hall.workers.until_started(count)

        assert 999 in hall.workers.started[:3]


async def test_freed_place_is_taken_by_the_next() -> None:
    """A job that ends starts the next one."""
    async with open_hall() as hall:
        hall.add(1, 2, 3)
        for count in (1, 2, 3):
            await hall.workers.until_started(count)
            hall.workers.end(count)
        await settled()

        assert hall.workers.ended == [1, 2, 3]
        assert hall.queue.counts == (0, 0)


async def test_job_that_is_enqueued_twice_runs_once() -> None:
    """Neither while it waits, nor while it runs, nor while it waits for its time."""
    async with open_hall() as hall:
        hall.add(1, 1, 2, 2)
        hall.add(3, wait=5)
        hall.add(3)
        await hall.workers.until_started(1)
        hall.add(1)
        for job_id in (1, 2):
            await hall.workers.until_started(job_id)
            hall.workers.end(job_id)
        await settled()

        assert hall.workers.started == [1, 2]
        assert hall.queue.counts == (0, 1)


async def test_ended_job_may_be_enqueued_again() -> None:
    """The queue keeps nothing of what is over."""
    async with open_hall() as hall:
        hall.add(1)
        await hall.workers.until_started(1)
        hall.workers.end(1)
        await settled()
        hall.add(1)

        assert await hall.workers.until_started(2) == [1, 1]


async def test_later_jobs_ripen_by_the_clock() -> None:
    """Each at its own time, in any order of enqueueing."""
    async with open_hall(at_once=9, per_owner=9) as hall:
        hall.add(30, wait=30)
        hall.add(10, wait=10)
        hall.add(20, wait=20)
        await settled()
        started = [list(hall.workers.started)]
        for count in (1, 2, 3):
            hall.clock.advance(timedelta(seconds=9.999999))
            await settled()
            assert len(hall.workers.started) == count - 1
            hall.clock.advance(timedelta(microseconds=1))
            started.append(list(await hall.workers.until_started(count)))

        assert started == [[], [10], [10, 20], [10, 20, 30]]


async def test_earlier_moment_that_comes_later_is_not_missed() -> None:
    """While the queue sleeps until one time, an earlier one is enqueued."""
    async with open_hall(at_once=9, per_owner=9) as hall:
        hall.add(30, wait=30)
        await settled()
        hall.add(10, wait=10)
        await settled()
        hall.clock.advance(timedelta(seconds=10))

        assert await hall.workers.until_started(1) == [10]


async def test_job_comes_back_at_the_moment_that_its_runner_returned() -> None:
    """The next attempt starts then, and not before."""
    async with open_hall() as hall:
        hall.workers.again[1] = at(60)
        hall.add(1)
        await hall.workers.until_started(1)
        hall.workers.end(1)
        await settled()
        hall.clock.advance(timedelta(seconds=59))
        await settled()
        assert hall.workers.started == [1]
        assert hall.queue.counts == (0, 1)
        hall.clock.advance(timedelta(seconds=1))

        assert await hall.workers.until_started(2) == [1, 1]


async def test_interrupted_job_goes_on_first() -> None:
    """A job whose process has ended does not wait behind those that have not begun."""
    async with open_hall() as hall:
        hall.add(1, 2, owner=1)
        hall.add(3, owner=2)
        await hall.workers.until_started(1)
        running = hall.queue.running(1)
        assert running is not None
        running.interrupted = True
        hall.workers.again[1] = hall.clock.now()
        hall.workers.end(1)
        assert await hall.workers.until_started(2) == [1, 1]
        hall.workers.end(1)
        assert await hall.workers.until_started(3) == [1, 1, 3]


async def test_interrupted_job_that_is_put_off_goes_on_first() -> None:
    """It waits as long as it was told to, and then for no other job."""
    async with open_hall() as hall:
        hall.add(1, 2, owner=1)
        hall.add(3, owner=2)
        await hall.workers.until_started(1)
        running = hall.queue.running(1)
        assert running is not None
        running.interrupted = True
        hall.workers.again[1] = hall.clock.now() + timedelta(seconds=5)
        hall.workers.end(1)
        assert await hall.workers.until_started(2) == [1, 3]
        hall.clock.advance(timedelta(seconds=5))
        await settled()
        hall.workers.end(3)
        assert await hall.workers.until_started(3) == [1, 3, 1]


async def test_withdrawn_job_does_not_run() -> None:
    """Neither one that waits for its turn nor one that waits for its time."""
    async with open_hall() as hall:
        hall.add(1, 2)
        hall.add(3, wait=5)
        await hall.workers.until_started(1)
        hall.queue.withdraw(2)
        hall.queue.withdraw(3)
        hall.queue.withdraw(999)
        hall.workers.end(1)
        hall.clock.advance(timedelta(seconds=5))
        await settled()

        assert hall.workers.started == [1]
        assert hall.queue.counts == (0, 0)


async def test_running_job_cannot_be_withdrawn() -> None:
    """It is stopped, not withdrawn."""
    async with open_hall() as hall:
        hall.add(1)
        await hall.workers.until_started(1)
        hall.queue.withdraw(1)

        assert hall.queue.running(1) is not None


async def test_positions_count_from_one_in_the_order_of_turns() -> None:
    """A job that runs or waits for its time has none."""
    async with open_hall() as hall:
        hall.add(1, 2, 3, owner=1)
        hall.add(10, 11, owner=2)
        hall.add(20, owner=2, wait=5)
        await hall.workers.until_started(1)
        positions = {n: hall.queue.position(n) for n in (1, 2, 3, 10, 11, 20, 999)}

        assert positions == {1: None, 10: 1, 2: 2, 11: 3, 3: 4, 20: None, 999: None}


@settings(deadline=None, max_examples=50)
@given(
    owners=st.lists(st.integers(1, 4), min_size=1, max_size=30),
    at_once=st.integers(1, 5),
    per_owner=st.integers(1, 3),
    per_group=st.integers(1, 3),
    order=st.randoms(use_true_random=False),
)
def test_every_job_runs_once_within_the_caps(
    owners: list[int], at_once: int, per_owner: int, per_group: int, order: Random
) -> None:
    """In any order of ends: no owner exceeds a cap, no place stays empty, every job runs once."""
    # Every third job comes from one group, independent of its owner.
    groups = [-5 if job_id % 3 == 0 else None for job_id in range(len(owners))]

    def held(job_id: int, mine: Counter[int], run: list[int]) -> bool:
        here = sum(1 for other in run if groups[other] == -5)
        is_group_full = groups[job_id] == -5 and here == per_group
        return is_group_full or mine[owners[job_id]] == per_owner

    async def play() -> None:
        async with open_hall(at_once=at_once, per_owner=per_owner, per_group=per_group) as hall:
            for job_id, owner in enumerate(owners):
                hall.add(job_id, owner=owner, group=groups[job_id])
            while len(hall.workers.ended) < len(owners):
                await settled()
                run = [j for j in hall.workers.started if j not in hall.workers.ended]
                waiting = [j for j in range(len(owners)) if j not in hall.workers.started]
                mine = Counter(owners[job_id] for job_id in run)
                assert len(run) <= at_once
                assert max(mine.values()) <= per_owner
                assert sum(1 for job_id in run if groups[job_id] == -5) <= per_group
                assert len(run) == at_once or all(held(j, mine, run) for j in waiting)
                hall.workers.end(order.choice(run))
                await settled()
            assert sorted(hall.workers.started) == list(range(len(owners)))

    asyncio.run(play())


async def test_suspect_runs_alone() -> None:
    """A job that may have crashed the process runs when no other does."""
    async with open_hall(at_once=3, per_owner=3) as hall:
        hall.add(1)
        await hall.workers.until_started(1)
        hall.queue.enqueue(2, 1, hall.clock.now(), alone=True)
        hall.add(3, 4)
        await settled()
        before = list(hall.workers.started)
        hall.workers.end(1)
        await hall.workers.until_started(2)
        await settled()
        beside = list(hall.workers.started)
        hall.workers.end(2)

        assert (before, beside) == ([1], [1, 2])
        assert await hall.workers.until_started(4) == [1, 2, 3, 4]


async def test_suspects_run_apart() -> None:
    """Of jobs that may have crashed one process of several, one runs at a time, beside others."""
    async with open_hall(at_once=4, per_owner=4) as hall:
        hall.queue.adopt(1, 1, apart=True)
        hall.queue.enqueue(2, 1, hall.clock.now(), apart=True)
        hall.queue.enqueue(3, 1, hall.clock.now(), apart=True)
        hall.add(4)
        await hall.workers.until_started(2)
        await settled()
        beside = list(hall.workers.started)
        hall.workers.end(1)
        await hall.workers.until_started(3)
        await settled()
        hall.queue.withdraw(3)

        assert beside == [1, 4]
        assert hall.workers.started == [1, 4, 2]
        assert hall.queue.counts == (2, 0)


async def test_jobs_that_come_back_as_suspects() -> None:
    """The runner says so; they no longer run beside each other."""
    async with open_hall(at_once=2, per_owner=2) as hall:
        hall.add(1, 2)
        await hall.workers.until_started(2)
        for job_id in (1, 2):
            running = hall.queue.running(job_id)
            assert running is not None
            running.suspect = True
            hall.workers.again[job_id] = hall.clock.now()
            hall.workers.end(job_id)
        await hall.workers.until_started(3)
        await settled()

        assert hall.workers.started == [1, 2, 1]


async def test_suspect_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has run for a while, others run beside it."""
    monkeypatch.setattr(queue, "CLEARED_AFTER", 0.0)
    async with open_hall(at_once=2, per_owner=2) as hall:
        hall.queue.enqueue(1, 1, hall.clock.now(), alone=True)
        hall.add(2)

        assert await hall.workers.until_started(2) == [1, 2]


async def test_suspect_of_several_processes_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has run for a while on another machine, and not only waited for one, other suspects
    run beside it.
    """
    monkeypatch.setattr(queue, "CLEARED_AFTER", 0.01)
    async with open_hall(at_once=2, per_owner=2) as hall:
        hall.queue.enqueue(1, 1, hall.clock.now(), apart=True)
        hall.queue.enqueue(2, 1, hall.clock.now(), apart=True)
        # The event loop serves its timers in their order.
        await asyncio.sleep(0.03)
        before = list(hall.workers.started)
        running = hall.queue.running(1)
        assert running is not None
        running.elsewhere = True

        assert await hall.workers.until_started(2) == [1, 2]
        assert before == [1]
