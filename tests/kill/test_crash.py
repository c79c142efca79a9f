"""A crash loses neither parts, nor bytes in the spool, nor commands of the user."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from tests.conversations.people import Person, link_of, sha256
from tests.kill.kill_scenario import KillScenario, digest_of, part_numbers

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
def scenario(stage: LocalStack) -> KillScenario:
    """A stage whose Telegram hands over the first bytes of a file and then hangs."""
    fault = Fault("file", Effect.STALL, args={"bytes": ARRIVED, "seconds": 30})
    stage.telegram.faults.add(fault)
    return KillScenario(stage)


async def test_spool_survives(scenario: KillScenario, content: Path) -> None:
    """Bytes that had arrived before `kill -9` are neither fetched nor sent again."""
    stage, alice = scenario.stage, scenario.alice
    async with scenario.bot() as bot:
        message = await scenario.send(content)
        await stage.oss.wait_for(lambda: _stored(stage) == ARRIVED // MIB)
        bot.send(signal.SIGKILL)
        await bot.end()
    async with scenario.bot() as bot:
        answer = await alice.answered(message)
        code, _ = await bot.stop()
    ranges = [request.params["range"] for request in stage.telegram.log.of("file")]

    assert [None, f"bytes={ARRIVED}-"] == ranges
    assert Counter(range(1, SIZE // MIB + 1)) == part_numbers(scenario.part_requests)
    assert (0, sha256(content.read_bytes())) == (code, await digest_of(link_of(answer)))
    assert scenario.left_on_disk() == []


@pytest.mark.parametrize(
    "kill_point",
    [
        "after:SqlJobs.request_cancel:1",
        "before:SqlObjects.abandon:1",
        "before:SqlJobs.cancel:1",
        "before:OssBucket.abort:1",
        "before:SqlObjects.swept:1",
    ],
)
async def test_crash_in_a_cancel(scenario: KillScenario, content: Path, kill_point: str) -> None:
    """A cancel that was in the ledger when the process died is carried out by the next start."""
    stage, alice = scenario.stage, scenario.alice
    async with scenario.bot(kill_point=kill_point) as bot:
        await scenario.send(content)
        await stage.oss.wait_for(lambda: _stored(stage) == ARRIVED // MIB)
        await alice.until(lambda: bool(alice.status_messages))
        status_message = alice.status_messages[0]
        await alice.chat.press(alice.user, status_message, "Cancel")
        assert await bot.end() == -signal.SIGKILL
    requests = len(scenario.part_requests)
    async with scenario.bot() as bot:
        await alice.until(lambda: _says_cancelled(alice))
        await stage.oss.wait_for(lambda: not stage.bucket.uploads)
        code, _ = await bot.stop()
    await scenario.settle()

    assert code == 0
    assert (requests, 1) == (len(scenario.part_requests), len(stage.telegram.log.of("file")))
    assert [alice.said, [m for m in alice.status_messages if m.buttons]] == [[], []]
    assert (stage.bucket.objects, stage.bucket.uploads) == ({}, {})
    assert scenario.objects() == {"gone": 1}
    assert scenario.left_on_disk() == []


def _says_cancelled(alice: Person) -> bool:
    return any("ancelled" in status_message.text for status_message in alice.status_messages)


@pytest.mark.parametrize("kill_point", ["before:OssBucket.delete:2", "before:SqlObjects.gone:1"])
async def test_crash_in_a_deletion(stage: LocalStack, kill_point: str) -> None:
    """A link whose deletion the process did not survive is ended by the next start."""
    scenario = KillScenario(stage)
    alice = scenario.alice
    async with scenario.bot(kill_point=kill_point) as bot:
        answer = await alice.answered(await alice.send(b"z" * 2000))
        await alice.chat.press(alice.user, answer, "Delete now")
        assert await bot.end() == -signal.SIGKILL
    async with scenario.bot() as bot:
        await alice.until(lambda: "Deleted" in alice.shown(answer).text)
        code, _ = await bot.stop()

    assert code == 0
    assert not alice.shown(answer).buttons
    assert stage.bucket.objects == {}
    assert scenario.objects() == {"gone": 1}


async def test_killed_twice(scenario: KillScenario, content: Path) -> None:
    """A restart may be killed as well: what the two have sent together is not sent again."""
    stage, alice = scenario.stage, scenario.alice
    async with scenario.bot() as bot:
        message = await scenario.send(content)
        await stage.oss.wait_for(lambda: _stored(stage) == ARRIVED // MIB)
        bot.send(signal.SIGKILL)
        await bot.end()
    async with scenario.bot(kill_point="before:OssBucket.complete:1") as bot:
        assert await bot.end() == -signal.SIGKILL
    async with scenario.bot() as bot:
        answer = await alice.answered(message)
        await alice.until(lambda: not alice.status_messages)
        await bot.stop()

    assert Counter(range(1, SIZE // MIB + 1)) == part_numbers(scenario.part_requests)
    assert sha256(content.read_bytes()) == await digest_of(link_of(answer))
    assert len(alice.said) == 1


def _stored(stage: LocalStack) -> int:
    return sum(len(upload.parts) for upload in stage.bucket.uploads.values())
