"""Commands on a ledger that cannot be used, as processes of their own."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.demo.local_stack import LocalStack
from tests.conversations.operators import run
from tests.fakes.ledger import put_empty_ledger

COMMANDS = (("run",), ("status",), ("audit",), ("send", "a.txt"))
READ_ONLY = Path("/proc/sys/kernel/osrelease")
"""A file that no user may write, root included."""


def folder(path: Path) -> Path:
    """A folder where the file should be."""
    path.mkdir()
    return path


def garbage(path: Path) -> Path:
    """A file of something else."""
    path.write_bytes(b"not a database\n" * 1000)
    return path


def read_only(_: Path) -> Path:
    """A file that cannot be written."""
    return READ_ONLY


def below_a_file(path: Path) -> Path:
    """A folder that cannot be made."""
    path.write_bytes(b"")
    return path / "inner" / "relay.sqlite3"


def damaged(path: Path) -> Path:
    """A ledger of which only the header and the list of tables are left."""
    return _damage(path, kept=())


def damaged_tables(path: Path) -> Path:
    """A ledger with damage that shows only when it is read: its version is intact."""
    return _damage(path, kept=("alembic_version",))


def newer(path: Path) -> Path:
    """A ledger of a version that does not exist yet."""
    put_empty_ledger(path)
    with sqlite3.connect(path) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    connection.close()
    return path


def _damage(path: Path, *, kept: tuple[str, ...]) -> Path:
    put_empty_ledger(path)
    connection = sqlite3.connect(path)
    (size,) = connection.execute("pragma page_size").fetchone()
    pages = connection.execute("select rootpage, tbl_name from sqlite_master").fetchall()
    connection.close()
    with path.open("r+b") as file:
        for page, name in pages:
            if page > 1 and name not in kept:
                file.seek((page - 1) * size)
                file.write(b"\xff" * size)
    return path


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (folder, "Is a directory"),
        (garbage, "file is not a database"),
        (read_only, ""),
        (below_a_file, ""),
        (damaged, "malformed"),
        (damaged_tables, "malformed"),
        (newer, "newer version"),
    ],
)
async def test_ledger_that_cannot_be_used(
    stage: LocalStack, make: Callable[[Path], Path], reason: str, words: tuple[str, ...]
) -> None:
    """It is one line that names the file and the reason, and exit code 1."""
    (stage.folder / "a.txt").write_bytes(b"aaa")
    path = make(stage.folder / "ledger")
    stage.more["RELAY_LEDGER__PATH"] = str(path)
    done = await run(stage, *words)
    lines = [line for line in done.err.splitlines() if line.startswith("relay-bot: ")]

    assert (done.code, len(lines)) == (1, 1)
    assert str(path) in lines[0]
    assert reason in lines[0]
    assert not [
        text for text in ("Traceback", "sqlalche", "SELECT") if text in done.out + done.err
    ]


async def test_folder_of_the_ledger_is_made(stage: LocalStack) -> None:
    """A first start makes the folders above the ledger."""
    stage.more["RELAY_LEDGER__PATH"] = str(stage.folder / "new" / "deep" / "relay.sqlite3")
    await stage.start_bot(1)
    await stage.stop_bot()

    assert (stage.folder / "new" / "deep" / "relay.sqlite3").is_file()
