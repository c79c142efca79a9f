"""The database server of the ledger goes away and comes back while the bot runs."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.adapters.ledger import database
from bot.demo.local_stack import LocalStack
from tests.conversations.people import Person, fetch, links_of
from tests.conversations.test_webhook import free_port
from tests.fakes.cutting_proxy import cutting_proxy
from tests.fakes.postgres import TestServer
from tests.wiring.test_monitoring import ready

pytestmark = [pytest.mark.long, pytest.mark.in_a_file]


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    """A server that tests stop and start."""
    made = TestServer()
    made.start()
    yield made
    made.close()


@pytest.fixture
async def stage(
    tmp_path: Path, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LocalStack]:
    """Both stand-ins, for a bot whose ledger is there."""
    monkeypatch.setattr(database, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(database, "LONGEST_PAUSE", 0.2)
    more = {"RELAY_LEDGER__URL": server.url(), "RELAY_WEB__PORT": str(free_port())}
    async with LocalStack(tmp_path, more=more) as stage:
        yield stage


async def until_ready(stage: LocalStack, status: int) -> list[str]:
    """Wait until the bot says that it is ready (200), or not; return the reasons."""
    port = int(stage.more["RELAY_WEB__PORT"])
    async with asyncio.timeout(30):
        while (found := await ready(port))[0] != status:  # noqa: ASYNC110 -- nothing tells of a change.
            await asyncio.sleep(0.1)
    return found[1]


async def linked(person: Person, count: int) -> list[bytes]:
    """Wait until so many links were said; return, sorted, what they open. Each link counts: a file
    that was answered twice is there twice.
    """
    await person.until(lambda: sum(len(links_of(said)) for said in person.said) >= count)
    return sorted([(await fetch(url))[1] for said in person.said for url in links_of(said)])


async def test_away_in_the_middle_of_a_burst(stage: LocalStack, server: TestServer) -> None:
    """A crash of the server costs no file: what was sent before and meanwhile is answered once,
    with its bytes, without help.
    """
    alice = Person(stage)
    await stage.start_bot(alice.id)
    contents = [f"file {number}".encode() * 5000 for number in range(10)]
    for content in contents[:6]:
        await alice.send(content, "early.bin")
    await stage.oss.wait_for(lambda: bool(stage.bucket.objects))
    await asyncio.to_thread(server.stop, at_once=True)
    try:
        why = await until_ready(stage, 503)
        for content in contents[6:]:
            await alice.send(content, "late.bin")
    finally:
        # In this thread: the server ends with the one that starts it.
        server.start()
    found = await linked(alice, len(contents))
    await until_ready(stage, 200)

    assert any(reason.startswith("ledger") for reason in why), why
    assert found == contents
    assert not stage.bucket.uploads


async def test_connections_cut_again_and_again(stage: LocalStack, server: TestServer) -> None:
    """Wherever in its statements a connection ends, the file is answered once."""
    async with cutting_proxy(server.port) as proxy:
        stage.more["RELAY_LEDGER__URL"] = server.url(port=proxy.port)
        alice = Person(stage)
        await stage.start_bot(alice.id)
        stop = asyncio.Event()

        async def cut() -> None:
            while not stop.is_set():
                proxy.cut_all()
                await asyncio.sleep(0.15)

        cutting = asyncio.create_task(cut())
        contents = [bytes([number]) * 9000 for number in range(8)]
        for content in contents:
            await alice.send(content)
        found = await linked(alice, len(contents))
        stop.set()
        await cutting
        await stage.stop_bot()

    assert found == contents
