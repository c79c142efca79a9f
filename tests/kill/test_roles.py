"""Fronts and workers that are killed, stopped and continued, as processes of their own."""

import asyncio
import hashlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from tests.conversations.people import Person, link_of
from tests.conversations.test_webhook import free_port
from tests.fakes.ledger import execute, place_of
from tests.fakes.postgres import TestServer
from tests.kill.kill_scenario import digest_of, part_numbers, stored_parts
from tests.kill.process import Running, relay_bot
from tests.wiring.test_monitoring import ready

# Its processes have roles already.
pytestmark = [pytest.mark.in_a_file, pytest.mark.long, pytest.mark.timeout(180)]

SIZE = 32 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    """A server that tests stop and start."""
    made = TestServer()
    made.start()
    yield made
    made.close()


class Cluster:
    """Fronts and workers on one ledger; each process ends with the test."""

    def __init__(self, stage: LocalStack, stack: AsyncExitStack) -> None:
        self.stage = stage
        self.alice = Person(stage)
        self._stack = stack
        self._begun: list[tuple[str, Running]] = []

    async def begin(
        self, role: str, name: str = "", *, port: int | None = None, manager: str = ""
    ) -> Running:
        """Begin a process, without waiting for anything; `port` is for its readiness, `manager`
        the socket of a service manager.
        """
        more = {"RELAY_SPOOL__FOLDER": str(self.stage.folder / f"spool-{name}")}
        if manager:
            more["NOTIFY_SOCKET"] = manager
        if port is not None:
            more["RELAY_WEB__PORT"] = str(port)
        if role == "worker":
            more["RELAY_WORKER__NAME"] = name
        running = relay_bot(self.stage, "run", "--role", role, users=(self.alice.id,), more=more)
        begun = await self._stack.enter_async_context(running)
        self._begun.append((f"{role} {name}", begun))
        return begun

    def log(self) -> str:
        """What all processes have written."""
        texts = {
            who: "\n".join(line[:200] + " … " + line[-200:] for line in running.text.splitlines())
            for who, running in self._begun
        }
        return "\n".join(f"--- {who}\n{text}" for who, text in texts.items())

    async def front(self) -> Running:
        """Begin a front, and wait until it listens."""
        begun = await self.begin("front")
        await begun.said("ready")
        return begun

    async def worker(self, name: str) -> Running:
        """Begin a worker, and wait until it takes jobs."""
        begun = await self.begin("worker", name)
        await begun.said("ready")
        return begun

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """Read the ledger as another program would."""
        return execute(place_of(self.stage), statement)

    async def until(self, statement: str, wanted: object, *, within: float = 60.0) -> float:
        """Wait until the ledger says so; return the seconds that it took."""
        began = time.monotonic()
        async with asyncio.timeout(within):
            while self.query(statement) != wanted:  # noqa: ASYNC110 -- nothing tells of a change.
                await asyncio.sleep(0.05)
        return time.monotonic() - began


@pytest.fixture
async def cluster(tmp_path: Path, server: TestServer) -> AsyncIterator[Cluster]:
    """A stage whose ledger is on the server, without any process; a Bot API server in local mode,
    so that files have parts.
    """
    name = f"relay_{os.urandom(6).hex()}"
    execute_alone(server, f"CREATE DATABASE {name}")
    more = {
        "RELAY_LEDGER__URL": server.url(name),
        "RELAY_TRANSFER__CONNECTIONS_PER_FILE": "2",
        "RELAY_STOP__GRACE": "1s",
    }
    async with (
        LocalStack(tmp_path, more=more, local=True) as stage,
        AsyncExitStack() as stack,
    ):
        cluster = Cluster(stage, stack)
        yield cluster
        # Shown of a test that fails.
        print(cluster.log())  # noqa: T201


def execute_alone(server: TestServer, statement: str) -> None:
    """Execute a statement that has no transaction."""
    import psycopg

    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(statement)


def hold_parts(stage: LocalStack, passed: int) -> None:
    """Let OSS store so many parts, and hold all others."""
    stage.oss.faults.add(
        Fault("UploadPart", Effect.STALL, times=0, skip=passed, args={"seconds": 20.0})
    )


def parts_of(stage: LocalStack) -> int:
    """How many parts OSS has stored."""
    return sum(request.status == 200 for request in stage.oss.log.of("UploadPart"))


async def send_held(cluster: Cluster, passed: int = 3) -> bytes:
    """Send a file of which OSS takes only some parts; return its bytes once it has them."""
    stage, content = cluster.stage, os.urandom(SIZE)
    hold_parts(stage, passed)
    await cluster.alice.send(content, "large.bin")
    await stage.oss.wait_for(lambda: parts_of(stage) == passed, timeout=60)
    await cluster.alice.until(lambda: len(cluster.alice.status_messages) == 1)
    # The front knows its id from now on.
    await cluster.until("SELECT count(message_id) FROM cards", [(1,)])
    return content


def sent_silently(cluster: Cluster) -> set[int]:
    """The ids of all status messages that were ever there."""
    history = cluster.alice.chat.history
    return {event.message.id for event in history if event.by_bot and event.message.silent}


async def answered_once(cluster: Cluster, content: bytes) -> str:
    """Wait for the answer to one file; return its link, which opens the right bytes."""
    alice = cluster.alice
    await alice.until(lambda: len(alice.said) == 1 and not alice.status_messages, timeout=90)
    assert await digest_of(link_of(alice.said[0])) == hashlib.sha256(content).hexdigest()
    return link_of(alice.said[0])


async def test_worker_killed_in_the_middle_of_a_file(cluster: Cluster) -> None:
    """Another worker finishes it, in the same status message, with the parts that OSS has."""
    stage = cluster.stage
    await cluster.front()
    first = await cluster.worker("first")
    content = await send_held(cluster)
    shown = cluster.alice.status_messages[0].id
    await cluster.worker("second")
    first.send(signal.SIGKILL)
    died = len(stage.oss.log.of("UploadPart"))
    killed_at = time.monotonic()
    stage.oss.faults.clear()
    await answered_once(cluster, content)
    took = time.monotonic() - killed_at
    sent = stage.oss.log.of("UploadPart")
    print(f"answered {took:.1f} s after the kill")  # noqa: T201

    assert took < 30
    assert not set(part_numbers(sent[died:])) & stored_parts(sent[:died])
    assert sent_silently(cluster) == {shown}
    assert cluster.query("SELECT count(*) FROM runs") == [(0,)]
    assert len(stage.bucket.objects) == 1
    assert not stage.bucket.uploads


async def stand_by(cluster: Cluster) -> Running:
    """Begin a second front; it has started for the service manager when it stands by."""
    path = str(cluster.stage.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(30)
        second = await cluster.begin("front", manager=path)
        told = (await asyncio.to_thread(manager.recv, 500)).decode()
    assert told.startswith("READY=1\nSTATUS=stands by: ")
    await second.said("stands by")
    return second


async def test_front_killed_beside_a_standby(cluster: Cluster) -> None:
    """The one that stands by goes on within seconds, with what workers run, in the same status
    message.
    """
    first = await cluster.front()
    await cluster.worker("only")
    second = await stand_by(cluster)
    content = await send_held(cluster)
    shown = cluster.alice.status_messages[0].id
    first.send(signal.SIGKILL)
    killed_at = time.monotonic()
    await second.said("ready")
    took = time.monotonic() - killed_at
    cluster.stage.oss.faults.clear()
    late = await cluster.alice.send(b"sent to the second front", "late.bin")
    await cluster.alice.answered(late)
    await cluster.alice.until(
        lambda: len(cluster.alice.said) == 2 and not cluster.alice.status_messages, timeout=90
    )
    print(f"ready {took:.1f} s after the kill")  # noqa: T201
    early = next(a for a in cluster.alice.said if a.reply_to != late.id)

    assert took < 15
    assert await digest_of(link_of(early)) == hashlib.sha256(content).hexdigest()
    assert sent_silently(cluster) == {shown}
    # The worker has not begun anew.
    assert cluster.query("SELECT attempt FROM jobs ORDER BY id LIMIT 1") == [(1,)]


ROWS = (
    "SELECT 'job', xmin::text, id FROM jobs UNION ALL SELECT 'object', xmin::text, id FROM objects"
)
"""Tells every write of a row that matters."""


async def test_worker_stopped_past_its_lease(cluster: Cluster) -> None:
    """What continues after its jobs went to another worker writes nothing, and ends."""
    await cluster.front()
    first = await cluster.worker("first")
    content = await send_held(cluster)
    await cluster.worker("second")
    first.send(signal.SIGSTOP)
    cluster.stage.oss.faults.clear()
    await answered_once(cluster, content)
    await cluster.until("SELECT state FROM answers", [("sent",)])
    before = sorted(cluster.query(ROWS))
    first.send(signal.SIGCONT)
    code = await first.end()

    assert code == 1
    assert sorted(cluster.query(ROWS)) == before
    assert "the lease of this process" in first.text
    assert cluster.query("SELECT state, attempt FROM jobs") == [("done", 2)]


async def test_server_restarted_in_the_middle_of_a_file(
    cluster: Cluster, server: TestServer
) -> None:
    """The engine's worker ends with its connection and begins anew; the file goes on meanwhile."""
    await cluster.front()
    worker = await cluster.worker("only")
    content = await send_held(cluster)
    await asyncio.to_thread(server.stop, at_once=True)
    await worker.said("the engine cannot use its database")
    server.start()
    cluster.stage.oss.faults.clear()
    await answered_once(cluster, content)
    again = await cluster.alice.send(b"afterwards", "again.bin")
    await cluster.alice.answered(again)

    assert cluster.query("SELECT state, attempt FROM jobs ORDER BY id") == [("done", 1)] * 2


async def test_started_while_the_server_is_away(cluster: Cluster, server: TestServer) -> None:
    """A front and a worker wait for it, as they do while they run."""
    await asyncio.to_thread(server.stop)
    try:
        front, worker = await cluster.begin("front"), await cluster.begin("worker", "only")
        await asyncio.gather(front.said("stands by"), worker.said("stands by"))
    finally:
        server.start()
    await asyncio.gather(front.said("ready"), worker.said("ready"))
    message = await cluster.alice.send(b"afterwards")
    answer = await cluster.alice.answered(message)

    assert await digest_of(link_of(answer)) == hashlib.sha256(b"afterwards").hexdigest()


async def test_refused_by_the_server(cluster: Cluster) -> None:
    """What no wait can cure ends the process."""
    url = cluster.stage.more["RELAY_LEDGER__URL"]
    cluster.stage.more["RELAY_LEDGER__URL"] = f"{url}-that-is-not-there"
    code = await (await cluster.begin("worker", "only")).end()

    assert code == 1


AWAY = 25.0
"""Seconds: twice as long as a lease lasts. Nothing in the program counts more of them."""


async def test_server_away_for_longer_than_a_lease(  # noqa: PLR0915 -- one story.
    cluster: Cluster, server: TestServer
) -> None:
    """All wait, readiness says why, nothing is lost, and all goes on by itself."""
    ports = free_port(), free_port()
    front = await cluster.begin("front", port=ports[0])
    worker = await cluster.begin("worker", "only", port=ports[1])
    await asyncio.gather(front.said("ready"), worker.said("ready"))
    content = await send_held(cluster)
    await asyncio.to_thread(server.stop, at_once=True)
    try:
        began = time.monotonic()
        reasons = [await until_ready(port, 503) for port in ports]
        late = await cluster.alice.send(b"sent while nobody can store it", "late.bin")
        cluster.stage.oss.faults.clear()
        await asyncio.sleep(AWAY - (time.monotonic() - began))
    finally:
        server.start()
    back_at = time.monotonic()
    await cluster.alice.answered(late)
    await cluster.alice.until(
        lambda: len(cluster.alice.said) == 2 and not cluster.alice.status_messages, timeout=90
    )
    print(f"both answered {time.monotonic() - back_at:.1f} s after the return")  # noqa: T201
    for port in ports:
        await until_ready(port, 200)
    early = next(a for a in cluster.alice.said if a.reply_to != late.id)

    assert all(any(why.startswith("ledger") for why in found) for found in reasons), reasons
    assert await digest_of(link_of(early)) == hashlib.sha256(content).hexdigest()
    assert cluster.query("SELECT state FROM jobs") == [("done",)] * 2
    assert not cluster.stage.bucket.uploads


async def until_ready(port: int, status: int) -> list[str]:
    """Wait until a process says that it is ready (200), or not; return the reasons."""
    async with asyncio.timeout(60):
        while (found := await ready(port))[0] != status:  # noqa: ASYNC110 -- nothing tells of a change.
            await asyncio.sleep(0.1)
    return found[1]
