"""The outcome of Complete after each fault of its answer."""

from collections.abc import AsyncIterator

import pytest

from bot.core.errors import (
    Corrupted,
    StoreError,
    StoreForbidden,
    StoreIntercepted,
    StoreThrottled,
    StoreUnavailable,
    UploadGone,
)
from bot.core.jobs import MIB
from bot.core.ports.store import PartReceipt
from bot.transfer.body import crc64
from bot.transfer.multipart import BOTH_GONE_AFTER, Uploaded, expect
from tests.fakes.content import FakeContent
from tests.fakes.store import LONG_AGO, StoredObject, Trouble
from tests.transfer.uploader_fixture import KEY, META, UploaderFixture, make_data, raising, rigged

DATA = make_data(9 * MIB)
WHOLE = Uploaded(len(DATA), crc64(DATA))


@pytest.fixture
async def rig() -> AsyncIterator[UploaderFixture]:
    """Five attempts, no pauses."""
    async with rigged() as rig:
        yield rig


def names(rig: UploaderFixture) -> list[str]:
    """Return the calls from the first Complete on."""
    calls = [call.name for call in rig.store.calls]
    return calls[calls.index("complete") :]


def test_expectation_comes_from_the_parts() -> None:
    """Size and checksum of the object follow from its parts, without reading it again."""
    part_size = 4 * MIB
    stretches = [DATA[offset : offset + part_size] for offset in range(0, len(DATA), part_size)]
    parts = [
        PartReceipt(number, '"e"', len(data), crc64(data))
        for number, data in enumerate(stretches, start=1)
    ]

    assert expect(parts, part_size) == WHOLE


async def test_lost_answer_is_found_by_looking(rig: UploaderFixture) -> None:
    """OSS completed, the answer never came: the object is looked at and recognized."""
    rig.store.trouble(Trouble("complete", raising(StoreUnavailable("time-out")), lost=True))

    assert await rig.upload(FakeContent(DATA)) == WHOLE
    assert names(rig) == ["complete", "head"]


async def test_intention_is_noted_before_the_first_complete(rig: UploaderFixture) -> None:
    """The moment from which the object may exist is in the journal before OSS hears of it; where
    an answer was lost, the time of the object is told too.
    """
    rig.store.trouble(Trouble("complete", raising(StoreUnavailable("time-out")), lost=True))
    uploaded = await rig.upload(FakeContent(DATA))

    assert rig.journal.completes_before == [0]
    assert uploaded.last_modified == LONG_AGO


async def test_answer_without_a_checksum_is_looked_behind(rig: UploaderFixture) -> None:
    """A 200 that does not prove anything is believed only after the object has been seen."""
    rig.store.proves_nothing = True

    assert await rig.upload(FakeContent(DATA)) == WHOLE
    assert names(rig) == ["complete", "head"]


async def test_page_in_place_of_the_answer_announces_nothing(rig: UploaderFixture) -> None:
    """Something in between answered every Complete, and nothing was put together."""
    rig.store.trouble(Trouble("complete", raising(StoreIntercepted("HTTP 200")), times=0))

    with pytest.raises(StoreIntercepted):
        await rig.upload(FakeContent(DATA))
    assert names(rig) == ["complete", "head"] * 5


async def test_missing_object_proves_nothing(rig: UploaderFixture) -> None:
    """While the upload exists, a 404 after a broken Complete leads to another Complete."""
    rig.store.trouble(Trouble("complete", raising(StoreUnavailable("reset")), times=2))

    assert await rig.upload(FakeContent(DATA)) == WHOLE
    assert names(rig) == ["complete", "head", "complete", "head", "complete"]


async def test_repeated_complete_says_that_the_upload_is_gone(rig: UploaderFixture) -> None:
    """The first one succeeded, but its check failed; the second finds no upload: it is there."""
    rig.store.trouble(Trouble("complete", raising(StoreUnavailable("time-out")), lost=True))
    rig.store.trouble(Trouble("head", raising(StoreUnavailable("down"))))

    assert await rig.upload(FakeContent(DATA)) == WHOLE
    assert names(rig) == ["complete", "head", "complete", "head"]


async def test_object_that_appears_late_is_waited_for(rig: UploaderFixture) -> None:
    """Neither upload nor object can be seen for a short time while OSS puts it together."""
    vanish = Trouble("complete", raising(UploadGone("gone")), times=BOTH_GONE_AFTER - 1)
    rig.store.trouble(vanish)

    assert await rig.upload(FakeContent(DATA)) == WHOLE


async def test_both_gone_is_believed_in_the_end(rig: UploaderFixture) -> None:
    """An upload that was aborted elsewhere is reported as gone, after some looks."""
    rig.store.trouble(Trouble("complete", raising(UploadGone("gone")), times=0))

    with pytest.raises(UploadGone):
        await rig.upload(FakeContent(DATA))
    assert rig.store.count("complete") == BOTH_GONE_AFTER


async def test_wrong_object_is_never_ours(rig: UploaderFixture) -> None:
    """An object of the right size with other bytes, or of another size, is corrupt."""
    for data in (DATA[:-1] + b"?", DATA + b"!"):
        rig.store.objects[KEY] = StoredObject(data, META)
        rig.store.trouble(Trouble("complete", raising(UploadGone("gone"))))
        with pytest.raises(Corrupted):
            await rig.upload(FakeContent(DATA))


async def test_wrong_checksum_of_the_object(rig: UploaderFixture) -> None:
    """A checksum in the answer that is not that of the parts means a corrupt object."""
    rig.store.wrong_crc_for = {0}

    with pytest.raises(Corrupted):
        await rig.upload(FakeContent(DATA))


@pytest.mark.parametrize("error", [StoreUnavailable("down"), StoreThrottled("slow")])
async def test_attempts_run_out(rig: UploaderFixture, error: StoreError) -> None:
    """When Complete never succeeds the last error is raised, after all attempts."""
    rig.store.trouble(Trouble("complete", raising(error), times=0))

    with pytest.raises(type(error)):
        await rig.upload(FakeContent(DATA))
    assert rig.store.count("complete") == 5
    assert rig.store.upload_ids == ["upload-1"]


async def test_throttled_complete_needs_no_look(rig: UploaderFixture) -> None:
    """A refusal to serve is a clear answer: nothing was applied."""
    rig.store.trouble(Trouble("complete", raising(StoreThrottled("slow"))))
    await rig.upload(FakeContent(DATA))

    assert names(rig) == ["complete", "complete"]


async def test_look_that_is_refused_is_final(rig: UploaderFixture) -> None:
    """If looking is forbidden, the outcome stays unknown and the error is final."""
    rig.store.trouble(Trouble("complete", raising(StoreUnavailable("reset"))))
    rig.store.trouble(Trouble("head", raising(StoreForbidden("no")), times=0))

    with pytest.raises(StoreForbidden):
        await rig.upload(FakeContent(DATA))
