"""A look at the file of a ledger."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from bot.adapters.ledger import backup
from bot.adapters.ledger.backup import LedgerInspection, examine_ledger
from bot.adapters.ledger.database import migrate, open_database
from bot.core.errors import LedgerUnusable
from tests.fakes.ledger import put_empty_ledger


async def test_whole(tmp_path: Path) -> None:
    """A ledger in use is whole and of the newest version."""
    path = tmp_path / "relay.sqlite3"
    async with open_database(path):
        actual = examine_ledger(path)

    assert actual == LedgerInspection(actual.version, is_known=True, is_newest=True, damage="")
    assert actual.version


def test_empty(tmp_path: Path) -> None:
    """A file without tables is no damage: the next start fills it, and the look does not."""
    path = tmp_path / "relay.sqlite3"
    path.touch()
    actual = examine_ledger(path)

    assert actual == LedgerInspection("", is_known=False, is_newest=False, damage="")
    assert path.stat().st_size == 0


def test_not_sqlite(tmp_path: Path) -> None:
    """A file that is something else is damage."""
    path = tmp_path / "relay.sqlite3"
    path.write_bytes(b"once upon a time " * 1000)

    assert "not a database" in examine_ledger(path).damage


async def test_torn(tmp_path: Path) -> None:
    """A page that was overwritten is found."""
    path = tmp_path / "relay.sqlite3"
    async with open_database(path):
        pass
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * 4096)

    assert examine_ledger(path).damage


def test_newer(tmp_path: Path) -> None:
    """An unknown schema is told apart from an older one."""
    path = tmp_path / "relay.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.commit()
    connection.close()

    assert examine_ledger(path) == LedgerInspection(
        "9999", is_known=False, is_newest=False, damage=""
    )


def test_full_disk_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite says of a full disk or of a lock is no damage of the file."""
    path = tmp_path / "relay.sqlite3"
    put_empty_ledger(path)
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL

    def full(*_: object) -> None:
        raise OperationalError("PRAGMA quick_check", None, error)

    monkeypatch.setattr(backup, "_examine", full)
    actual = examine_ledger(path)

    assert (actual.damage, actual.unusable) == ("", "database or disk is full")


def test_tables_of_another_program(tmp_path: Path) -> None:
    """They are told apart from damage, and nothing is written into them."""
    path = tmp_path / "relay.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE jobs (id INTEGER)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerUnusable, match="another program"):
        migrate(path)

    assert path.read_bytes() == before
    assert (examine_ledger(path).damage, examine_ledger(path).unusable) == (
        "",
        "it holds the tables of another program",
    )


@pytest.mark.parametrize(
    "statement",
    ["DROP TABLE outbox", "ALTER TABLE outbox DROP COLUMN said"],
    ids=["table", "column"],
)
def test_tables_are_missing(tmp_path: Path, statement: str) -> None:
    """A version that matches is not enough."""
    path = tmp_path / "relay.sqlite3"
    put_empty_ledger(path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP INDEX ix_outbox_unsaid")
        connection.execute("DROP INDEX ix_outbox_said")
        connection.execute(statement)
    connection.close()
    with pytest.raises(LedgerUnusable, match="missing: outbox"):
        migrate(path)

    assert "missing: outbox" in examine_ledger(path).unusable
