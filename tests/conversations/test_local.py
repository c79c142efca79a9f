"""A Bot API server of one's own: files of any size, read where they are."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.local_stack import LocalStack
from tests.conversations.people import Person, fetch, link_of, sha256

MIB = 1 << 20


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalStack]:
    """Both stand-ins, Telegram's in local mode."""
    async with LocalStack(tmp_path, local=True) as stage:
        yield stage


async def test_large_file_is_read_in_place(local: LocalStack) -> None:
    """A file over the cloud's limit is uploaded from the server's copy, which is removed then."""
    alice = Person(local)
    await local.start_bot(alice.id)
    content = os.urandom(40 * MIB)
    answer = await alice.answered(await alice.send(content, "large.iso"))
    status, body, name = await fetch(link_of(answer))
    await local.stop_bot()
    assert local.local_root is not None
    left = [path for path in local.local_root.rglob("*") if path.is_file()]

    assert (200, sha256(content), "large.iso") == (status, sha256(body), name)
    assert not local.telegram.log.of("file")
    assert left == []
    assert not list((local.folder / "spool").glob("*"))
