"""A look at the file of a ledger."""

import sqlite3
from pathlib import Path

from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.migration import LedgerInspection, examine_ledger


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
