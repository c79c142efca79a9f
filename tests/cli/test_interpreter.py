"""The interpreter after the start."""

import gc
import sys
from collections.abc import Iterator

import pytest

from bot.cli.interpreter import TURN, favour_the_loop


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave the interpreter of the test run as it was."""
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)
    gc.unfreeze()


def test_collections_look_at_new_objects_only() -> None:
    """Objects from the start of the process are set apart, later ones are not."""
    early: list[object] = [[]]
    favour_the_loop()
    late: list[object] = [[]]
    watched = {id(thing) for thing in gc.get_objects()}

    assert id(early) not in watched
    assert id(late) in watched


def test_threads_take_short_turns() -> None:
    """No thread keeps the interpreter's lock for longer than a turn while the loop waits."""
    favour_the_loop()

    assert sys.getswitchinterval() == pytest.approx(TURN)
