"""Locks of the processes that work on a ledger."""

from pathlib import Path

from bot.adapters.ledger.sqlite import SendingLock, bot_runs, process_lock, someone_sends


def test_a_bot(tmp_path: Path) -> None:
    """A bot is seen while it holds its lock, and only then."""
    path = tmp_path / "relay.sqlite3"
    before = bot_runs(path)
    with process_lock(path):
        meanwhile = bot_runs(path)

    assert [before, meanwhile, bot_runs(path)] == [False, True, False]


def test_senders(tmp_path: Path) -> None:
    """Any number of commands may send; one is alone only while no other is there."""
    path = tmp_path / "relay.sqlite3"
    before, first, second = someone_sends(path), SendingLock(path), SendingLock(path)
    alone = first.take_alone(), second.take_alone()
    first.share()
    second.share()
    first.close()
    meanwhile = someone_sends(path)
    second.close()

    assert (before, alone) == (False, (True, False))
    assert (meanwhile, someone_sends(path)) == (True, False)
