"""The processes on one server: which runs the bot, and which only sends."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import psycopg
import pytest
from structlog.testing import capture_logs

from bot.adapters.ledger import database as module
from bot.adapters.ledger import leases
from bot.adapters.ledger.database import bot_runs, open_alone, open_database, sending
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.totals import LedgerHealth
from bot.core.errors import LedgerLocked, LedgerUnusable
from bot.core.ports.ledger import LedgerServer
from tests.adapters.ledger.test_group_commit import adding, stored

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(module, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.1)


def end_lease(place: LedgerServer) -> None:
    """Let the lease of the bot end, as that of a process does that was stopped for long."""
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute("UPDATE leases SET expires_at = 1 WHERE name = 'bot'")


async def test_one_bot(place: LedgerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second bot is refused while the first one is alive, and told where that is; afterwards it
    may start at once.
    """
    before = await bot_runs(place)
    async with open_alone(place) as database:
        meanwhile = await bot_runs(place)
        await database.write(adding(1))
        monkeypatch.setattr(leases, "LASTS", leases.LASTS / 100)
        with pytest.raises(LedgerLocked, match=leases.this_process()):
            async with open_alone(place):
                pass
    async with open_alone(place) as database:
        found = await database.read(stored)

    assert [before, meanwhile, await bot_runs(place)] == [False, True, False]
    assert found == [1]


async def test_bot_that_was_killed(place: LedgerServer) -> None:
    """Its lease ends by itself; who waits for it takes over."""
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO leases VALUES ('bot', 'killed', 7,"
            " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 700000)"
        )
        async with open_alone(place) as database:
            await database.write(adding(1))
        fences = connection.execute("SELECT fence FROM leases").fetchall()

    assert fences == [(8,)]


async def test_clock_of_the_server_set_back(
    place: LedgerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease of a dead process, which would last for hours by that clock, is taken as soon as
    it was not renewed for long enough; that of a live one is not.
    """
    monkeypatch.setattr(leases, "DEAD_AFTER", 1.0, raising=False)
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO leases VALUES ('bot', 'killed', 7,"
            " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 9000000000)"
        )
        monkeypatch.setattr(leases, "RENEWED_EVERY", timedelta(seconds=0.2))
        async with open_alone(place):
            with suppress(TimeoutError):
                async with asyncio.timeout(3), open_alone(place):
                    pass
        fences = connection.execute("SELECT fence FROM leases").fetchall()

    assert fences == [(8,)]


async def test_bot_that_was_stopped(place: LedgerServer) -> None:
    """One that lost its lease writes nothing any more, and ends."""
    async with open_alone(place) as old:
        await old.write(adding(1))
        end_lease(place)
        async with open_alone(place) as new:
            with pytest.raises(LedgerLocked):
                await old.write(adding(2))
            await new.write(adding(3))
            why = await LedgerHealth(old).trouble()
            with pytest.raises(LedgerLocked):
                await asyncio.wait_for(old.watch(), 20)
            found = await new.read(stored)

    assert found == [1, 3]
    assert why.startswith("cannot be written: another bot runs on the ledger ")


async def test_lease_that_ends_soon(place: LedgerServer) -> None:
    """Without renewals nothing is begun that could outlast the lease, and nothing is lost."""
    async with open_alone(place) as database:
        with psycopg.connect(place.url, autocommit=True) as connection:
            connection.execute(
                "UPDATE leases SET expires_at = (extract(epoch FROM clock_timestamp()) * 1000000)"
                "::bigint + 5000000"
            )
        with pytest.raises(LedgerUnusable, match="not renewed"):
            await database.write(adding(1))
        database.endure()
        await asyncio.wait_for(database.write(adding(2)), 20)
        found = await database.read(stored)

    assert found == [2]


@pytest.mark.parametrize("code", ["25006", "P0001"], ids=["read-only", "not known"])
async def test_lease_that_cannot_be_renewed(
    place: LedgerServer, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """The reason is told, known or not, and the lease is renewed once it has gone."""
    monkeypatch.setattr(leases, "RENEWED_EVERY", timedelta(seconds=0.05))
    refusal = (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$BEGIN RAISE 'refused here' USING errcode = '{code}'; END$$;"
        "CREATE TRIGGER refuse BEFORE UPDATE ON leases FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    with psycopg.connect(place.url, autocommit=True) as connection, capture_logs() as logged:
        async with open_alone(place) as database:
            # As if the lease had ended meanwhile.
            connection.execute("UPDATE leases SET expires_at = 1")
            connection.execute(refusal.encode())
            while not logged:  # noqa: ASYNC110 -- nothing tells of the next attempt.
                await asyncio.sleep(0.01)
            with pytest.raises(LedgerUnusable) as refused:
                await database.try_write(adding(1))
            connection.execute("DROP TRIGGER refuse ON leases")
            database.endure()
            await asyncio.wait_for(database.write(adding(2)), 20)

    why = "refused here" if code == "25006" else "RaiseException"
    assert refused.value.reason == f"the lease of this process was not renewed: {why}"
    assert [line["why"] for line in logged if line["event"] == "the lease cannot be renewed"] == [
        why
    ]


async def test_commands_beside_each_other(place: LedgerServer) -> None:
    """Only the first of them may clear up after others, and only while none sends."""
    async with open_database(place) as one, open_database(place) as two:
        async with sending(one) as first:
            alone = [await first.take_alone()]
            waiting = asyncio.create_task(_begin_to_send(two))
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            await first.share()
            alone.append(await asyncio.wait_for(waiting, 20))
            sends = await one.sends()
            await one.write(adding(1))
        ended = await one.sends()
        with pytest.raises(LedgerUnusable):
            await one.write(adding(2))

    assert (done, alone) == (set(), [True, False])
    assert (sends, ended) == (True, False)


async def _begin_to_send(database: module.Database) -> bool:
    async with sending(database) as mark:
        is_alone = await mark.take_alone()
        await mark.share()
    return is_alone


async def test_older_ledger_beside_a_bot(place: LedgerServer) -> None:
    """A command of a newer version changes no tables under a bot that runs on them."""
    async with open_alone(place):
        with psycopg.connect(place.url, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '0005'")
        with pytest.raises(LedgerLocked, match="another version"):
            async with open_database(place) as database:
                await SqlLedger(database).jobs.get(1)
