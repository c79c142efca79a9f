"""The heap after the start."""

import gc
from collections.abc import Iterator

import pytest

from bot.heap import settle_heap


@pytest.fixture(autouse=True)
def _thaw() -> Iterator[None]:
    """Leave the collector of the test run as it was."""
    yield
    gc.unfreeze()


def test_collections_look_at_new_objects_only() -> None:
    """What is there at the end of the start is set apart, what comes later is not."""
    early: list[object] = [[]]
    settle_heap()
    late: list[object] = [[]]
    watched = {id(thing) for thing in gc.get_objects()}

    assert id(early) not in watched
    assert id(late) in watched
