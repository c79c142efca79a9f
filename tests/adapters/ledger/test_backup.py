"""Copies of a ledger: of one moment while it is written, checked, and put back."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from bot.adapters.ledger import backup
from bot.adapters.ledger.backup import back_up, put_back, require_sound
from bot.adapters.ledger.database import migrate
from bot.adapters.ledger.schema import VERSION
from bot.core.errors import LedgerTooNew, LedgerUnusable


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger with a table of its own, in which every transaction writes two rows."""
    path = tmp_path / "relay.sqlite3"
    migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE pairs (id INTEGER PRIMARY KEY, text TEXT)")
        connection.executemany("INSERT INTO pairs (text) VALUES (?)", [("x" * 2000,)] * 2000)
        connection.commit()
    return path


def count(path: Path) -> int:
    """Return the number of rows that are written in pairs."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM pairs").fetchone()[0])


def listing(folder: Path) -> list[str]:
    """Return the names of all files in a folder."""
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def writing(path: Path) -> Iterator[Event]:
    """Write pairs without a pause, as another process does; yield what is set after each."""
    wrote, end = Event(), Event()

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            while not end.is_set():
                connection.executemany("INSERT INTO pairs (text) VALUES (?)", [("y" * 2000,)] * 2)
                connection.commit()
                wrote.set()

    thread = Thread(target=write)
    thread.start()
    try:
        yield wrote
    finally:
        end.set()
        thread.join()


def test_while_it_is_written(ledger: Path, tmp_path: Path) -> None:
    """The copy is of one moment, between two transactions, and comes to an end though the writer
    never rests. It is one file, for its owner only.
    """
    folder = tmp_path / "backups"
    folder.mkdir()
    with writing(ledger) as wrote:
        for number in range(5):
            wrote.clear()
            back_up(ledger, folder / str(number))
            assert wrote.wait(30)
    counts = [count(folder / str(number)) for number in range(5)]

    assert all(found % 2 == 0 for found in counts)
    assert counts == sorted(set(counts))
    assert listing(folder) == ["0", "1", "2", "3", "4"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert require_sound(folder / "0") == VERSION


def test_replaces_nothing(ledger: Path, tmp_path: Path) -> None:
    """A file that is there stays as it is, and nothing else is left."""
    to = tmp_path / "backup"
    to.write_text("precious", encoding="utf-8")
    before = listing(tmp_path)
    with pytest.raises(FileExistsError):
        back_up(ledger, to)

    assert to.read_text(encoding="utf-8") == "precious"
    assert listing(tmp_path) == before


def test_replaces_nothing_that_came_meanwhile(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that appears while the copy is made stays as it is too."""
    to = tmp_path / "backup"

    def check_late(file: Path, *, named: Path | None = None) -> str:
        to.write_text("precious", encoding="utf-8")
        return require_sound(file, named=named)

    monkeypatch.setattr(backup, "require_sound", check_late)
    with pytest.raises(FileExistsError):
        back_up(ledger, to)

    assert to.read_text(encoding="utf-8") == "precious"


def test_damaged_ledger(ledger: Path, tmp_path: Path) -> None:
    """No backup is made of a ledger that is damaged, so that it replaces no good one."""
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with ledger.open("r+b") as file:
        file.seek(40 * 4096)
        file.write(b"\xff" * 4096 * 3)
    with pytest.raises(LedgerUnusable):
        back_up(ledger, tmp_path / "backup")

    assert not [name for name in listing(tmp_path) if "backup" in name]


def test_locked_ledger(ledger: Path, tmp_path: Path) -> None:
    """A lock against readers is waited for, and not for ever."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerUnusable, match="locked"):
            back_up(ledger, tmp_path / "backup", patience=0.1)


def test_missing_folder(ledger: Path, tmp_path: Path) -> None:
    """A folder that is not there is no fault of the ledger."""
    with pytest.raises(FileNotFoundError):
        back_up(ledger, tmp_path / "missing" / "backup")


def _spoil(backup: Path, kind: str) -> None:
    with closing(sqlite3.connect(backup)) as connection:
        if kind == "other program":
            connection.execute("DROP TABLE alembic_version")
        elif kind == "newer":
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    if kind == "wal":
        backup.with_name(f"{backup.name}-wal").write_bytes(b"")
    if kind == "text":
        backup.write_text("no database at all, but a text" * 100, encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("other program", LedgerUnusable),
        ("newer", LedgerTooNew),
        ("wal", LedgerUnusable),
        ("text", LedgerUnusable),
    ],
)
def test_unsound_backup(ledger: Path, tmp_path: Path, kind: str, error: type[Exception]) -> None:
    """What cannot be a ledger afterwards is refused, and the ledger stays as it is."""
    backup = tmp_path / "backup"
    back_up(ledger, backup)
    _spoil(backup, kind)
    before = count(ledger)
    for check in (lambda: require_sound(backup), lambda: put_back(backup, ledger, tmp_path / "k")):
        with pytest.raises(error):
            check()

    assert count(ledger) == before
    assert not (tmp_path / "k").exists()


def test_check_changes_nothing(ledger: Path, tmp_path: Path) -> None:
    """A backup on a disk that cannot be written can be checked."""
    folder = tmp_path / "disk"
    folder.mkdir()
    back_up(ledger, folder / "backup")
    before = (folder / "backup").read_bytes()
    (folder / "backup").chmod(0o400)
    folder.chmod(0o500)
    require_sound(folder / "backup")
    folder.chmod(0o700)

    assert (folder / "backup").read_bytes() == before
    assert listing(folder) == ["backup"]


def test_put_back(ledger: Path, tmp_path: Path) -> None:
    """The ledger is what it was at the backup; the former one is whole under its new name, with
    what stood in its log alone, and nothing of that reaches the restored one.
    """
    backup, kept = tmp_path / "backup", tmp_path / "kept"
    back_up(ledger, backup)
    at_backup = count(ledger)
    # Held open, so that the log is not written back: as after a crash.
    with closing(sqlite3.connect(ledger)) as crashed:
        crashed.execute("INSERT INTO pairs (text) VALUES ('later')")
        crashed.commit()
        put_back(backup, ledger, kept)
        migrate(ledger)
        restored, former = count(ledger), count(kept)

    assert (restored, former) == (at_backup, at_backup + 1)
    assert ledger.stat().st_mode & 0o777 == 0o600
    assert backup.exists()
    assert not [name for name in listing(tmp_path) if "restoring" in name]


def test_put_back_by_root(ledger: Path, tmp_path: Path) -> None:
    """The restored ledger belongs to the user of the former one, who must write it."""
    backup = tmp_path / "backup"
    back_up(ledger, backup)
    if os.geteuid() == 0:
        os.chown(ledger, 4242, 4242)
    owner = ledger.stat().st_uid
    put_back(backup, ledger, tmp_path / "kept")

    assert ledger.stat().st_uid == owner


def test_put_back_where_none_is(ledger: Path, tmp_path: Path) -> None:
    """On a new machine there is neither a ledger nor its folder."""
    backup, path = tmp_path / "backup", tmp_path / "new" / "relay.sqlite3"
    back_up(ledger, backup)
    put_back(backup, path, tmp_path / "kept")

    assert count(path) == count(ledger)
    assert listing(path.parent) == ["relay.sqlite3"]
