"""Backup and restore as an operator types them."""

import os
import time
from pathlib import Path

import pytest

from bot.adapters.ledger.sqlite import SendingLock
from bot.demo.local_stack import LocalStack
from tests.cli.shell import type_in
from tests.conversations.people import Person


async def test_there_and_back(stage: LocalStack) -> None:
    """A backup beside a running bot; restored after it has stopped, it has the links of then."""
    alice, to = Person(stage), stage.folder / "backup.sqlite3"
    await stage.start_bot(alice.id)
    await alice.answered(await alice.send(b"x" * 2000, "early.bin"))
    made = await type_in(stage, "backup", str(to))
    await alice.answered(await alice.send(b"y" * 2000, "late.bin"))
    refused = await type_in(stage, "restore", str(to))
    await stage.stop_bot()
    checked = await type_in(stage, "restore", "--check", str(to))
    restored = await type_in(stage, "restore", str(to))
    told = await type_in(stage, "status", "--json")

    assert (made.code, made.out.startswith(f"{to}: ")) == (0, True)
    assert (refused.code, "another bot runs" in refused.err) == (1, True)
    assert (checked.code, ": ok, schema " in checked.out) == (0, True)
    assert (restored.code, "the former one is" in restored.out) == (0, True)
    assert [link["name"] for link in told.json["links"]] == ["early.bin"]
    assert len(list(stage.folder.glob("relay.sqlite3.replaced-*Z"))) == 1


async def test_in_the_way(stage: LocalStack) -> None:
    """Nothing is replaced, and the line says what is in the way."""
    (stage.folder / "mine.bin").write_bytes(b"y" * 10)
    await type_in(stage, "send", str(stage.folder / "mine.bin"))
    there = stage.folder / "mine.bin"
    kept = await type_in(stage, "backup", str(there))
    lost = await type_in(stage, "backup", str(stage.folder / "missing" / "file"))
    wrong = await type_in(stage, "backup", "--keep", "3", str(stage.folder / "new"))

    assert (kept.code, f"{there} exists already" in kept.err) == (1, True)
    assert there.read_bytes() == b"y" * 10
    assert (lost.code, "No such file or directory" in lost.err) == (1, True)
    assert (wrong.code, "is no folder" in wrong.err) == (2, True)


async def test_folder(stage: LocalStack) -> None:
    """In a folder a backup is named by its time; all but the newest are removed, and nothing of
    others.
    """
    (stage.folder / "mine.bin").write_bytes(b"y" * 10)
    await type_in(stage, "send", str(stage.folder / "mine.bin"))
    folder = stage.folder / "backups"
    folder.mkdir()
    for name in ("relay-20200101T000000Z.sqlite3", "relay-20200102T000000Z.sqlite3", "mine.txt"):
        (folder / name).write_bytes(b"")
    killed, works = folder / ".relay-backup-killed", folder / ".relay-backup-works"
    for path in (killed, works):
        path.mkdir()
    os.utime(killed, (0, time.time() - 2 * 24 * 60 * 60))
    made = await type_in(stage, "backup", "--keep", "2", str(folder))
    names = sorted(path.name for path in folder.iterdir())

    assert (made.code, "removed 1 older" in made.out) == (0, True)
    assert names[:3] == [".relay-backup-works", "mine.txt", "relay-20200102T000000Z.sqlite3"]
    assert len(names) == 4
    assert made.out.startswith(str(folder / names[3]))


async def test_without_a_ledger(stage: LocalStack) -> None:
    """Where no bot has ever run there is nothing to copy, and nothing is left."""
    made = await type_in(stage, "backup", str(stage.folder / "backup"))

    assert (made.code, "no ledger" in made.err) == (1, True)
    assert not (stage.folder / "backup").exists()


async def test_while_a_command_sends(stage: LocalStack) -> None:
    """A ledger on which files are sent is not replaced."""
    (stage.folder / "mine.bin").write_bytes(b"y" * 10)
    await type_in(stage, "send", str(stage.folder / "mine.bin"))
    to = stage.folder / "backup"
    await type_in(stage, "backup", str(to))
    lock = SendingLock(stage.folder / "relay.sqlite3")
    lock.share()
    refused = await type_in(stage, "restore", str(to))
    lock.close()

    assert (refused.code, "relay-bot send runs" in refused.err) == (1, True)


@pytest.mark.parametrize("content", [b"", b"no database" * 100])
async def test_no_backup(stage: LocalStack, content: bytes) -> None:
    """A file that is no backup is refused with its reason, by both."""
    file: Path = stage.folder / "file"
    file.write_bytes(content)
    checked = await type_in(stage, "restore", "--check", str(file))
    missing = await type_in(stage, "restore", "--check", str(stage.folder / "missing"))

    assert (checked.code, str(file) in checked.err) == (1, True)
    assert (missing.code, "No such file" in missing.err) == (1, True)
