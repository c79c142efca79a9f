"""The live pages as an operator lists them and takes them down."""

from datetime import timedelta

from bot.demo.local_stack import LocalStack
from tests.cli.shell import type_in
from tests.conversations.people import Person, fetch, link_of
from tests.conversations.test_pages import by_pages, status
from tests.conversations.test_webhook import free_port


async def test_listed(stage: LocalStack) -> None:
    """With what the sender chose; an address is shown only to those who ask for it."""
    stage.more |= by_pages(free_port())
    alice = Person(stage)
    await stage.start_bot(alice.id)
    once = await alice.send(b"x" * 2000, "[once].bin", caption="/share once")
    link = link_of(await alice.answered(once))
    shown = await type_in(stage, "links")
    asked = await type_in(stage, "links", "--urls")
    told = await type_in(stage, "links", "--json")

    assert all(text in shown.out for text in ("[once].bin", "2 KB", "each file once"))
    assert link.rpartition("/")[2] not in shown.out + told.out
    assert link in asked.out
    assert told.json["files"] == [{"name": "[once].bin", "size": 2000}]
    assert (told.json["most_downloads"], told.json["has_password"]) == (1, False)


async def test_taken_down(stage: LocalStack) -> None:
    """Beside a running bot it is closed at once, and its file is deleted; others stay."""
    stage.more |= by_pages(free_port())
    alice = Person(stage)
    await stage.start_bot(alice.id)
    first = link_of(await alice.answered(await alice.send(b"one")))
    stage.clock.advance(timedelta(seconds=60))
    second = link_of(await alice.answered(await alice.send(b"two")))
    number = str((await type_in(stage, "links", "--json")).out.count("\n"))
    refused = await type_in(stage, "links", "--remove", "1", "--remove", "77")
    still = await status(first)
    done = await type_in(stage, "links", "--remove", "1")
    stage.clock.advance(timedelta(seconds=6))
    await stage.oss.wait_for(lambda: len(stage.bucket.objects) == 1)

    assert (number, refused.code, "no live page 77" in refused.err, still) == ("2", 1, True, 200)
    assert (done.code, "taken down: 1" in done.out, await status(first)) == (0, True, 410)
    assert (await fetch(f"{second}/x"))[:2] == (200, b"two")


async def test_none(stage: LocalStack) -> None:
    """No page, and no ledger."""
    without = await type_in(stage, "links")
    await stage.start_bot(1)
    none = await type_in(stage, "links")

    assert (without.code, "no ledger" in without.err) == (1, True)
    assert (none.code, "no live page" in none.out) == (0, True)
