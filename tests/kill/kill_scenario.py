"""A user, one large file, and its traces in both stand-ins and in the ledger."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp

from bot.demo.local_stack import LocalStack
from bot.sandbox.request_log import LoggedRequest
from bot.sandbox.telegram import Message
from tests.conversations.people import Person
from tests.fakes.ledger import execute, place_of
from tests.kill.process import Running, relay_bot

BLOCK = 1 << 20


class KillScenario:
    """A stage with a user; a test starts the bot as a process, as often as it wants."""

    def __init__(self, stage: LocalStack) -> None:
        self.stage = stage
        self.alice = Person(stage)

    @asynccontextmanager
    async def bot(self, *, kill_point: str = "") -> AsyncIterator[Running]:
        """Run the bot for Alice, listening when the block begins, to die at `kill_point`."""
        users = (self.alice.id,)
        async with relay_bot(self.stage, "run", users=users, kill_point=kill_point) as bot:
            await bot.said("ready")
            yield bot

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

    def query(self, statement: str) -> list[tuple[str, int]]:
        """Read the ledger as another program would."""
        return execute(place_of(self.stage), statement)

    def left_on_disk(self) -> list[str]:
        """Spool files, notes about copies, and copies of the Bot API server that still exist."""
        spool = self.stage.folder / "spool"
        places = [*spool.glob("*"), *(self.stage.telegram.local.paths if self._is_local else ())]
        return sorted(place.name for place in places)

    @property
    def _is_local(self) -> bool:
        return self.stage.local_root is not None


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
