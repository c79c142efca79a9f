"""The flag that stops threads."""

import threading

import pytest

from bot.core.errors import TransferCancelled
from bot.transfer.pool import CancelFlag, current_flag, working_for


def test_raises_only_when_set() -> None:
    """A lowered flag lets everything pass, a raised one nothing."""
    flag = CancelFlag()
    flag.raise_if_set()
    flag.set()

    with pytest.raises(TransferCancelled):
        flag.raise_if_set()


def test_wait_ends_when_raised() -> None:
    """A long wait in one thread ends at once when another raises the flag."""
    flag = CancelFlag()
    heard = []
    thread = threading.Thread(target=lambda: heard.append(flag.wait(60)))
    thread.start()
    flag.set()
    thread.join(10)

    assert heard == [True]


def test_wait_tells_that_nothing_came() -> None:
    """A wait that runs out says that the flag is still down."""
    assert not CancelFlag().wait(0)


def test_callback_runs_inside_its_block_only() -> None:
    """A callback is not called after its block has been left: the socket may be in use by another
    request by then.
    """
    flag = CancelFlag()
    heard: list[str] = []
    with flag.calling(lambda: heard.append("first")):
        pass
    with flag.calling(lambda: heard.append("second")):
        flag.set()

    assert heard == ["second"]


def test_callback_of_a_raised_flag_runs_at_once() -> None:
    """A request that begins after the cancel is cut before it sends a byte."""
    flag = CancelFlag()
    flag.set()
    heard: list[bool] = []
    with flag.calling(lambda: heard.append(True)):
        assert heard == [True]


def test_flag_of_the_thread() -> None:
    """Code below finds the flag it works for; `None` hides it for a stretch; threads differ."""
    outer, seen = CancelFlag(), []
    with working_for(outer):
        seen.append(current_flag())
        with working_for(None):
            seen.append(current_flag())
        seen.append(current_flag())
        other = threading.Thread(target=lambda: seen.append(current_flag()))
        other.start()
        other.join()
    seen.append(current_flag())

    assert [outer, None, outer, None, None] == seen
