"""Files from a shell, between the stand-ins, with and without a bot."""

import asyncio
import hashlib
import os
import re
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.ledger import SqlCliJobs, SqlLedger
from bot.cli.common import CommandFailed
from bot.cli.send.files import open_input
from bot.cli.send.sender import FileSender, SendFailed, Sent, open_sender
from bot.core.jobs import SHELL, JobState, ProgressMeter, shell_file, shell_origin
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss.policy import Policy, parse_policy
from tests.conversations.people import fetch
from tests.conversations.test_webhook import free_port

CONTENT = os.urandom(1 << 20) * 9


async def send(
    stage: LocalStack,
    path: Path | None,
    *,
    descriptor: int = -1,
    meter: ProgressMeter | None = None,
) -> Sent:
    """Send one file as an operator does."""
    async with open_sender(stage.settings(1), stage.clock) as sender:
        name = path.name if path else "pipe.bin"
        with open_input(path, standard_input=descriptor, name=name) as given:
            return await sender.send(given, meter or ProgressMeter(), on_wait=lambda *_: None)


@pytest.fixture
def file(stage: LocalStack) -> Path:
    """A file of several parts."""
    path = stage.folder / "report.pdf"
    path.write_bytes(CONTENT)
    return path


async def in_ledger(stage: LocalStack, look: Callable[[SqlLedger], Awaitable[object]]) -> object:
    """Look into the ledger beside the processes that run."""
    async with open_database(stage.folder / "relay.sqlite3") as database:
        return await look(SqlLedger(database))


async def test_a_file(stage: LocalStack, file: Path) -> None:
    """Without a bot a signed link is made, right to the byte, that ends in due time."""
    meter = ProgressMeter()
    sent = await send(stage, file, meter=meter)
    status, body, name = await fetch(sent.link)

    assert (status, body == CONTENT, name) == (200, True, "report.pdf")
    assert meter.snapshot().stored == len(CONTENT)
    assert (sent.size, sent.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert sent.expires_at - stage.clock.now() <= timedelta(hours=23, minutes=55)
    assert meter.snapshot().uploaded == len(CONTENT)
    assert file.read_bytes() == CONTENT


async def test_the_link_dies_like_any_other(stage: LocalStack, file: Path) -> None:
    """A bot that starts afterwards ends the link in time, and sends no message."""
    sent = await send(stage, file)
    await stage.start_bot(1)
    stage.clock.advance(timedelta(hours=24))
    await stage.oss.wait_for(lambda: not stage.bucket.objects)

    assert (await fetch(sent.link))[0] in {403, 404}
    assert stage.telegram.log.of("sendMessage") == []


async def test_beside_a_bot(stage: LocalStack, file: Path) -> None:
    """A running bot leaves the job alone: no status message, no answer, no attempt of its own."""
    await stage.start_bot(1)
    stage.oss.faults.add(Fault("CompleteMultipartUpload", Effect.LATE, args={"seconds": 1.5}))
    sent = await send(stage, file)

    assert (await fetch(sent.link))[0] == 200
    assert stage.telegram.log.of("sendMessage") == []
    assert stage.telegram.log.of("getFile") == []


async def test_through_a_pipe(stage: LocalStack) -> None:
    """The bytes of a pipe are sent while they come; nothing of them is left in the spool."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(CONTENT)

    sent, _ = await asyncio.gather(send(stage, None, descriptor=reading), asyncio.to_thread(write))
    os.close(reading)
    _, body, name = await fetch(sent.link)

    assert (body == CONTENT, name, sent.size) == (True, "pipe.bin", len(CONTENT))
    assert list((stage.folder / "spool").iterdir()) == []


async def test_a_pipe_without_bytes(stage: LocalStack) -> None:
    """An empty pipe is an empty file, and nothing is left."""
    reading, writing = os.pipe()
    os.close(writing)
    with pytest.raises(SendFailed, match="file_empty"):
        await send(stage, None, descriptor=reading)
    os.close(reading)

    assert (stage.bucket.objects, stage.bucket.uploads) == ({}, {})


async def test_public_links_need_a_bot(stage: LocalStack, file: Path) -> None:
    """Only a running bot ends a public link: without one nothing is sent."""
    stage.more["RELAY_LINK__MODE"] = "public"
    with pytest.raises(CommandFailed, match="only a running bot"):
        await send(stage, file)
    before = len(stage.oss.log)
    await stage.start_bot(1)
    sent = await send(stage, file)

    assert (before, "x-oss-signature" in sent.link) == (0, False)
    assert (await fetch(sent.link))[0] == 200


async def test_a_page_needs_a_bot(stage: LocalStack, file: Path) -> None:
    """The link leads to a page, which only a running bot shows."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    stage.more |= {
        "RELAY_LINK__MODE": "page",
        "RELAY_WEB__PORT": str(port),
        "RELAY_WEB__URL": origin,
    }
    with pytest.raises(CommandFailed, match="only a running bot opens"):
        await send(stage, file)
    await stage.start_bot(1)
    sent = await send(stage, file)

    assert re.fullmatch(rf"{origin}/[A-Za-z0-9_-]{{22}}", sent.link)
    assert (await fetch(f"{sent.link}/x"))[1] == file.read_bytes()


async def test_an_open_bucket(stage: LocalStack, file: Path) -> None:
    """Where strangers can read everything, nothing is sent in signed mode."""
    stage.bucket.policy = _open_policy()
    with pytest.raises(CommandFailed, match="can be read anonymously"):
        await send(stage, file)

    assert stage.bucket.objects == {}


def _open_policy() -> Policy:
    return parse_policy(
        '{"Version": "1", "Statement": [{"Effect": "Allow", "Principal": "*",'
        ' "Action": "oss:GetObject", "Resource": "*"}]}'
    )


async def test_given_up(stage: LocalStack, file: Path) -> None:
    """A permanent failure has its code, and leaves neither object nor upload."""
    stage.oss.faults.add(Fault("UploadPart", Effect.ERROR, args={"status": 403}))
    with pytest.raises(SendFailed, match="store_forbidden"):
        await send(stage, file)

    assert (stage.bucket.objects, stage.bucket.uploads) == ({}, {})


async def test_stopped(stage: LocalStack, file: Path) -> None:
    """A cancel in the middle undoes everything, and the ledger knows that it ended."""
    stage.oss.faults.add(Fault("UploadPart", Effect.STALL, times=8))
    task = asyncio.create_task(send(stage, file))
    await stage.oss.wait_for(lambda: len(stage.oss.log.of("UploadPart")) > 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    job = await in_ledger(stage, lambda ledger: ledger.jobs.get(1))

    assert (stage.bucket.objects, stage.bucket.uploads) == ({}, {})
    assert getattr(job, "state", None) is JobState.CANCELLED


@pytest.mark.parametrize("by_bot", [True, False], ids=["bot", "send"])
async def test_killed(stage: LocalStack, file: Path, *, by_bot: bool) -> None:
    """A job of a killed command is ended by the next process, its upload aborted."""
    settings = stage.settings(1)
    async with open_database(settings.ledger.path) as database:
        ledger, shell = SqlLedger(database), SqlCliJobs(database)
        origin = shell_origin(settings.telegram.bot_id)
        job = await shell.accept(
            origin, shell_file("a", mime_type=None, size=1), stage.clock.now()
        )
        claim = await ledger.jobs.claim(job.id, stage.clock.now())
        assert claim is not None
        await ledger.objects.plan(claim.job, "relay/x", stage.clock.now() + timedelta(hours=24))
    if by_bot:
        await stage.start_bot(1)
    else:
        await send(stage, file)
    ended = await in_ledger(stage, lambda ledger: ledger.jobs.get(job.id))

    def looked_for() -> bool:
        lists = stage.oss.log.of("ListMultipartUploads")
        return "relay/x" in {entry.params["prefix"] for entry in lists}

    assert getattr(ended, "state", None) is JobState.CANCELLED
    # The running bot removes leftovers beside its work.
    await stage.oss.wait_for(looked_for)


async def test_a_bot_that_starts_meanwhile(stage: LocalStack, file: Path) -> None:
    """A bot that starts in the middle leaves the job to the command that runs it."""
    sender_ready = asyncio.Event()

    async def slowly() -> Sent:
        async with open_sender(stage.settings(1), stage.clock) as sender:
            with open_input(file, standard_input=-1, name="a.bin") as given:
                sender_ready.set()
                return await _send(sender, given)

    stage.oss.faults.add(Fault("CompleteMultipartUpload", Effect.LATE, args={"seconds": 1.5}))
    task = asyncio.create_task(slowly())
    await sender_ready.wait()
    await stage.oss.wait_for(lambda: len(stage.oss.log.of("UploadPart")) > 0)
    await stage.start_bot(1)
    sent = await task

    assert (await fetch(sent.link))[1] == CONTENT
    assert stage.telegram.log.of("getFile") == []


async def _send(sender: FileSender, given: object) -> Sent:
    return await sender.send(given, ProgressMeter(), on_wait=lambda *_: None)  # type: ignore[arg-type] # opened by `open_input`.


async def test_tries_again(stage: LocalStack, file: Path) -> None:
    """A transient failure is repeated, and reported."""
    heard: list[str] = []
    stage.oss.faults.add(
        Fault("UploadPart", Effect.ERROR, args={"status": 404, "code": "NoSuchUpload"})
    )
    async with open_sender(stage.settings(1), stage.clock) as sender:
        with open_input(file, standard_input=-1, name="a.bin") as given:

            def hear(code: str, _: object) -> None:
                heard.append(code)
                stage.clock.advance(timedelta(seconds=5))

            sent = await sender.send(given, ProgressMeter(), on_wait=hear)

    assert (heard, sent.size) == (["upload_gone"], len(CONTENT))


@pytest.mark.parametrize("kind", ["missing", "folder", "device"])
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    """A path that cannot be sent is named before anything begins."""
    path = {"missing": tmp_path / "none", "folder": tmp_path, "device": Path("/dev/null")}[kind]
    with (
        pytest.raises(CommandFailed, match=str(path)),
        open_input(path, standard_input=-1, name="x"),
    ):
        pass


def test_a_named_pipe_without_a_writer(tmp_path: Path) -> None:
    """It is opened at once, so that Ctrl-C and SIGTERM are heard during the wait for a writer."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    was_released = threading.Event()

    def release() -> None:
        was_released.set()
        os.close(os.open(fifo, os.O_RDWR))

    timer = threading.Timer(10, release)
    timer.start()
    try:
        with open_input(fifo, standard_input=-1, name="x") as given:
            assert (given.size, was_released.is_set()) == (None, False)
    finally:
        timer.cancel()


def test_nobody_owns_it() -> None:
    """The id of a shell is that of no chat and no user."""
    assert shell_origin(7).chat_id == SHELL == 0
