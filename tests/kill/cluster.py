"""Several processes of one bot on a ledger on a server, and what starts them again when they end.

Both stand-ins, the database server and every process of the bot are processes of their own.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import aiohttp
import psycopg

from bot.sandbox.telegram.remote import RemoteChat
from bot.sandbox.telegram.users import User
from tests.bench.stage import Sandbox, running_sandbox
from tests.conversations.test_webhook import free_port
from tests.fakes.postgres import TestServer
from tests.kill.forked import Forked, begin_logged

SERVER_OPTIONS: Final = ("max_connections=200", "track_commit_timestamp=on")
"""Processes that are killed leave sessions that the server notices later."""
COMMAND: Final = ("run", "--role")
START_TIMEOUT: Final = 90.0
LOOK_EVERY: Final = 0.1


class Role(StrEnum):
    """What `relay-bot run --role` takes."""

    ALL = "all"
    FRONT = "front"
    WORKER = "worker"


class Happening(StrEnum):
    """What happened to a process, or to the server."""

    STARTED = "started"
    KILLED = "killed"
    STOPPED = "stopped"
    CONTINUED = "continued"
    ENDED = "ended"
    """By itself."""


RUNS: Final = '"state": "running"'
"""What a process says that does its work, though something may be missing."""
SERVER: Final = "server"
"""The name of the database server in events."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `at` (POSIX seconds) to the process `who`, or to what serves
    the database. `who` names one run of a process.
    """

    at: float
    kind: Happening
    who: str


@dataclass
class Member:
    """A process of the bot. Each time it is started it has another `generation`, from 1."""

    name: str
    role: Role
    folder: Path
    port: int
    variables: Mapping[str, str]
    generation: int = 0
    process: Forked | None = None
    is_stopped: bool = False
    ends: list[int] = field(default_factory=list)
    """Exit codes so far."""
    prepare: Callable[[], None] | None = None
    """Called in the process before anything else."""
    is_new_each_time: bool = False
    """Whether a worker has another name each time, as in a new container, instead of one for
    which it has to wait until the lease of the process before it has ended.
    """

    @property
    def run(self) -> str:
        """The name of this run, by which the database server knows it."""
        return f"{self.name}.{self.generation}"

    @property
    def is_running(self) -> bool:
        """Return whether the process is there and may do something."""
        return self.process is not None and not self.is_stopped

    @property
    def log(self) -> Path:
        """The file with its output."""
        return self.folder / "log.jsonl"

    @property
    def last_words(self) -> str:
        """The last line of its output."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return lines[-1] if lines else ""

    async def readiness(self) -> tuple[int, str]:
        """Return status and text of `/readyz`; 0 where nothing answers."""
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"http://127.0.0.1:{self.port}/readyz") as answer,
            ):
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return 0, ""


class Cluster:
    """Processes that are kept running until the block of `running_cluster` ends.

    `restart_after` returns how many seconds a process that has ended stays away.
    """

    def __init__(self, folder: Path, sandbox: Sandbox, server: TestServer) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.server = server
        self.restart_after: Callable[[], float] = lambda: 1.0
        self.members: list[Member] = []
        self.events: list[Event] = []
        self.people: list[User] = []
        self.variables: dict[str, str] = {}
        """Settings of all processes."""
        self._keepers: list[asyncio.Task[None]] = []
        self._closing = asyncio.Event()

    def chat(self, person: User) -> RemoteChat:
        """Return the private chat of a person with the bot."""
        return self.sandbox.telegram.private_chat(person)

    def note(self, kind: Happening, who: str) -> None:
        """Add an event that happens now."""
        self.events.append(Event(time.time(), kind, who))

    def add(
        self,
        name: str,
        role: Role,
        variables: Mapping[str, str] | None = None,
        *,
        prepare: Callable[[], None] | None = None,
    ) -> Member:
        """Add a process, and keep it running from now on."""
        folder = self.folder / name
        folder.mkdir()
        member = Member(name, role, folder, free_port(), dict(variables or {}), prepare=prepare)
        self.members.append(member)
        self._keepers.append(asyncio.create_task(self._keep(member), name=name))
        return member

    def of(self, role: Role) -> list[Member]:
        """Return the processes of a role."""
        return [member for member in self.members if member.role is role]

    async def _keep(self, member: Member) -> None:
        while not self._closing.is_set():
            member.generation += 1
            process = await begin_logged(
                (*COMMAND, member.role.value, "--settings", str(self.sandbox.settings)),
                self._environment(member),
                member.folder,
                member.log,
                prepare=member.prepare,
            )
            member.process = process
            self.note(Happening.STARTED, member.run)
            if self._closing.is_set():
                process.kill()
            code = await process.wait()
            member.process, member.is_stopped = None, False
            member.ends.append(code)
            if code != -signal.SIGKILL:
                self.note(Happening.ENDED, member.run)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self.restart_after())

    def _environment(self, member: Member) -> dict[str, str]:
        own = {name: text for name, text in os.environ.items() if not name.startswith("RELAY_")}
        return {
            **own,
            "RELAY_LEDGER__URL": f"{self.server.url()}?application_name={member.run}",
            "RELAY_SPOOL__FOLDER": str(member.folder / "spool"),
            "RELAY_SPOOL__KEEP_FREE": "0",
            "RELAY_WEB__PORT": str(member.port),
            "RELAY_WORKER__NAME": member.run if member.is_new_each_time else member.name,
            "RELAY_LOG__FORMAT": "json",
            "RELAY_ACCESS__USERS": ",".join(str(person.id) for person in self.people),
            **self.variables,
            **member.variables,
        }

    def kill(self, member: Member) -> None:
        """Send SIGKILL."""
        if member.process is not None:
            self.note(Happening.KILLED, member.run)
            member.process.kill()

    def stop(self, member: Member) -> None:
        """Let a process stand still."""
        assert member.process is not None
        self.note(Happening.STOPPED, member.run)
        member.is_stopped = True
        member.process.send_signal(signal.SIGSTOP)

    def resume(self, member: Member) -> None:
        """Let a process that stands still go on."""
        if member.process is not None and member.is_stopped:
            self.note(Happening.CONTINUED, member.run)
            member.is_stopped = False
            member.process.send_signal(signal.SIGCONT)

    async def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, or of the first of several, as any client of the database
        gets them.
        """

        def ask() -> list[tuple[Any, ...]]:
            with psycopg.connect(self.server.url(), connect_timeout=5) as connection:
                cursor = connection.execute(query.encode())
                return cursor.fetchall() if cursor.description else []

        return await asyncio.to_thread(ask)

    async def crash_server(self) -> None:
        """Stop the database server as a crash does."""
        self.note(Happening.STOPPED, SERVER)
        await asyncio.to_thread(self.server.stop, at_once=True)

    def start_server(self) -> None:
        """Start the database server again. Blocks: the server ends with the thread that starts
        it.
        """
        self.server.start()
        self.note(Happening.CONTINUED, SERVER)

    async def until_ready(
        self, members: Sequence[Member], *, status: int | None = 200, saying: str = ""
    ) -> list[str]:
        """Wait until all of these answer `/readyz` with this status, or with any, and with a text
        that contains `saying`; return what they say.

        Raises:
            TimeoutError: one of them did not; the text is the last answer of each.
        """
        found: list[tuple[int, str]] = []
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while True:
                    found = [await member.readiness() for member in members]
                    if all(status in {None, code} and saying in text for code, text in found):
                        return [text for _, text in found]
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            ended = {member.name: (member.ends, member.last_words) for member in members}
            raise TimeoutError(f"{found}, ended: {ended}") from None

    async def close(self) -> None:
        """Kill all processes, and wait for their ends."""
        self._closing.set()
        for member in self.members:
            if member.process is not None:
                member.process.kill()
        await asyncio.gather(*self._keepers, return_exceptions=True)


@asynccontextmanager
async def running_cluster(folder: Path, *, people: int) -> AsyncIterator[Cluster]:
    """Run both stand-ins and a database server, for a bot that `people` may use; processes of it
    are added by `Cluster.add`. However the block ends, nothing of it stays.

    Raises:
        BenchFailed: the stand-ins did not start.
        RuntimeError: the database server did not start.
    """
    server = TestServer(options=SERVER_OPTIONS)
    try:
        server.start()
        async with running_sandbox(folder / "stand-ins") as sandbox:
            cluster = Cluster(folder, sandbox, server)
            telegram = sandbox.telegram
            cluster.people = [
                sandbox.user,
                *[await telegram.add_user(f"P{number}") for number in range(1, people)],
            ]
            try:
                yield cluster
            finally:
                await cluster.close()
    finally:
        server.close()
