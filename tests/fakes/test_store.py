"""The store in memory: its troubles. What it stores and refuses is in the contract suite."""

import pytest

from bot.core.errors import StoreUnavailable
from bot.core.ports.store import ObjectMeta, ObjectStore
from tests.fakes.body import BytesBody
from tests.fakes.store import Call, FakeStore, Trouble

META = ObjectMeta("application/octet-stream", "attachment", public=False)


def fail() -> None:
    """Break the connection."""
    raise StoreUnavailable("reset")


def put(store: ObjectStore, times: int) -> str:
    """Put an object `times` times; return which of them worked, as a row of letters."""
    worked = ""
    for _ in range(times):
        try:
            store.put_object("key", BytesBody(b"x"), META)
        except StoreUnavailable:
            worked += "-"
        else:
            worked += "+"
    return worked


@pytest.mark.parametrize(
    ("skip", "times", "expected"), [(0, 1, "-++++"), (2, 2, "++--+"), (1, 0, "+----")]
)
def test_troubles_strike_as_told(skip: int, times: int, expected: str) -> None:
    """Some calls pass first, then so many are hit, zero meaning all."""
    store = FakeStore()
    trouble = store.trouble(Trouble("put_object", fail, skip=skip, times=times))

    assert expected == put(store, 5)
    assert expected.count("-") == trouble.hits
    assert [Call("put_object", "key")] * 5 == store.calls
    assert store.in_flight == 0


@pytest.mark.parametrize("lost", [True, False])
def test_lost_answers_are_applied(*, lost: bool) -> None:
    """A lost answer leaves the object behind, a broken request does not."""
    store = FakeStore()
    store.trouble(Trouble("put_object", fail, lost=lost))
    put(store, 1)

    assert lost == ("key" in store.objects)


def test_troubles_of_one_part() -> None:
    """A trouble for one part number leaves the others alone."""
    store = FakeStore()
    upload_id = store.initiate("key", META)
    store.trouble(Trouble("upload_part", fail, part_number=2))
    store.upload_part("key", upload_id, 1, BytesBody(b"x"))

    with pytest.raises(StoreUnavailable):
        store.upload_part("key", upload_id, 2, BytesBody(b"x"))
    store.upload_part("key", upload_id, 2, BytesBody(b"x"))
