"""`kill -9` of fronts and workers at seeded moments, again and again on one ledger on a server."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from bot.demo.local_stack import LocalStack
from tests.fakes.fixtures import databases  # noqa: F401 -- a fixture.
from tests.fakes.ledger import execute, place_of
from tests.fakes.postgres import Databases
from tests.kill.process import Running, relay_bot
from tests.kill.test_seeded_kills import REQUESTS, SEVERAL, Kills

# Its processes have roles already.
pytestmark = [pytest.mark.in_a_file, pytest.mark.long, pytest.mark.timeout(600)]

FRONT, WORKERS = "front", ("first", "second")
VICTIMS = ((FRONT,), WORKERS[:1], WORKERS[1:], WORKERS, (FRONT, *WORKERS[:1]), (FRONT, *WORKERS))
"""Who is killed at the same moment; each once."""


@pytest.fixture
async def stage(tmp_path: Path, databases: Databases) -> AsyncIterator[LocalStack]:  # noqa: F811
    """Both stand-ins, in the process of the test, and an empty ledger on a server."""
    place = databases.make()
    async with LocalStack(tmp_path, more={"RELAY_LEDGER__URL": place.url}) as stage:
        yield stage
    databases.drop(place)


class RoleKills(Kills):
    """One ledger, and a front and workers that are killed on it and begun again."""

    def __init__(self, stage: LocalStack, seed: int, stack: AsyncExitStack) -> None:
        super().__init__(stage, seed)
        self._stack = stack
        self._running: dict[str, Running] = {}

    async def begin(self, *names: str) -> None:
        """Begin processes, and wait until all of them work: after a kill, that is when the leases
        of those before have ended.
        """
        for name in names:
            role = FRONT if name == FRONT else "worker"
            more = {
                "RELAY_WORKER__NAME": name,
                "RELAY_SPOOL__FOLDER": str(self.stage.folder / "spool" / name),
            }
            users = tuple(person.id for person in self.people)
            running = relay_bot(self.stage, "run", "--role", role, users=users, more=more)
            self._running[name] = await self._stack.enter_async_context(running)
        await asyncio.gather(*(self._running[name].said("ready") for name in names))

    async def kill_these(self, victims: tuple[str, ...], files: int) -> None:
        """Let everything so far be answered, send files, and kill the victims at a moment."""
        await self.all_answered()
        moment = self.requests() + self.random.randint(1, REQUESTS * files)
        fresh = [await self.send() for _ in range(files)]
        await self.until(lambda: self.requests() >= moment or all(one.answers for one in fresh))
        for name in victims:
            self._running[name].send(signal.SIGKILL)
        codes = [await self._running[name].end() for name in victims]
        assert codes == [-signal.SIGKILL] * len(victims)
        await self.begin(*victims)

    async def end(self) -> int:
        """Let them end what is left, and return the worst exit code; then let a bot of this
        process run past the second sweep of the abandoned objects.
        """
        await self.all_answered()
        codes = [(await self._running[name].stop())[0] for name in (*WORKERS, FRONT)]
        self.stage.clock.advance(timedelta(minutes=11))
        await self.stage.start_bot(*(person.id for person in self.people))
        await self.stage.stop_bot()
        return max(codes, key=abs)


@pytest.mark.parametrize("seed", [11])
async def test_killed_at_seeded_moments(stage: LocalStack, seed: int) -> None:
    """No file fails, every link opens the bytes that were sent, a kill costs one copy of each
    answer at most, and nothing is left behind.
    """
    async with AsyncExitStack() as stack:
        kills = RoleKills(stage, seed, stack)
        await kills.begin(FRONT, *WORKERS)
        for number, victims in enumerate(kills.random.sample(VICTIMS, len(VICTIMS))):
            await kills.kill_these(victims, SEVERAL if number % 2 else 1)
        code = await kills.end()

    print(f"seed {seed}: {len(kills.sent)} files, {kills.copies} answers twice")  # noqa: T201 -- shown by `pytest -s`.

    assert code == 0
    await kills.check()
    assert execute(place_of(stage), "SELECT count(*) FROM runs") == [(0,)]
