"""A whole bot, seen by its monitoring."""

import asyncio
import json
import re
import socket
import sqlite3
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.adapters.ledger import database, sqlite
from bot.core.errors import LedgerUnusable
from bot.demo.local_stack import LocalStack
from bot.jobs.queue import JobQueue
from bot.sandbox.faults import Effect, Fault
from tests.adapters.web.test_limits import half_open
from tests.conversations.operators import run
from tests.conversations.people import Person, link_of
from tests.conversations.test_webhook import free_port
from tests.fakes.ledger import put_empty_ledger
from tests.kill.process import relay_bot

NAME = "annual report 报告.pdf"


@pytest.fixture
def port() -> int:
    """A port for the bot."""
    return free_port()


def watched(folder: Path, port: int, **more: str) -> LocalStack:
    """Return both stand-ins, for a bot that listens at `port`."""
    return LocalStack(folder, more={"RELAY_WEB__PORT": str(port), **more})


async def get(port: int, path: str) -> tuple[int, str]:
    """Look at a page."""
    url = f"http://127.0.0.1:{port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def ready(port: int) -> tuple[int, list[str]]:
    """Ask whether the bot is ready, and why not."""
    status, body = await get(port, "/readyz")
    found: dict[str, Any] = json.loads(body)
    return status, found["reasons"]


async def test_counts_what_it_does(tmp_path: Path, port: int) -> None:
    """After a file the page has its numbers, and no trace of its owner."""
    async with watched(tmp_path, port) as stage:
        alice = Person(stage)
        await stage.start_bot(alice.id)
        answer = await alice.answered(await alice.send(b"x" * 30_000, NAME))
        _, page = await get(port, "/metrics")
        key = link_of(answer).partition("?")[0].rpartition("/relay/")[2]
        alive, well = await get(port, "/healthz"), await ready(port)

    assert 'relay_jobs_total{code="",outcome="done"} 1.0' in page
    assert 'relay_bytes_total{direction="up"} 30000.0' in page
    # One for the file; the other was the look, at the start, whether strangers can read.
    assert 'relay_oss_calls_total{operation="put_object",result="ok"} 2.0' in page
    assert 'relay_telegram_calls_total{method="sendMessage",status="200"} 1.0' in page
    assert 'relay_phase_seconds_count{phase="whole"} 1.0' in page
    assert "relay_links_live 1.0" in page
    assert "relay_ready 1.0" in page
    assert "relay_not_ready{" in page
    assert not re.search(r"(?m)^relay_not_ready.* 1\.0$", page)
    assert set(re.findall(r'relay_disk_free_bytes\{folder="(\w+)"\} [1-9]', page)) == {
        "spool",
        "ledger",
    }
    assert not re.search(rf"\b{alice.id}\b|{key}|report|(?<!telegram.)token", page)
    assert (alive, well) == ((200, "ok\n"), (200, []))


async def test_overdue_by_the_clock_of_oss(tmp_path: Path, port: int) -> None:
    """A link is overdue when it is so for OSS: not because this machine's clock is fast."""
    async with watched(tmp_path, port) as stage:
        alice = Person(stage)
        stage.oss.world.clock_skew = timedelta(hours=-2)
        await stage.start_bot(alice.id)
        await alice.answered(await alice.send(b"x" * 3000, NAME))
        stage.clock.advance(timedelta(hours=23))
        _, page = await get(port, "/metrics")

    assert "relay_links_live 1.0" in page
    assert "relay_links_overdue 0.0" in page


async def test_says_that_it_waits(tmp_path: Path, port: int) -> None:
    """A bot that cannot reach Telegram listens already, and says that it has not begun."""
    async with watched(tmp_path, port) as stage:
        stage.telegram.faults.add(Fault("getMe", Effect.ERROR, times=0, args={"status": 502}))
        starting = asyncio.create_task(stage.start_bot(1))
        await stage.telegram.wait_for(lambda: bool(stage.telegram.log.of("getMe")))
        alive, waits = await get(port, "/healthz"), await ready(port)
        _, page = await get(port, "/metrics")
        stage.telegram.faults.clear()
        await starting
        well = await ready(port)

    assert alive[0] == 200
    assert waits[0] == 503
    assert waits[1][0].startswith("bot: starting since ")
    assert re.fullmatch(
        r"telegram: every call has failed since \S+, last with HTTP 502", waits[1][1]
    )
    assert "relay_ready 0.0" in page
    assert 'relay_not_ready{cause="bot"} 1.0' in page
    assert 'relay_not_ready{cause="telegram"} 1.0' in page
    assert well == (200, [])


async def test_service_manager(tmp_path: Path) -> None:
    """The command tells systemd when it listens, that its loop runs, and that it ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        told = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "100000"}
        async with (
            LocalStack(tmp_path) as stage,
            relay_bot(stage, "run", users=(1,), more=told) as bot,
        ):
            heard = [await _next(manager)]
            while not heard[-1].startswith("READY=1"):
                heard.append(await _next(manager))
            await bot.stop()
        manager.settimeout(0.0)
        heard += _rest(manager)

    assert heard[0] == "WATCHDOG=1"
    assert any(line.startswith("READY=1\nSTATUS=listening as @") for line in heard)
    assert heard.count("STOPPING=1\nSTATUS=stopping") == 1


async def _next(manager: socket.socket) -> str:
    return (await asyncio.to_thread(manager.recv, 200)).decode()


def _rest(manager: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(manager.recv(200).decode())
        except BlockingIOError:
            return found


@pytest.mark.timeout(120)
async def test_half_open_requests(tmp_path: Path, port: int) -> None:
    """300 of them take neither the descriptors of files that move nor the answers of the port, and
    the log stays short.
    """
    async with watched(tmp_path, port) as stage, AsyncExitStack() as stack:
        alice = Person(stage)
        bot = await stack.enter_async_context(relay_bot(stage, "run", users=(alice.id,)))
        await bot.said("ready")
        bot.limit_files(256)
        await stack.enter_async_context(half_open(port, 300))
        for number in range(6):
            await alice.send(bytes([number]) * 200_000)
        await stage.oss.wait_for(lambda: len(stage.bucket.objects) == 6)
        await alice.until(lambda: bool(alice.said))
        alive = await get(port, "/healthz")
        code, _ = await bot.stop()

    assert alive == (200, "ok\n")
    assert code == 0
    assert len(bot.text) < 20_000
    assert "Too many open files" not in bot.text


async def test_loop_that_keeps_failing(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named with its error; the rest of the bot goes on."""

    async def fail(_: JobQueue) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(JobQueue, "run", fail)
    async with watched(tmp_path, port) as stage:
        alice = Person(stage)
        await stage.start_bot(alice.id)
        reasons = await says(port, "loops: queue has failed")
        await alice.answered(await alice.write("/help"))
        _, page = await get(port, "/metrics")

    assert any("in a row, last with MemoryError" in reason for reason in reasons)
    assert 'relay_loop_restarts_total{loop="queue"}' in page
    assert 'relay_not_ready{cause="loops"} 1.0' in page


async def test_ledger_that_is_locked_at_the_start(tmp_path: Path, port: int) -> None:
    """A lock of writers is waited for as later: the bot says so, and begins when it is let go."""
    async with watched(tmp_path, port) as stage:
        alice, path = Person(stage), tmp_path / "relay.sqlite3"
        put_empty_ledger(path)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        starting = asyncio.create_task(stage.start_bot(alice.id))
        await says(port, "ledger: cannot be ")
        alive = await get(port, "/healthz")
        other.execute("ROLLBACK")
        other.close()
        await starting
        await alice.answered(await alice.send(b"x" * 3000))
        well = await ready(port)

    assert alive == (200, "ok\n")
    assert well == (200, [])


@pytest.mark.long
async def test_ledger_that_is_locked_to_readers_at_the_start(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known of its links: it is waited for for a while, then the start ends."""
    for waits in (database, sqlite):
        monkeypatch.setattr(waits, "PATIENCE", 1.0)
    async with watched(tmp_path, port) as stage:
        path = tmp_path / "relay.sqlite3"
        put_empty_ledger(path)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        starting = asyncio.create_task(stage.start_bot(1))
        await says(port, "bot: starting since ")
        with pytest.raises(LedgerUnusable, match="locked"):
            await starting
        other.close()


async def test_port_is_taken(tmp_path: Path, port: int) -> None:
    """A port that is in use ends the command with one line that names the setting."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        async with watched(tmp_path, port) as stage, relay_bot(stage, "run", users=(1,)) as bot:
            code = await bot.end()

    assert code == 2
    assert f"relay-bot: web.port: cannot listen on 127.0.0.1:{port}: Address already in use" in (
        bot.text
    )


async def says(port: int, words: str) -> list[str]:
    """Ask until a reason for not being ready has these words; return all reasons."""
    async with asyncio.timeout(30):
        # The bot listens some time after its start has begun, and nothing tells when.
        while True:
            with suppress(aiohttp.ClientError):
                _, reasons = await ready(port)
                if any(words in reason for reason in reasons):
                    return reasons
            await asyncio.sleep(0.05)


async def is_well(port: int) -> None:
    """Ask until nothing keeps the bot from being ready."""
    async with asyncio.timeout(30):
        while (await ready(port))[1]:  # noqa: ASYNC110 -- nothing tells of a change.
            await asyncio.sleep(0.05)


async def test_locked_ledger(tmp_path: Path, port: int) -> None:
    """While another program holds the ledger the loop lives, the bot is not ready and says why;
    then the file that came meanwhile is answered.
    """
    async with watched(tmp_path, port) as stage:
        alice = Person(stage)
        await stage.start_bot(alice.id)
        await alice.answered(await alice.send(b"x" * 3000, "first.bin"))
        other = sqlite3.connect(tmp_path / "relay.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        message = await alice.send(b"y" * 3000, "second.bin")
        await says(port, "ledger: cannot be ")
        alive = await get(port, "/healthz")
        other.execute("ROLLBACK")
        other.close()
        answer = await alice.answered(message)
        well = await ready(port)

    assert alive == (200, "ok\n")
    assert link_of(answer)
    assert well == (200, [])


async def test_deleted_ledger(tmp_path: Path, port: int) -> None:
    """A ledger that is deleted while the bot runs: nothing is taken in, links end all the same;
    once the file is back the bot goes on.
    """
    async with watched(tmp_path, port, RELAY_LINK__LIFETIME="10m") as stage:
        alice, path = Person(stage), tmp_path / "relay.sqlite3"
        await stage.start_bot(alice.id)
        await alice.answered(await alice.send(b"x" * 3000, "first.bin"))
        path.rename(tmp_path / "away")
        reasons = await says(port, "ledger: ")
        message = await alice.send(b"y" * 3000, "second.bin")
        stage.clock.advance(timedelta(minutes=10))
        ended = asyncio.create_task(stage.oss.wait_for(lambda: not stage.bucket.objects))
        while not ended.done():
            stage.clock.advance(timedelta(seconds=1))
            await asyncio.wait({ended}, timeout=0.05)
        await ended
        uploaded = [entry for entry in stage.oss.log if "second.bin" in str(entry.params)]
        (tmp_path / "away").rename(path)
        answer = await alice.answered(message)

    assert any("deleted or replaced" in reason for reason in reasons)
    assert uploaded == []
    assert link_of(answer)


async def test_spool_that_cannot_be_written(tmp_path: Path, port: int) -> None:
    """A spool that is not writable is a reason, and does not keep the bot from starting."""
    (tmp_path / "file").write_bytes(b"")
    async with watched(tmp_path, port, RELAY_SPOOL__FOLDER=str(tmp_path / "file")) as stage:
        await stage.start_bot(1)
        _, reasons = await ready(port)

    assert [reason for reason in reasons if reason.startswith("spool: ")]


async def test_file_root_is_wrong(tmp_path: Path, port: int) -> None:
    """In local mode a folder of the server that is not there is a reason."""
    async with LocalStack(
        tmp_path,
        local=True,
        more={
            "RELAY_WEB__PORT": str(port),
            "RELAY_TELEGRAM__FILE_ROOT": str(tmp_path / "nowhere"),
        },
    ) as stage:
        await stage.start_bot(1)
        _, reasons = await ready(port)

    assert [reason for reason in reasons if reason.startswith("telegram.file_root: ")]


async def test_file_root_of_another_server(tmp_path: Path, port: int) -> None:
    """In local mode a folder that is not the server's is a reason once several files were not
    found there; a file that can be opened ends it.
    """
    other = tmp_path / "other"
    other.mkdir()
    more = {"RELAY_WEB__PORT": str(port), "RELAY_TELEGRAM__FILE_ROOT": str(other)}
    async with LocalStack(tmp_path, local=True, more=more) as stage:
        alice = Person(stage)
        await stage.start_bot(alice.id)
        for number in range(3):
            assert await ready(port) == (200, [])
            await alice.answered(await alice.send(bytes([number]) * 1000))
        status, reasons = await ready(port)

    assert (status, len(reasons)) == (503, 1)
    assert reasons[0].startswith("telegram.file_root: none of the last 3 files")
    assert "not inside telegram.file_root" in reasons[0]


async def test_public_links_overdue(tmp_path: Path, port: int) -> None:
    """In public mode links that OSS does not let go are a reason."""
    async with watched(tmp_path, port, RELAY_LINK__MODE="public") as stage:
        alice = Person(stage)
        await stage.start_bot(alice.id)
        await alice.answered(await alice.send(b"x" * 3000, "first.bin"))
        stage.oss.faults.add(Fault("DeleteObject", Effect.ERROR, times=0, args={"status": 503}))
        stage.clock.advance(timedelta(hours=24))
        reasons = await says(port, "links: 1 are open past their end")
        stage.oss.faults.clear()

    assert reasons


async def test_updates_set_aside_are_counted_where_operators_look(
    tmp_path: Path, port: int
) -> None:
    """In the metrics, in `relay-bot status` and in `/stats`."""
    async with watched(tmp_path, port) as stage:
        chief = Person(stage, "Chief")
        stage.more["RELAY_ACCESS__ADMINS"] = str(chief.id)
        await stage.start_bot()
        message = chief.chat.new_message(chief.user).json() | {"document": {"file_id": 5}}
        for _ in range(2):
            await stage.telegram.send_raw_update({"message": message})
        await chief.until(lambda: bool(chief.said))
        told = await chief.answered(await chief.write("/stats"))
        _, page = await get(port, "/metrics")
        status = await run(stage, "status")
        as_json = await run(stage, "status", "--json")

    assert "Given up after errors: messages 2, answers and others 0" in told.text
    assert 'relay_set_aside{unit="update"} 2.0' in page
    assert "set aside after errors: update 2" in status.out
    assert as_json.json["set_aside"] == {"update": 2}
