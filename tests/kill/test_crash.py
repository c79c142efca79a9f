"""A crash loses neither parts, nor bytes in the spool, nor commands of the user."""

import os
import signal
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from bot.core.ports.runs import Role
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from tests.conversations.people import Person, link_of, sha256
from tests.kill.kill_scenario import KillScenario, digest_of, part_numbers

pytestmark = pytest.mark.long

MIB = 1 << 20
SIZE = 16 * MIB
ARRIVED = 6 * MIB


@pytest.fixture
def content(tmp_path: Path, stage: LocalStack) -> Path:
    """A file of which Telegram hands over the first bytes, and then hangs."""
    fault = Fault("file", Effect.STALL, args={"bytes": ARRIVED, "seconds": 30})
    stage.telegram.faults.add(fault)
    path = tmp_path / "content"
    path.write_bytes(os.urandom(SIZE))
    return path


async def test_spool_survives(scenario: KillScenario, content: Path) -> None:
    """Bytes that had arrived before `kill -9` are neither fetched nor sent again."""
    stage, alice = scenario.stage, scenario.alice
    async with scenario.bot(victim=Role.WORKER) as bot:
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
        "before:SqlJobs.cancel:1",
        "after:SqlJobs.cancel:1",
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


@pytest.mark.parametrize("kill_point", ["after:SqlObjects.removing:1", "before:SqlObjects.gone:1"])
async def test_crash_in_a_deletion(scenario: KillScenario, kill_point: str) -> None:
    """A link whose deletion the process did not survive is ended by the next start."""
    stage, alice = scenario.stage, scenario.alice
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
    async with scenario.bot(victim=Role.WORKER) as bot:
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


async def test_five_kills_fail_no_file(scenario: KillScenario) -> None:
    """Files that happened to run when the process was killed, before a byte had come, get their
    links: not every job that ran is taken for the cause.
    """
    stage, alice = scenario.stage, scenario.alice
    stage.telegram.faults.add(Fault("file", Effect.LATE, times=0, args={"seconds": 30}))
    for number in range(3):
        await alice.send(bytes([number]) * 2000)

    def asked_again(before: int) -> bool:
        return len(stage.telegram.log.of("getFile")) > before

    for _ in range(5):
        before = len(stage.telegram.log.of("getFile"))
        async with scenario.bot(victim=Role.WORKER) as bot:
            await stage.telegram.wait_for(partial(asked_again, before))
            bot.send(signal.SIGKILL)
            await bot.end()
    stage.telegram.faults.clear()
    async with scenario.bot() as bot:
        await stage.oss.wait_for(lambda: len(stage.bucket.objects) == 3)
        code, _ = await bot.stop()

    assert code == 0
    assert scenario.query("SELECT state, count(*) FROM jobs GROUP BY state") == [("done", 3)]


async def test_kills_of_a_local_file_that_goes_on(tmp_path: Path, ledgers: str) -> None:
    """Nothing of it comes to the spool, but each process stores a part more: it is no suspect."""
    more = {"RELAY_TRANSFER__CONNECTIONS_PER_FILE": "1"}
    async with (
        LocalStack(tmp_path, local=True, more=more) as stage,
        KillScenario(stage, ledgers) as scenario,
    ):
        message = await scenario.alice.send(os.urandom(5 * 4 * MIB + 1000))
        for _ in range(5):
            async with scenario.bot(kill_point="after:SqlObjects.progressed:1") as bot:
                assert await bot.end() == -signal.SIGKILL
        async with scenario.bot() as bot:
            answer = await scenario.alice.answered(message)
            await bot.stop()
        jobs = scenario.query("SELECT state, crashes FROM jobs")

    assert "crash" not in answer.text
    assert jobs == [("done", 0)]


async def test_poisonous_file_is_parked_and_its_neighbours_are_not(scenario: KillScenario) -> None:
    """A file that kills the process whenever it is begun is given up; the others get links."""
    stage, alice = scenario.stage, scenario.alice
    await alice.send(b"before" * 300)
    poison = await alice.send(b"poison")
    await alice.send(b"after" * 300)
    poison_id = poison.json()["document"]["file_id"]

    def begun() -> int:
        asked = stage.telegram.log.of("getFile")
        return sum(request.params["file_id"] == poison_id for request in asked)

    def is_parked() -> bool:
        return scenario.query("SELECT error_code, id FROM jobs WHERE state = 'failed'") != []

    def begun_or_answered(before: int) -> bool:
        return begun() > before or is_parked()

    for _ in range(10):
        before = begun()
        async with scenario.bot(victim=Role.WORKER) as bot:
            await alice.until(partial(begun_or_answered, before))
            bot.send(signal.SIGKILL)
            await bot.end()
        if is_parked():
            break
    async with scenario.bot() as bot:
        await stage.oss.wait_for(lambda: len(stage.bucket.objects) == 2)
        await alice.until(lambda: any("interrupted" in said.text for said in alice.said))
        await bot.stop()
    ended = dict(scenario.query("SELECT state, count(*) FROM jobs GROUP BY state"))

    assert ended == {"done": 2, "failed": 1}
