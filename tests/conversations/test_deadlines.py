"""Links end on time: one by one, a thousand at once, and after a time without a running bot."""

import asyncio
import os
import time
from collections.abc import Iterable
from datetime import datetime, timedelta

import aiohttp
import pytest
from sqlalchemy import Connection, update

from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.schema import objects
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.request_log import LoggedRequest
from tests.conversations.groups import ledger_of
from tests.conversations.many_links import add_links
from tests.conversations.people import Person, fetch, link_of, links_of
from tests.conversations.test_webhook import free_port
from tests.fakes.ledger import place_of

LIFETIME = timedelta(hours=23, minutes=55)
PROMISE = timedelta(seconds=60)
THOUSAND = 1000
HANDFUL = 5
LATER = [(27, 393), (27, 54), (40, 120), (61, 300), (100, 200), (180, 390), (250, 277), (393, 393)]
"""Milliseconds by which the second and the third link of an album end after the first."""
ACL = {"signed": "private", "public": "public-read", "page": "private"}


@pytest.fixture(params=["signed", "public", "page"])
def mode(request: pytest.FixtureRequest, stage: LocalStack) -> str:
    """Each kind of links, one after the other."""
    stage.more["RELAY_LINK__MODE"] = request.param
    if request.param == "page":
        open_pages(stage)
    return str(request.param)


def open_pages(stage: LocalStack) -> None:
    """Let links lead to pages of the bot."""
    port = free_port()
    stage.more |= {
        "RELAY_LINK__MODE": "page",
        "RELAY_WEB__PORT": str(port),
        "RELAY_WEB__URL": f"http://127.0.0.1:{port}",
    }


async def _status(url: str) -> int:
    """What a link answers; 0 where nothing listens."""
    try:
        return (await fetch(url))[0]
    except aiohttp.ClientConnectionError:
        return 0


async def _relay(alice: Person, count: int) -> list[str]:
    """Send so many files through the bot, and return their links: with pages one an answer."""
    for number in range(count):
        await alice.send(os.urandom(2000), f"{number}.bin")

    def names() -> set[int]:
        said = "\n".join(answer.text for answer in alice.said)
        return {number for number in range(count) if f"{number}.bin" in said}

    await alice.until(lambda: len(names()) == count)
    return [url for answer in alice.said for url in links_of(answer)]


@pytest.mark.parametrize(
    "mode", ["signed", "public", pytest.param("page", marks=pytest.mark.long)], indirect=True
)
async def test_thousand_links_due_at_once(stage: LocalStack, mode: str) -> None:
    """A thousand links that end in the same minute are gone within a minute of the clock."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    links = await _relay(alice, HANDFUL)
    due_at = stage.clock.now() + LIFETIME
    await add_links(stage, THOUSAND, due_at, acl=ACL[mode])
    stage.clock.advance(due_at - stage.clock.now())
    began = time.monotonic()
    await stage.oss.wait_for(lambda: not stage.bucket.objects)
    seconds, late = time.monotonic() - began, stage.clock.now() - due_at
    statuses = {await _status(url) for url in links}
    over = [["Send again"]] if mode == "page" else []
    await alice.until(
        lambda: all([[b.text for b in row] for row in m.buttons] == over for m in alice.said)
    )
    print(f"{mode}: {THOUSAND + HANDFUL} links gone after {seconds:.2f} s")  # noqa: T201 -- shown by `pytest -s`.

    assert late < PROMISE
    assert statuses <= ({410} if mode == "page" else {403, 404})
    assert len(stage.oss.log.of("DeleteMultipleObjects")) <= 4


async def test_down_over_the_deadline(stage: LocalStack, mode: str) -> None:
    """Objects that came due while no bot ran are deleted before the first update is asked for."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    links = await _relay(alice, HANDFUL)
    await stage.stop_bot()
    await add_links(stage, THOUSAND, stage.clock.now() + LIFETIME, acl=ACL[mode])
    stage.clock.advance(timedelta(hours=24))
    while_down = {await _status(url) for url in links}
    polls, requests = len(stage.telegram.log.of("getUpdates")), len(stage.oss.log)
    await stage.start_bot(alice.id)
    await stage.telegram.wait_for(lambda: len(stage.telegram.log.of("getUpdates")) > polls)
    first_poll = stage.telegram.log.of("getUpdates")[polls].at
    deletions = list(_deletions(list(stage.oss.log)[requests:]))

    # Only OSS can end a link when no bot runs, and in public mode it knows of no end. A page is
    # closed without its bot.
    assert while_down == {{"signed": 403, "public": 200, "page": 0}[mode]}
    assert stage.bucket.objects == {}
    assert len(deletions) == 2
    assert max(deletions) < first_poll


def _deletions(requests: Iterable[LoggedRequest]) -> Iterable[datetime]:
    for request in requests:
        is_probe = "probe-" in str(request.params["key"])
        if request.operation.startswith("Delete") and not is_probe:
            yield request.at


async def test_public_links_come_before_intake(stage: LocalStack) -> None:
    """In public mode nothing is taken in as long as OSS does not let overdue links go."""
    stage.more["RELAY_LINK__MODE"] = "public"
    alice = Person(stage)
    await stage.start_bot(alice.id)
    await _relay(alice, 1)
    await stage.stop_bot()
    stage.clock.advance(timedelta(hours=24))
    polls = len(stage.telegram.log.of("getUpdates"))
    refusal = Fault("DeleteObject", Effect.ERROR, times=3, args={"status": 503})
    stage.oss.faults.add(refusal)
    starting = asyncio.create_task(stage.start_bot(alice.id))
    await stage.oss.wait_for(lambda: refusal.hits == 3)
    before = len(stage.telegram.log.of("getUpdates"))
    await _let_time_pass(stage, starting)

    assert before == polls
    assert stage.bucket.objects == {}


async def test_oss_refuses_for_a_while(stage: LocalStack, alice: Person) -> None:
    """A deletion that OSS refuses is repeated until it succeeds, within the promise."""
    await _relay(alice, 1)
    refusal = Fault("DeleteObject", Effect.ERROR, times=3, args={"status": 503})
    stage.oss.faults.add(refusal)
    due_at = stage.clock.now() + LIFETIME
    stage.clock.advance(LIFETIME)
    await stage.oss.wait_for(lambda: refusal.hits == 3)
    gone = asyncio.create_task(stage.oss.wait_for(lambda: not stage.bucket.objects))
    await _let_time_pass(stage, gone)

    assert stage.clock.now() - due_at < PROMISE


async def _let_time_pass(stage: LocalStack, until: asyncio.Task[None]) -> None:
    """Move the clock on, a second at a time: no event tells when the bot falls asleep and could be
    woken by it.
    """
    while not until.done():
        stage.clock.advance(timedelta(seconds=1))
        await asyncio.wait({until}, timeout=0.05)
    await until


@pytest.mark.parametrize(
    "later", [LATER[0], *(pytest.param(pair, marks=pytest.mark.long) for pair in LATER[1:])]
)
async def test_album_whose_links_end_one_after_the_other(
    stage: LocalStack, alice: Person, later: tuple[int, int]
) -> None:
    """At each end, and in the last second of each link, answers and lists say what is left; the
    bot lives on.
    """
    for number in range(3):
        await alice.send(os.urandom(2000), f"{number}.bin", media_group_id="77")
    await alice.until(lambda: bool(alice.said))
    album = alice.said[0]
    other = await alice.answered(await alice.send(os.urandom(2000), "other.bin"))
    first = stage.clock.now() + timedelta(seconds=30)
    ends = [first + timedelta(milliseconds=it) for it in (0, *later)]
    await stage.stop_bot()
    await _let_end(stage, [*ends, first + timedelta(hours=1)])
    await stage.start_bot(alice.id)
    stage.clock.advance(first - timedelta(seconds=0.7) - stage.clock.now())
    lists = [await alice.answered(await alice.write(name)) for name in ("/links", "/status")]
    for end, left in zip(ends, (3, 2, 1), strict=True):
        stage.clock.advance(max(end - stage.clock.now(), timedelta(0)))
        await _until_left(stage, left)
    await alice.until(lambda: not alice.shown(album).buttons)

    assert ["other.bin" in shown.text for shown in lists] == [True, True]
    assert ["0.bin" in shown.text for shown in lists] == [False, False]
    assert alice.shown(album).text.count("The link has expired") == 3
    assert (await fetch(link_of(alice.shown(other))))[0] == 200
    await stage.stop_bot()


async def _until_left(stage: LocalStack, count: int) -> None:
    await stage.oss.wait_for(lambda: len(stage.bucket.objects) <= count)


async def _let_end(stage: LocalStack, ends: list[datetime]) -> None:
    """Let the links of the first jobs end at these moments."""
    async with open_database(place_of(stage)) as database:
        for number, due_at in enumerate(ends, start=1):
            its = objects.c.job_id == number
            await database.write(
                Connection.execute, update(objects).where(its).values(due_at=due_at)
            )


async def test_signed_link_ends_without_any_bot(stage: LocalStack, alice: Person) -> None:
    """OSS itself refuses a signed link at its deadline, although the bytes are still there."""
    message = await alice.send(b"z" * 2000)
    url = link_of(await alice.answered(message))
    (stored,) = stage.bucket.objects.values()
    await stage.stop_bot()
    due_at = stored.last_modified + LIFETIME
    stage.clock.advance(due_at - stage.clock.now() - timedelta(seconds=30))
    before = (await fetch(url))[0]
    stage.clock.advance(timedelta(seconds=31))
    after = (await fetch(url))[0]

    assert (before, after) == (200, 403)
    assert len(stage.bucket.objects) == 1


@pytest.mark.parametrize("how", ["up", "restarted"])
async def test_page_ends_on_time(stage: LocalStack, how: str) -> None:
    """A page, its downloads, and the address of OSS that a download leads to end at one moment,
    with the bot up or started anew.
    """
    open_pages(stage)
    alice = Person(stage)
    await stage.start_bot(alice.id)
    page = link_of(await alice.answered(await alice.send(b"z" * 2000)))
    async with ledger_of(stage) as ledger:
        (content,) = await ledger.pages.live(1)
    due_at = content.files[0].stored.due_at
    if how == "restarted":
        await stage.stop_bot()
    stage.clock.advance(due_at - stage.clock.now() - timedelta(seconds=20))
    if how == "restarted":
        await stage.start_bot(alice.id)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{page}/a.bin", allow_redirects=False) as answer,
    ):
        location = answer.headers["Location"]
    before = [await _status(url) for url in (page, f"{page}/a.bin", location)]
    stage.clock.advance(due_at - stage.clock.now())
    after = [await _status(url) for url in (page, f"{page}/a.bin", location)]
    stage.clock.advance(timedelta(hours=24))
    a_day_later = await _status(page)
    await stage.oss.wait_for(lambda: not stage.bucket.objects)

    assert before == [200, 200, 200]
    assert after[:2] == [410, 410]
    assert after[2] in {403, 404}
    assert a_day_later == 404


async def test_deadlines_do_not_move(stage: LocalStack, alice: Person) -> None:
    """Restarts neither shorten the life of a link nor make it longer."""
    url = link_of(await alice.answered(await alice.send(b"z" * 2000)))
    stage.clock.advance(timedelta(hours=12))
    await stage.stop_bot()
    await stage.start_bot(alice.id)
    stage.clock.advance(timedelta(hours=11, minutes=54))
    before = (await fetch(url))[0]
    stage.clock.advance(timedelta(minutes=1))
    await stage.oss.wait_for(lambda: not stage.bucket.objects)

    assert (before, (await fetch(url))[0]) == (200, 403)
