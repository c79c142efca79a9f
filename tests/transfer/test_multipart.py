"""Groups of parts, seen from their caller."""

import asyncio

import pytest

from bot.core.errors import StoreForbidden, TransferCancelled
from bot.core.objects import MIB
from bot.transfer.multipart import one_error
from tests.fakes.content import FakeContent
from tests.fakes.gate import Gate
from tests.fakes.store import Trouble
from tests.transfer.uploader_fixture import make_data, rigged


def test_reason_is_told_from_its_consequences() -> None:
    """Of a group the error that began it is raised, not those of the parts that it stopped."""
    reason = StoreForbidden("no")
    group = BaseExceptionGroup("parts", [TransferCancelled("a"), reason, TransferCancelled("b")])

    with pytest.raises(StoreForbidden) as caught, one_error():
        raise group
    assert reason is caught.value


def test_groups_in_groups() -> None:
    """Nesting makes no difference."""
    inner = ExceptionGroup("inner", [StoreForbidden("no")])

    with pytest.raises(StoreForbidden), one_error():
        raise ExceptionGroup("outer", [inner])


def test_plain_errors_pass() -> None:
    """An error that is no group comes out as it is."""
    with pytest.raises(StoreForbidden), one_error():
        raise StoreForbidden("no")


async def test_failed_upload_does_not_look_cancelled() -> None:
    """A caller that handles the failure can go on under time-outs and groups of its own."""
    async with rigged() as rig:
        gate = Gate()

        def refuse() -> None:
            gate()
            raise StoreForbidden("no")

        # The last part fails while the group waits in its exit, where Python 3.11 has its bug.
        rig.store.trouble(Trouble("upload_part", refuse, part_number=3))

        async def caller() -> int:
            with pytest.raises(StoreForbidden):
                await rig.upload(FakeContent(make_data(9 * MIB)))
            task = asyncio.current_task()
            return task.cancelling() if task else -1

        task = asyncio.create_task(caller())
        await gate.reached.wait()
        gate.open()

        assert await task == 0


async def test_cancel_wins_over_errors() -> None:
    """Cancelled while a part fails: the cancel goes on, and the failure is its cause at most."""
    async with rigged() as rig:
        gate = Gate()

        def refuse() -> None:
            gate()
            raise StoreForbidden("no")

        rig.store.trouble(Trouble("upload_part", refuse, part_number=1))
        task = rig.begin(FakeContent(make_data(9 * MIB)))
        await gate.reached.wait()
        task.cancel()
        await asyncio.sleep(0)
        gate.open()

        with pytest.raises(asyncio.CancelledError):
            await task
