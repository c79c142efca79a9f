"""What a crash must not lose besides parts: bytes in the spool, and the word of the user."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from bot.demo.stage import Stage
from bot.sandbox.faults import Effect, Fault
from tests.conversations.people import link_of, sha256
from tests.kill.entry import VARIABLE
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
def scene(stage: Stage) -> Scene:
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


async def test_cancel_right_before_the_crash(scene: Scene, content: Path) -> None:
    """A cancel that was in the ledger when the process died is honoured at the next start."""
    stage, alice = scene.stage, scene.alice
    more = {VARIABLE: "after:SqlJobs.request_cancel:1"}
    async with scene.bot(module="tests.kill.entry", more=more) as bot:
        await scene.send(content)
        await stage.oss.wait_for(lambda: _stored(stage) == ARRIVED // MIB)
        await alice.until(lambda: bool(alice.cards))
        card = alice.cards[0]
        await alice.chat.press(alice.user, card, "Cancel")
        assert await bot.end() == -signal.SIGKILL
    requests = len(scene.part_requests)
    async with scene.bot() as bot:
        await alice.until(lambda: "ancelled" in alice.shown(card).text)
        await stage.oss.wait_for(lambda: not stage.bucket.uploads)
        code, _ = await bot.stop()
    await scene.settle()

    assert code == 0
    assert (requests, 1) == (len(scene.part_requests), len(stage.telegram.log.of("file")))
    assert not alice.shown(card).buttons
    assert (stage.bucket.objects, stage.bucket.uploads) == ({}, {})
    assert scene.objects() == {"gone": 1}
    assert scene.left_on_disk() == []


def _stored(stage: Stage) -> int:
    return sum(len(upload.parts) for upload in stage.bucket.uploads.values())
