"""Cancelling an upload at every step, twice; what it leaves can be undone."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.core.errors import StoreUnavailable
from bot.core.jobs import MIB
from bot.transfer.pool import CancelFlag, RetryPolicy
from tests.fakes.content import FakeContent
from tests.fakes.gate import Gate
from tests.fakes.store import Trouble
from tests.fakes.undo import undo
from tests.transfer.uploader_fixture import KEY, UploaderFixture, make_data, raising, rigged


@pytest.fixture
async def rig() -> AsyncIterator[UploaderFixture]:
    """Four connections, no pauses."""
    async with rigged() as rig:
        yield rig


async def cancelled(task: asyncio.Task[object], *, times: int = 1) -> None:
    """Cancel a task and see that it is."""
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task


def nothing_left(rig: UploaderFixture) -> bool:
    """Say whether the store is as it was and no thread runs."""
    return not rig.store.objects and not rig.store.upload_ids and rig.pool.running == 0


@pytest.mark.parametrize("name", ["initiate", "upload_part", "put_object"])
@pytest.mark.parametrize("times", [1, 3])
async def test_cancel_during_a_request(rig: UploaderFixture, name: str, times: int) -> None:
    """At every step the threads end first, then the cancel goes on; undoing leaves nothing."""
    gate = Gate(hears_flag=True)
    rig.store.trouble(Trouble(name, gate))
    task = rig.begin(FakeContent(make_data(MIB if name == "put_object" else 30 * MIB)))
    await gate.reached.wait()
    await cancelled(task, times=times)
    running = rig.pool.running
    await undo(rig.store, KEY)

    assert running == 0
    assert nothing_left(rig)


@pytest.mark.parametrize("name", ["initiate", "upload_part", "put_object"])
async def test_deaf_thread_is_waited_for(rig: UploaderFixture, name: str) -> None:
    """A thread that does not check the flag delays the cancel until the thread has ended."""
    gate = Gate()
    rig.store.trouble(Trouble(name, gate))
    task = rig.begin(FakeContent(make_data(MIB if name == "put_object" else 30 * MIB)))
    await gate.reached.wait()
    for _ in range(5):
        task.cancel()
        await asyncio.sleep(0)
    waited = not task.done()
    gate.open()
    await cancelled(task)

    assert waited
    assert rig.pool.running == 0


async def test_cancel_while_nothing_arrives(rig: UploaderFixture) -> None:
    """Waiting for Telegram ends at once."""
    task = rig.begin(FakeContent(make_data(MIB), arrived=0))
    await asyncio.sleep(0)
    await cancelled(task)

    assert rig.store.calls == []


async def test_cancel_while_parts_wait_for_bytes(rig: UploaderFixture) -> None:
    """With the first part sent and the second not yet arrived nothing runs, and the
    cancel wins.
    """
    gate = Gate()
    rig.store.trouble(Trouble("upload_part", gate))
    task = rig.begin(FakeContent(make_data(3 * MIB), arrived=MIB))
    await gate.reached.wait()
    gate.open()
    await cancelled(task)

    assert rig.store.count("upload_part") == 1
    assert rig.store.count("complete") == 0


async def test_cancel_ends_a_wait_between_attempts() -> None:
    """A backoff of a minute does not delay a cancel."""
    waiting = Gate()

    def wait(flag: CancelFlag, seconds: float) -> bool:
        with flag.calling(waiting.open):
            waiting()
        return flag.wait(seconds)

    async with rigged(retry=RetryPolicy(base=60.0, cap=60.0, wait=wait)) as rig:
        rig.store.trouble(Trouble("upload_part", raising(StoreUnavailable("down")), times=0))
        task = rig.begin(FakeContent(make_data(30 * MIB)))
        await waiting.reached.wait()
        await cancelled(task)

        assert rig.pool.running == 0


async def test_late_cancel_loses_against_complete(rig: UploaderFixture) -> None:
    """Once Complete was sent, its success wins, and the task does not look cancelled."""
    gate = Gate(hears_flag=True)
    rig.store.trouble(Trouble("complete", gate))
    data = make_data(9 * MIB)
    task = rig.begin(FakeContent(data))
    await gate.reached.wait()
    task.cancel()
    await asyncio.sleep(0)
    gate.open()
    uploaded = await task

    assert len(data) == uploaded.size
    assert data == rig.stored()


async def test_cancel_ends_completing_while_it_fails(rig: UploaderFixture) -> None:
    """When Complete fails and the outcome is unknown, the cancel wins, and undoing
    removes both.
    """
    gate = Gate()

    def fail() -> None:
        gate()
        raise StoreUnavailable("reset")

    rig.store.trouble(Trouble("complete", fail, times=0))
    task = rig.begin(FakeContent(make_data(9 * MIB)))
    await gate.reached.wait()
    task.cancel()
    await asyncio.sleep(0)
    gate.open()
    await cancelled(task)
    await undo(rig.store, KEY)

    assert rig.store.count("complete") == 1
    assert nothing_left(rig)


async def test_late_cancel_loses_against_a_lost_answer(rig: UploaderFixture) -> None:
    """If Complete succeeded but its answer was lost, the object is found and wins too."""
    gate = Gate()

    def lose() -> None:
        gate()
        raise StoreUnavailable("reset")

    rig.store.trouble(Trouble("complete", lose, lost=True))
    data = make_data(9 * MIB)
    task = rig.begin(FakeContent(data))
    await gate.reached.wait()
    task.cancel()
    await asyncio.sleep(0)
    gate.open()
    uploaded = await task

    assert len(data) == uploaded.size
