"""A user, a bot of one process or of several, and their traces in both stand-ins and in the
ledger.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Any, Final, Self

import aiohttp

from bot.adapters.ledger.leases import BOT, NOW, WORKER
from bot.adapters.ledger.runs import HELD_FOR, UNTAKEN_FOR
from bot.core.ports.ledger import LedgerServer
from bot.core.ports.runs import Role
from bot.demo.local_stack import LocalStack
from bot.sandbox.request_log import LoggedRequest
from bot.sandbox.telegram import Message
from tests.conversations.people import Person
from tests.fakes.fixtures import FILE, ROLES, SERVER
from tests.fakes.ledger import execute, place_of
from tests.kill.kill_points import callers, hurry
from tests.kill.process import PATIENCE, Running, relay_bot

BLOCK = 1 << 20
PROCESSES: Final[Mapping[str, tuple[Role, ...]]] = {
    FILE: (Role.ALL,),
    SERVER: (Role.ALL,),
    ROLES: (Role.FRONT, Role.WORKER),
}
"""The processes of a bot, by the kind of its ledger."""
NAME: Final = "only"
"""Of the worker."""
LEASES: Final = {Role.ALL: BOT, Role.FRONT: BOT, Role.WORKER: f"{WORKER}{NAME}"}
END_HOLDS: Final = (
    "UPDATE objects SET not_before = NULL"  # noqa: S608 -- constants.
    f" WHERE not_before <= {NOW} + {HELD_FOR // timedelta(microseconds=1)}"
)
"""What a reaper has taken; the second sweep of an object is due much later."""
LOSE_RUNS: Final = (
    "UPDATE procrastinate_workers SET last_heartbeat = '-infinity';"  # noqa: S608 -- constants.
    f" UPDATE runs SET made_at = made_at - {UNTAKEN_FOR // timedelta(microseconds=1)}"
)
"""The front misses what the engine has given to the worker and the worker has not claimed."""


class RunningBot:
    """The processes of a bot. `said`, `send` and `end` are about those that the test is to kill,
    everything else about all.
    """

    def __init__(self, running: Mapping[Role, Running], victims: Collection[Role]) -> None:
        self._running = running
        self._victims = [running[role] for role in victims]

    @property
    def text(self) -> str:
        """Everything that they have written, to either stream."""
        return "".join(one.text for one in self._running.values())

    @property
    def errors(self) -> list[str]:
        """The lines that they have written to standard error."""
        return [line for one in self._running.values() for line in one.errors]

    async def said(self, event: str) -> None:
        """Wait until they have logged this event; see `Running.said`."""
        await asyncio.gather(*(one.said(event) for one in self._victims))

    def send(self, number: Signals) -> None:
        """Send them a signal."""
        for one in self._victims:
            one.send(number)

    async def end(self) -> int:
        """Wait until one of them has ended; return its exit code, as `Running.end` does."""
        ends = [asyncio.create_task(one.end()) for one in self._victims]
        try:
            ended, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return ended.pop().result()
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def stop(self, number: Signals = SIGTERM) -> tuple[int, float]:
        """Send all of them a signal and wait for their ends, one after the other, a worker before
        its front; return the worst exit code and the seconds that it took.
        """
        ends = [await one.stop(number) for one in reversed([*self._running.values()])]
        return max((code for code, _ in ends), key=abs), sum(seconds for _, seconds in ends)


class KillScenario:
    """A stage with a user; a test starts the bot as a process, or as a front and a worker, as
    often as it wants. `kind` is that of the ledger. All processes end with the block.
    """

    def __init__(self, stage: LocalStack, kind: str) -> None:
        self.stage = stage
        self.alice = Person(stage)
        self.processes = PROCESSES[kind]
        self._is_on_a_server = kind != FILE
        self._running: dict[Role, Running] = {}
        self._kill_points = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        for role in self.processes:
            # The next test empties the ledger.
            await self._sessions_end(role)

    @asynccontextmanager
    async def bot(
        self, *, kill_point: str = "", victim: Role | None = None
    ) -> AsyncIterator[RunningBot]:
        """Run the bot for Alice, listening when the block begins: processes that have ended are
        begun again, others go on, also after the block. One of them dies at `kill_point`: that
        which makes the call, or comes to it first. Where there are several, `victim` is the one
        that the test itself will kill; no other one may die.

        After the block, the lease of one that died ends as if its time had passed.
        """
        victims = self._victims(kill_point, victim)
        missing = [role for role in self.processes if role not in self._running]
        assert not kill_point or victims <= {*missing}, "it runs, without the kill point"
        self._kill_points += 1
        point = f"{kill_point}:{self.stage.folder / f'died-{self._kill_points}'}"
        for role in missing:
            at = point if kill_point and role in victims else ""
            process = self.starting(role, kill_point=at)
            self._running[role] = await self._stack.enter_async_context(process)
        await asyncio.gather(*(self._running[role].said("ready") for role in missing))
        yield RunningBot({role: self._running[role] for role in self.processes}, victims)
        ended = {role: one for role, one in self._running.items() if one.code is not None}
        self._running = {role: one for role, one in self._running.items() if one.code is None}
        died = [role for role, one in ended.items() if one.code != 0]
        assert len(died) <= 1, died
        assert victims >= {*died}, [ended[role].text for role in died]
        for role in died:
            await self._end_lease(role)

    def _victims(self, kill_point: str, victim: Role | None) -> frozenset[Role]:
        if len(self.processes) == 1:
            return frozenset(self.processes)
        if kill_point:
            return callers(kill_point)
        return frozenset() if victim is None else frozenset({victim})

    def starting(
        self, role: Role, *, kill_point: str = ""
    ) -> AbstractAsyncContextManager[Running]:
        """Run one of the processes for Alice, without waiting for anything; it ends with the
        block.
        """
        more = {}
        place = place_of(self.stage)
        if isinstance(place, LedgerServer):
            more["RELAY_LEDGER__URL"] = f"{place.url}?application_name={_session(role)}"
        if role is Role.WORKER:
            more["RELAY_WORKER__NAME"] = NAME
            more["RELAY_SPOOL__FOLDER"] = str(self.stage.folder / "spool-of-worker")
        return relay_bot(
            self.stage,
            *("run", "--role", role.value),
            users=(self.alice.id,),
            kill_point=kill_point,
            prepare=hurry if role is Role.FRONT else None,
            more=more,
        )

    async def _end_lease(self, role: Role) -> None:
        """Let what a process has left on the server be free: its lease, what its reaper has taken,
        and what the engine has given it.
        """
        if not self._is_on_a_server:
            return
        await self._sessions_end(role)
        self.query(f"UPDATE leases SET expires_at = 0 WHERE name = '{LEASES[role]}'")  # noqa: S608 -- ours.
        self.query(END_HOLDS)
        if role is Role.WORKER:
            self.query(LOSE_RUNS)

    async def _sessions_end(self, role: Role) -> None:
        """Wait until the server has noticed the end of a process: what it has sent before is
        committed by then, or never will be.
        """
        if not self._is_on_a_server:
            return
        left = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"  # noqa: S608 -- ours.
            f" AND application_name = '{_session(role)}'"
        )
        async with asyncio.timeout(PATIENCE):
            while self.query(left) != [(0,)]:  # noqa: ASYNC110 -- nothing tells of a change.
                await asyncio.sleep(0.02)

    async def send(self, path: Path) -> Message:
        """Let Alice send a file of the disk."""
        return await self.alice.chat.send_file(self.alice.user, content=path, name="large.bin")

    @property
    def part_requests(self) -> list[LoggedRequest]:
        """Every UploadPart so far, oldest first."""
        return self.stage.oss.log.of("UploadPart")

    async def settle(self) -> None:
        """Let a bot of this process run past the second sweep of the abandoned objects.

        Only when no other process runs: they do not share this clock.
        """
        # Twice: a stop between OSS and the row leaves the first sweep to the next run.
        for _ in range(2):
            self.stage.clock.advance(timedelta(minutes=11))
            await self.stage.start_bot(self.alice.id)
            await self.stage.stop_bot()

    def objects(self) -> dict[str, int]:
        """How many objects the ledger has, by state."""
        return dict(self.query("SELECT state, count(*) FROM objects GROUP BY state"))

    def query(self, statement: str) -> list[Any]:
        """Read or write the ledger as another program would."""
        return execute(place_of(self.stage), statement)

    def left_on_disk(self) -> list[str]:
        """Spool files, notes about copies, and copies of the Bot API server that still exist."""
        spooled = self.stage.folder.glob("spool*/*")
        places = [*spooled, *(self.stage.telegram.local.paths if self._is_local else ())]
        return sorted(place.name for place in places)

    @property
    def _is_local(self) -> bool:
        return self.stage.local_root is not None


def _session(role: Role) -> str:
    """Return the name of the sessions of a process."""
    return f"killed-{role.value}"


def part_numbers(requests: Iterable[LoggedRequest]) -> Counter[int]:
    """How often each part occurs in UploadPart requests."""
    return Counter(int(str(request.params["partNumber"])) for request in requests)


def stored_parts(requests: Iterable[LoggedRequest]) -> set[int]:
    """The parts that OSS took from these requests."""
    return set(part_numbers(request for request in requests if request.status == 200))


async def digest_of(url: str) -> str:
    """Open a link as a stranger does, and return the SHA-256 of what comes, in hex."""
    digest = hashlib.sha256()
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        async for block in answer.content.iter_chunked(BLOCK):
            digest.update(block)
    return digest.hexdigest()
