"""What a crash must not lose besides parts: bytes in the spool, and the word of the user."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from tests.conversations.people import Person, link_of, sha256
from tests.kill.scene import Scene, digest_of, part_numbers

MIB = 1 << 20
SIZE = 16 * MIB
ARRIVED = 6 * MIB


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A file that Telegram hands over itself."""
    path = tmp_path / "content"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def scene(stage: LocalStack) -> Scene:
    """A stage whose Telegram hands over the first bytes of a file and then hangs."""
    fault = Fault("file", Effect.STALL, args={"bytes": ARRIVED, "seconds": 30})
    stage.telegram.faults.add(fault)
    return Scene(stage)


async def test_spool_survives(scene: Scene, content: Path) -> None:
    """Bytes that had arrived before `kill -9` are neither fetched nor sent again."""
    stage, alice = scene.stage, scene.alice
    async with scene.bot() as bot:
        message = await scene.send(content)
        await stage.oss.wait_for(lambda: _stored(stage) == ARRIVED // MIB)
        bot.send(signal.SIGKILL)
        await bot.end()
    async with scene.bot() as bot:
        answer = await alice.answered(message)
        code, _ = await bot.stop()
    ranges = [request.params["range"] for request in stage.telegram.log.of("file")]

    assert [None, f"bytes={ARRIVED}-"] == ranges
    assert Counter(range(1, SIZE // MIB + 1)) == part_numbers(scene.part_requests)
    assert (0, sha256(content.read_bytes())) == (code, await digest_of(link_of(answer)))
    assert scene.left_on_disk() == []


@pytest.mark.parametrize(
    "moment",
    [
        "after:SqlJobs.request_cancel:1",
        "before:SqlJobs.cancel:1",
        "after:SqlJobs.cancel:1",
        "before:OssBucket.abort:1",
        "before:SqlObjects.swept:1",
    ],
)
async def test_crash_in_a_cancel(scene: Scene, content: Path, moment: str) -> None:
    """A cancel that was in the ledger when the process died is carried out by the next start."""
    stage, alice = scene.stage, scene.alice
    async with scene.bot(moment=moment) as bot:
        await scene.send(content)
        await stage.oss.wait_for(lambda: _stored(stage) == ARRIVED // MIB)
        await alice.until(lambda: bool(alice.status_messages))
        status_message = alice.status_messages[0]
        await alice.chat.press(alice.user, status_message, "Cancel")
        assert await bot.end() == -signal.SIGKILL
    requests = len(scene.part_requests)
    async with scene.bot() as bot:
        await alice.until(lambda: _says_cancelled(alice))
        await stage.oss.wait_for(lambda: not stage.bucket.uploads)
        code, _ = await bot.stop()
    await scene.settle()

    assert code == 0
    assert (requests, 1) == (len(scene.part_requests), len(stage.telegram.log.of("file")))
    assert [alice.said, [m for m in alice.status_messages if m.buttons]] == [[], []]
    assert (stage.bucket.objects, stage.bucket.uploads) == ({}, {})
    assert scene.objects() == {"gone": 1}
    assert scene.left_on_disk() == []


def _says_cancelled(alice: Person) -> bool:
    return any("ancelled" in status_message.text for status_message in alice.status_messages)


@pytest.mark.parametrize("moment", ["before:OssBucket.delete:2", "before:SqlObjects.gone:1"])
async def test_crash_in_a_deletion(stage: LocalStack, moment: str) -> None:
    """A link whose deletion the process did not survive is ended by the next start."""
    scene = Scene(stage)
    alice = scene.alice
    async with scene.bot(moment=moment) as bot:
        answer = await alice.answered(await alice.send(b"z" * 2000))
        await alice.chat.press(alice.user, answer, "Delete now")
        assert await bot.end() == -signal.SIGKILL
    async with scene.bot() as bot:
        await alice.until(lambda: "Deleted" in alice.shown(answer).text)
        code, _ = await bot.stop()

    assert code == 0
    assert not alice.shown(answer).buttons
    assert stage.bucket.objects == {}
    assert scene.objects() == {"gone": 1}


async def test_killed_twice(scene: Scene, content: Path) -> None:
    """A restart may be killed as well: what the two have sent together is not sent again."""
    stage, alice = scene.stage, scene.alice
    async with scene.bot() as bot:
        message = await scene.send(content)
        await stage.oss.wait_for(lambda: _stored(stage) == ARRIVED // MIB)
        bot.send(signal.SIGKILL)
        await bot.end()
    async with scene.bot(moment="before:OssBucket.complete:1") as bot:
        assert await bot.end() == -signal.SIGKILL
    async with scene.bot() as bot:
        answer = await alice.answered(message)
        await alice.until(lambda: not alice.status_messages)
        await bot.stop()

    assert Counter(range(1, SIZE // MIB + 1)) == part_numbers(scene.part_requests)
    assert sha256(content.read_bytes()) == await digest_of(link_of(answer))
    assert len(alice.said) == 1


def _stored(stage: LocalStack) -> int:
    return sum(len(upload.parts) for upload in stage.bucket.uploads.values())
