"""`kill -9` between the counter of a download and its redirect: never one more than allowed."""

import asyncio
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from random import Random
from typing import Any

import aiohttp
import psycopg
import pytest

from bot.core.ports.ledger import LedgerServer
from bot.demo.local_stack import LocalStack
from tests.conversations.people import Person
from tests.conversations.test_webhook import free_port
from tests.fakes.fixtures import SERVER
from tests.fakes.postgres import Databases
from tests.kill.process import Running, relay_bot

# Those that concern a server run on both by themselves; no worker has a part in a page.
pytestmark = [pytest.mark.in_a_file, pytest.mark.long, pytest.mark.timeout(600)]

PAGES = 40
ALLOWED = 5
CLIENTS = 16
SENDERS = 20


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[LedgerServer | None]:
    """Return an empty ledger on a server, or `None` for one in a file."""
    if request.param != SERVER:
        yield None
        return
    served: Databases = request.getfixturevalue("databases")
    made = served.make()
    yield made
    served.drop(made)


on_both = pytest.mark.parametrize("server", ["file", SERVER], indirect=True)


class Site:
    """Pages of a bot that is a process, and those who press their buttons."""

    def __init__(self, stage: LocalStack, server: LedgerServer | None = None) -> None:
        self.stage = stage
        self.server = server
        # Each with a chat, because a chat takes a message a second.
        self.senders = [Person(stage, f"P{number}") for number in range(SENDERS)]
        self.users = tuple(person.id for person in self.senders)
        port = free_port()
        self.origin = f"http://127.0.0.1:{port}"
        self.redirects: Counter[str] = Counter()
        self.refused: set[str] = set()
        self.lost = 0
        self.heard = asyncio.Condition()
        stage.more |= {
            "RELAY_LINK__MODE": "page",
            "RELAY_WEB__PORT": str(port),
            "RELAY_WEB__URL": self.origin,
        }
        if server is not None:
            stage.more["RELAY_LEDGER__URL"] = server.url

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Use the ledger as another program would."""
        if self.server is not None:
            with psycopg.connect(self.server.url, autocommit=True) as connection:
                cursor = connection.execute(statement.encode())
                return cursor.fetchall() if cursor.description else []
        with closing(sqlite3.connect(self.stage.folder / "relay.sqlite3", timeout=20)) as ledger:
            found = ledger.execute(statement).fetchall()
            ledger.commit()
            return found

    async def make_pages(self, count: int, allowed: int) -> list[str]:
        """Have files sent, and return the tokens of their pages, each with so many downloads."""
        async with relay_bot(self.stage, "run", users=self.users) as bot:
            await bot.said("ready")
            for number in range(count):
                sender = self.senders[number % SENDERS]
                await sender.answered(await sender.send(b"bytes", f"{number}.bin"))
            await bot.stop()
        self.query(f"UPDATE pages SET most_downloads = {allowed}")  # noqa: S608 -- a number.
        return [token for (token,) in self.query("SELECT token FROM pages ORDER BY id")]

    async def press(self, session: aiohttp.ClientSession, token: str) -> bool:
        """Press a button, and note what came of it; return whether there was an answer."""
        lost = self.lost
        url = f"{self.origin}/{token}/1/get"
        try:
            async with session.post(url, allow_redirects=False) as answer:
                if answer.status == 303:
                    self.redirects[token] += 1
                elif answer.status == 410:
                    self.refused.add(token)
                else:
                    assert answer.status == 503
        except (aiohttp.ClientError, ConnectionError):
            self.lost += 1
        async with self.heard:
            self.heard.notify_all()
        return self.lost == lost

    async def press_on(self, tokens: list[str], chance: Random) -> None:
        """Press buttons of pages that are not used up, until there is no answer."""
        is_there = True
        async with aiohttp.ClientSession() as session:
            while is_there and (left := [one for one in tokens if one not in self.refused]):
                is_there = await self.press(session, chance.choice(left))

    async def is_over(self, killing: "asyncio.Task[None]") -> bool:
        """Return whether no page is left for the kill to come to its moment."""
        if len(self.refused) == PAGES and not killing.done():
            killing.cancel()
            return True
        await killing
        return False

    async def kill_after(self, bot: Running, count: int) -> None:
        """Kill the process when so many more downloads were given."""
        wanted = self.redirects.total() + count
        async with self.heard:
            await self.heard.wait_for(lambda: self.redirects.total() >= wanted)
        bot.send(signal.SIGKILL)
        assert await bot.end() == -signal.SIGKILL


@on_both
@pytest.mark.parametrize("side", ["before", "after"])
async def test_killed_at_the_counter(
    stage: LocalStack, side: str, server: LedgerServer | None
) -> None:
    """Before it moves, the download is still there; after it, it is gone, and none was given."""
    site = Site(stage, server)
    (token,) = await site.make_pages(1, 1)
    async with aiohttp.ClientSession() as session:
        users = site.users
        async with relay_bot(
            stage, "run", users=users, kill_point=f"{side}:SqlPages.use:1"
        ) as bot:
            await bot.said("ready")
            await site.press(session, token)
            assert await bot.end() == -signal.SIGKILL
        used = [row[0] for row in site.query("SELECT used FROM page_files")]
        async with relay_bot(stage, "run", users=users) as bot:
            await bot.said("ready")
            await site.press(session, token)
            await site.press(session, token)

    assert (site.lost, used) == (1, [] if side == "before" else [1])
    assert site.redirects.total() == (1 if side == "before" else 0)
    assert site.refused == {token}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_killed_at_seeded_moments(stage: LocalStack, seed: int) -> None:
    """Many press at once while the process is killed again and again: no page gives more than it
    may, and what it gave less was under way at a kill.
    """
    chance = Random(seed)  # noqa: S311 -- moments to be repeated, not to be guessed.
    site, kills = Site(stage), 0
    tokens = await site.make_pages(PAGES, ALLOWED)
    users = site.users
    while len(site.refused) < PAGES:
        async with relay_bot(stage, "run", users=users) as bot:
            await bot.said("ready")
            killing = asyncio.create_task(site.kill_after(bot, chance.randint(1, 9)))
            # None is cut off: what the process has sent before its end is counted.
            await asyncio.gather(*(site.press_on(tokens, chance) for _ in range(CLIENTS)))
            if not await site.is_over(killing):
                kills += 1
    counted = dict(
        site.query(
            "SELECT p.token, f.used FROM pages p JOIN jobs j ON j.answer_id = p.answer_id"
            " JOIN page_files f ON f.job_id = j.id"
        )
    )
    missing = PAGES * ALLOWED - site.redirects.total()
    print(f"seed {seed}: {kills} kills, {missing} downloads lost with them")  # noqa: T201 -- shown by `pytest -s`.

    assert kills >= 5
    assert max(site.redirects.values()) <= ALLOWED
    assert counted == dict.fromkeys(tokens, ALLOWED)
    assert 0 <= missing <= kills * CLIENTS
