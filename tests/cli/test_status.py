"""The status as an operator types it."""

from datetime import timedelta

from bot.cli.status import look_at_status
from bot.demo.local_stack import LocalStack
from tests.cli.shell import type_in
from tests.conversations.people import Person


async def test_beside_a_bot(stage: LocalStack) -> None:
    """Links of people and of shells, from the ledger, while the bot runs."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    await alice.answered(await alice.send(b"x" * 2000, "from [alice].bin"))
    (stage.folder / "mine.bin").write_bytes(b"y" * 10)
    await type_in(stage, "send", str(stage.folder / "mine.bin"))
    told = await type_in(stage, "status", "--json")
    shown = await type_in(stage, "status")

    assert told.json["bot_runs"] is True
    assert [(link["name"], link["size"]) for link in told.json["links"]] == [
        ("from [alice].bin", 2000),
        ("mine.bin", 10),
    ]
    assert ["the bot runs" in shown.out, "from [alice].bin" in shown.out] == [True, True]
    assert "http" not in shown.out


async def test_without_a_bot(stage: LocalStack) -> None:
    """Links of a stopped bot are told, and those that are overdue."""
    (stage.folder / "mine.bin").write_bytes(b"y" * 10)
    await type_in(stage, "send", str(stage.folder / "mine.bin"))
    stage.clock.advance(timedelta(hours=25))
    found = await look_at_status(stage.settings(1), clock=stage.clock)
    (_, stored) = found.seen.links[0]

    assert (found.bot_runs, stored.due_at < found.now) == (False, True)


async def test_without_a_ledger(stage: LocalStack) -> None:
    """Where no bot has ever run there is nothing to tell, and no file is made."""
    done = await type_in(stage, "status")

    assert (done.code, "no ledger" in done.err) == (1, True)
    assert not (stage.folder / "relay.sqlite3").exists()


async def test_by_the_clock_of_oss(stage: LocalStack) -> None:
    """What is left of a link is told by OSS's clock, as the ledger knows it."""
    stage.oss.world.clock_skew = timedelta(hours=-2)
    (stage.folder / "mine.bin").write_bytes(b"y" * 10)
    await type_in(stage, "send", str(stage.folder / "mine.bin"))
    found = await look_at_status(stage.settings(1), clock=stage.clock)
    (_, stored) = found.seen.links[0]

    assert abs(found.oss_now - found.now + timedelta(hours=2)) < timedelta(seconds=5)
    assert timedelta(hours=23) < stored.due_at - found.oss_now < timedelta(hours=24)
