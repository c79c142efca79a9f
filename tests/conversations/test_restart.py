"""A bot that is stopped in the middle of things, and started again."""

import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest

from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.ledger import SqlLedger
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import EventKind, Message, VisibleMessage
from tests.conversations.people import PATIENCE, Person, fetch, link_of, links_of
from tests.fakes.ledger import place_of

MIB = 1 << 20
SIZE = 16 * MIB
ARRIVED = 6 * MIB
PARTS = SIZE // MIB


class Interrupted:
    """A transfer whose download hangs after `ARRIVED` bytes; all of these are in OSS."""

    def __init__(self, stage: LocalStack, alice: Person) -> None:
        self.stage = stage
        self.alice = alice
        self.content = os.urandom(SIZE)

    async def begin(self) -> tuple[Message, VisibleMessage]:
        """Send the file; return the message and the status message, when no byte moves any
        more.
        """
        stage, alice = self.stage, self.alice
        hang = Fault("file", Effect.STALL, args={"bytes": ARRIVED, "seconds": 60})
        stage.telegram.faults.add(hang)
        message = await alice.send(self.content, "film.mkv")
        await alice.until(lambda: bool(alice.status_messages))
        await stage.oss.wait_for(lambda: _parts_stored(stage) == ARRIVED // MIB)
        return message, alice.status_messages[0]

    async def restart(self) -> None:
        """Stop the bot as an operator does, and start it on a Telegram that works again."""
        await self.stage.stop_bot()
        self.stage.telegram.faults.clear()
        await self.stage.start_bot(self.alice.id)

    def parts_sent(self) -> Counter[int]:
        """How often each part was sent."""
        requests = self.stage.oss.log.of("UploadPart")
        return Counter(int(str(request.params["partNumber"])) for request in requests)

    def ranges(self) -> list[object]:
        """What each download asked for."""
        return [request.params["range"] for request in self.stage.telegram.log.of("file")]

    async def assert_over(self, message: Message) -> None:
        """The sender has one answer with the right bytes, and nothing is left behind."""
        answer = await self.alice.answered(message)
        await self.alice.until(lambda: not self.alice.status_messages)

        assert [answer.id] == [said.id for said in self.alice.said]
        assert (await fetch(link_of(answer)))[1] == self.content
        assert (len(self.stage.bucket.objects), self.stage.bucket.uploads) == (1, {})
        assert spooled(self.stage) == []


def _parts_stored(stage: LocalStack) -> int:
    return sum(len(upload.parts) for upload in stage.bucket.uploads.values())


def spooled(stage: LocalStack) -> list[Path]:
    """What is in the spool."""
    return sorted((stage.folder / "spool").glob("*"))


async def until_swept(stage: LocalStack) -> None:
    """Wait until nothing is in the spool: a worker looks every five seconds (real) for files of
    jobs that have ended elsewhere.
    """
    async with asyncio.timeout(PATIENCE):
        while spooled(stage):  # noqa: ASYNC110 -- nothing tells of it.
            await asyncio.sleep(0.1)


@pytest.fixture(autouse=True)
def _short_grace(stage: LocalStack) -> None:
    """Running jobs are stopped at once."""
    stage.more["RELAY_STOP__GRACE"] = "0s"


@pytest.fixture
async def interrupted(stage: LocalStack) -> Interrupted:
    """A bot for Alice, and the file that she will send."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    return Interrupted(stage, alice)


async def test_transfer_goes_on_where_it_stopped(interrupted: Interrupted) -> None:
    """The same status message says that it pauses and goes on; no byte is fetched or sent
    twice.
    """
    stage, alice = interrupted.stage, interrupted.alice
    message, status_message = await interrupted.begin()
    await stage.stop_bot()
    paused, kept = alice.shown(status_message), [path.stat().st_size for path in spooled(stage)]
    stage.telegram.faults.clear()
    stage.telegram.shape.down_total = 3.0 * MIB
    await stage.start_bot(alice.id)
    await interrupted.assert_over(message)
    happened = [event for event in alice.chat.history if event.message.silent]
    later = happened[happened.index(next(e for e in happened if e.message == paused)) + 1 :]

    assert "Paused; continues after the restart" in paused.text
    assert kept == [ARRIVED]
    assert {status_message.id} == {event.message.id for event in happened}
    assert any("%" in event.message.text for event in later)
    assert [None, f"bytes={ARRIVED}-"] == interrupted.ranges()
    assert Counter(range(1, PARTS + 1)) == interrupted.parts_sent()


async def test_spool_of_another_boot_is_not_trusted(
    interrupted: Interrupted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a reboot the file is fetched from its beginning, but OSS keeps the parts it has."""
    message, _ = await interrupted.begin()
    for user in ("bot.app", "bot.wiring.resources", "bot.worker"):
        monkeypatch.setattr(f"{user}.boot_id", lambda: "another boot")
    await interrupted.restart()
    await interrupted.assert_over(message)

    assert interrupted.ranges() == [None, None]
    assert Counter(range(1, PARTS + 1)) == interrupted.parts_sent()


async def test_status_message_deleted_meanwhile(interrupted: Interrupted) -> None:
    """A status message that its reader has deleted does not come back, and the job goes on."""
    alice = interrupted.alice
    message, status_message = await interrupted.begin()
    await interrupted.stage.stop_bot()
    await alice.chat.delete(status_message)
    interrupted.stage.telegram.shape.down_total = 5.0 * MIB
    await interrupted.restart()
    await interrupted.assert_over(message)
    placed = [e for e in alice.chat.history if e.by_bot and e.what is EventKind.SENT]

    assert [event.message.silent for event in placed] == [True, False]


async def test_cancel_while_nobody_ran(interrupted: Interrupted) -> None:
    """A press on the button of a paused status message counts when the bot is back."""
    stage, alice = interrupted.stage, interrupted.alice
    _, status_message = await interrupted.begin()
    await stage.stop_bot()
    query = await alice.chat.press(alice.user, status_message, "Cancel")
    # Or the transfer that goes on may be quicker.
    stage.telegram.faults.add(Fault("file", Effect.STALL, times=0, args={"seconds": 60}))
    await stage.start_bot(alice.id)
    await alice.until(lambda: "ancelled" in alice.shown(status_message).text)
    await stage.oss.wait_for(lambda: not stage.bucket.uploads)
    await until_swept(stage)

    assert query.answer is not None
    assert alice.said == []
    assert not alice.shown(status_message).buttons
    assert stage.bucket.objects == {}


async def test_update_that_comes_again(interrupted: Interrupted) -> None:
    """A message that Telegram delivers once more after the restart is not relayed twice."""
    stage, alice = interrupted.stage, interrupted.alice
    message, _ = await interrupted.begin()
    await stage.stop_bot()
    await stage.telegram.send_raw_update({"message": message.json()})
    stage.telegram.faults.clear()
    await stage.start_bot(alice.id)
    await interrupted.assert_over(message)
    await alice.answered(await alice.write("/start"))

    assert len(stage.bucket.objects) == 1


async def test_waiting_jobs_go_on(stage: LocalStack) -> None:
    """Jobs that wait for their turn wait on after the restart, and each is answered once."""
    stage.more |= {"RELAY_TRANSFER__AT_ONCE": "1", "RELAY_TRANSFER__PER_OWNER": "1"}
    alice = Person(stage)
    await stage.start_bot(alice.id)
    interrupted = Interrupted(stage, alice)
    await interrupted.begin()
    contents = {f"{number}.bin": os.urandom(MIB) for number in range(3)}
    for name, content in contents.items():
        await alice.send(content, name)
    await alice.until(lambda: len(alice.status_messages) >= 2)
    await stage.stop_bot()
    paused = [status_message.text for status_message in alice.status_messages]
    await interrupted.restart()
    # One message may answer several of them.
    await alice.until(lambda: len(_links(alice)) == 4 and not alice.status_messages)
    fetched = {name: body for _, body, name in [await fetch(url) for url in _links(alice)]}

    assert all("Paused; continues after the restart" in text for text in paused)
    assert {"film.mkv": interrupted.content, **contents} == fetched
    assert len(stage.telegram.log.of("getFile")) == 5
    assert spooled(stage) == []


def _links(alice: Person) -> list[str]:
    return [url for answer in alice.said for url in links_of(answer)]


async def test_what_was_not_said_is_said_later(stage: LocalStack) -> None:
    """Answers and replies that Telegram did not take are sent once after the restart."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    flood = Fault("sendMessage", Effect.ERROR, times=0, args={"status": 429, "retry_after": 60})
    stage.telegram.faults.add(flood)
    file, command = await alice.send(b"x" * 1000), await alice.write("/start")
    await stage.oss.wait_for(lambda: bool(stage.bucket.objects))
    await stage.telegram.wait_for(lambda: flood.hits >= 1)
    await stage.stop_bot()
    silence = list(alice.said)
    stage.telegram.faults.clear()
    await stage.start_bot(alice.id)
    answer, reply = await alice.answered(file), await alice.answered(command)

    assert silence == []
    assert (await fetch(link_of(answer)))[0] == 200
    assert sorted([answer.id, reply.id]) == sorted(said.id for said in alice.said)


async def test_job_that_crashes_again_and_again_is_parked(interrupted: Interrupted) -> None:
    """After the third crash without progress of a job that ran alone it is answered with the
    reason; others go on.
    """
    stage, alice = interrupted.stage, interrupted.alice
    message, status_message = await interrupted.begin()
    await stage.stop_bot()
    other = await alice.send(b"y" * 1000, "other.txt")
    await _crash(stage, times=4)
    await interrupted.restart()
    parked, answer = await alice.answered(message), await alice.answered(other)
    await alice.until(lambda: not alice.status_messages)
    await stage.oss.wait_for(lambda: not stage.bucket.uploads)

    assert "interrupted several times" in parked.text
    assert (await fetch(link_of(answer)))[1] == b"y" * 1000
    assert status_message.id not in {said.id for said in alice.chat.messages}
    await until_swept(stage)

    assert [interrupted.parts_sent().total()] == [ARRIVED // MIB]


async def _crash(stage: LocalStack, *, times: int) -> None:
    """Leave the one job of the ledger running, as that many dead processes would have."""
    async with open_database(place_of(stage)) as database:
        ledger = SqlLedger(database)
        (job,) = await ledger.jobs.unfinished()
        for crash in range(times):
            if crash:
                # As much as there can be: no later crash finds more on the disk.
                await ledger.jobs.recover(stage.clock.now(), {job.id: 1 << 40})
            assert await ledger.jobs.claim(job.id, stage.clock.now()) is not None
