"""`kill -9` at seeded moments, again and again on one ledger. A moment is a number of requests
that the stand-ins have got.
"""

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import VisibleMessage
from tests.conversations.people import Person, links_of
from tests.fakes.ledger import execute, place_of
from tests.kill.kill_scenario import digest_of
from tests.kill.process import PATIENCE, Running, relay_bot

# `test_seeded_roles.py` does it with several.
pytestmark = pytest.mark.in_a_file

MIB = 1 << 20
SIZES = (2_000, MIB + 1, 3 * MIB)
"""One request to OSS, or several parts."""
SEVERAL = 3
"""Files in a run of several."""
MOST_FILES = 40
REQUESTS = 9
"""About as many as one file takes: the poll, its download, its parts, its answer."""
RUNS = range(1, 5)
"""Seeds of the long runs: 60 kills together, 20 of them with several files."""


@dataclass(frozen=True)
class Sent:
    """A file that a person of its own has sent."""

    person: Person
    sha256: str

    @property
    def answers(self) -> list[VisibleMessage]:
        """Return the messages with a link to it."""
        return [said for said in self.person.said if links_of(said)]


class Kills:
    """One ledger, and processes that are killed on it."""

    def __init__(self, stage: LocalStack, seed: int) -> None:
        self.stage = stage
        self.random = Random(seed)  # noqa: S311 -- moments to be repeated, not to be guessed.
        self.people = [Person(stage, f"Sender {number}") for number in range(MOST_FILES)]
        self.sent: list[Sent] = []

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[Running]:
        """Run the bot; it listens when the block begins."""
        users = tuple(person.id for person in self.people)
        async with relay_bot(self.stage, "run", users=users) as bot:
            await bot.said("ready")
            yield bot

    async def kill(self, files: int) -> None:
        """Let everything so far be answered, send files, and kill the process at a moment."""
        async with self.bot() as bot:
            await self.all_answered()
            moment = self.requests() + self.random.randint(1, REQUESTS * files)
            fresh = [await self.send() for _ in range(files)]
            # All of it is done where fewer requests were needed.
            await self.until(
                lambda: self.requests() >= moment or all(sent.answers for sent in fresh)
            )
            bot.send(signal.SIGKILL)
            assert await bot.end() == -signal.SIGKILL

    async def all_answered(self) -> None:
        """Wait until every file has an answer, and nothing of its way is left."""
        await self.until(
            lambda: all(sent.answers and not sent.person.status_messages for sent in self.sent)
        )
        await self.stage.oss.wait_for(lambda: not self.stage.bucket.uploads, timeout=PATIENCE)

    async def send(self) -> Sent:
        """Send a file of a random size, as a person of its own."""
        content = os.urandom(self.random.choice(SIZES))
        person = self.people[len(self.sent)]
        await person.send(content)
        self.sent.append(sent := Sent(person, hashlib.sha256(content).hexdigest()))
        return sent

    def requests(self) -> int:
        """Return how many requests the stand-ins have got."""
        return len(self.stage.telegram.log) + len(self.stage.oss.log)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that each request to one of the stand-ins can make true."""
        both = (self.stage.telegram, self.stage.oss)
        waiting = [asyncio.create_task(it.wait_for(condition, timeout=PATIENCE)) for it in both]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            assert condition()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def end(self) -> int:
        """Let a last process end what is left, and return its exit code; then let a bot of this
        process run past the second sweep of the abandoned objects.
        """
        async with self.bot() as bot:
            await self.all_answered()
            code, _ = await bot.stop()
        self.stage.clock.advance(timedelta(minutes=11))
        await self.stage.start_bot(*(person.id for person in self.people))
        await self.stage.stop_bot()
        return code

    async def check(self) -> None:
        """Require that nothing was lost, is twice without need, or was left behind."""
        opened = [
            {await digest_of(url) for answer in sent.answers for url in links_of(answer)}
            for sent in self.sent
        ]
        statement = "SELECT state, count(*) FROM jobs GROUP BY state"
        stored, bucket = execute(place_of(self.stage), statement), self.stage.bucket
        spooled = [path for path in (self.stage.folder / "spool").rglob("*") if path.is_file()]

        assert stored == [("done", len(self.sent))]
        assert opened == [{sent.sha256} for sent in self.sent]
        assert max(len(sent.answers) for sent in self.sent) <= 2
        assert (len(bucket.objects), bucket.uploads, spooled) == (len(self.sent), {}, [])

    @property
    def copies(self) -> int:
        """How many answers were sent again."""
        return sum(len(sent.answers) - 1 for sent in self.sent)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("seed", "runs"),
    [
        (0, [1] * 5 + [SEVERAL] * 3),
        *(pytest.param(seed, [1] * 10 + [SEVERAL] * 5, marks=pytest.mark.long) for seed in RUNS),
    ],
)
async def test_killed_at_seeded_moments(stage: LocalStack, seed: int, runs: list[int]) -> None:
    """No file fails, every link opens the bytes that were sent, a kill costs one copy of each
    answer at most, and nothing is left behind.
    """
    kills = Kills(stage, seed)
    kills.random.shuffle(runs := list(runs))
    for files in runs:
        await kills.kill(files)
    code = await kills.end()
    print(f"seed {seed}: {len(runs)} kills, {len(kills.sent)} files, {kills.copies} answers twice")  # noqa: T201 -- shown by `pytest -s`.

    assert code == 0
    await kills.check()
