"""A store whose calls are noted."""

import pytest

from bot.core.errors import StoreForbidden, TransferCancelled
from bot.core.objects import SMALLEST_PART, Part
from bot.core.ports.store import ObjectMeta, ObjectStore
from bot.jobs.watched_store import WatchedStore
from tests.fakes.body import BytesBody, RaisingBody
from tests.fakes.store import FakeStore, Trouble

META = ObjectMeta("text/plain", "attachment", public=False)
BODY = BytesBody(b"x" * SMALLEST_PART)


class Watched:
    """A store, and what was noted of it."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str]] = []
        self.below = FakeStore()
        self.store: ObjectStore = WatchedStore(self.below, lambda *note: self.notes.append(note))


@pytest.fixture
def watched() -> Watched:
    """An empty store under watch."""
    return Watched()


def test_every_call_is_handed_on(watched: Watched) -> None:
    """Each call is noted once under its name, and does what it does without a watch."""
    store = watched.store
    store.put_object("a", BODY, META)
    upload_id = store.initiate("b", META)
    receipt = store.upload_part("b", upload_id, 1, BODY)
    listed = store.list_parts("b", upload_id)
    pending = [upload.upload_id for upload in store.list_uploads("b")]
    store.copy_part("a", "b", upload_id, Part(2, 0, SMALLEST_PART))
    store.complete("b", upload_id, store.list_parts("b", upload_id), META)
    store.copy_object("b", "c", META)
    keys = [stat.key for stat in store.list_objects("")]
    found = store.head("b")
    store.delete(["a", "b", "c"])
    store.abort("d", "unknown")

    assert ([receipt], [upload_id]) == (listed, pending)
    assert (keys, found.size if found else None) == (["a", "b", "c"], 2 * SMALLEST_PART)
    assert watched.below.objects == {}
    assert [code for _, code in watched.notes] == [""] * 13
    assert {operation for operation, _ in watched.notes} == {
        *("put_object", "initiate", "upload_part", "list_parts", "list_uploads", "copy_part"),
        *("complete", "copy_object", "list_objects", "head", "delete", "abort"),
    }


def test_failures_are_noted_by_code(watched: Watched) -> None:
    """What the store raises goes on, and its code is noted."""

    def refuse() -> None:
        raise StoreForbidden("no")

    watched.below.trouble(Trouble("head", refuse))
    with pytest.raises(StoreForbidden):
        watched.store.head("a")

    assert watched.notes == [("head", "store_forbidden")]


def test_cancelled_calls_say_nothing(watched: Watched) -> None:
    """That we broke a call off is no news about the store."""
    with pytest.raises(TransferCancelled):
        watched.store.put_object("a", RaisingBody(b"x", TransferCancelled("stop")), META)

    assert watched.notes == []
