"""A bot that shows pages: from the file in the chat to the bytes behind the page."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import Effect, Fault
from tests.conversations.people import Person, fetch
from tests.conversations.test_webhook import free_port
from tests.fakes.ledger import execute, place_of, put_empty_ledger

CONTENT = b"behind a page"
LIFETIME = timedelta(hours=23, minutes=55)


def by_pages(port: int) -> dict[str, str]:
    """Return the settings of a bot with pages at a port of loopback."""
    return {
        "RELAY_LINK__MODE": "page",
        "RELAY_WEB__PORT": str(port),
        "RELAY_WEB__URL": f"http://127.0.0.1:{port}",
        "RELAY_STOP__GRACE": "0s",
    }


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[LocalStack]:
    """Both stand-ins, for a bot with pages at a port of loopback."""
    async with LocalStack(tmp_path, clock=SandboxClock(), more=by_pages(free_port())) as stage:
        put_empty_ledger(stage.folder / "relay.sqlite3")
        yield stage


def page_of(stage: LocalStack) -> str:
    """Return the address of the newest page."""
    (token,), *_ = execute(place_of(stage), "SELECT token FROM pages ORDER BY id DESC")
    return f"{stage.more['RELAY_WEB__URL']}/{token}"


async def status(url: str) -> int:
    """Return what a page answers, 0 where nothing listens."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            return answer.status
    except aiohttp.ClientConnectionError:
        return 0


async def test_file_behind_a_page(stage: LocalStack) -> None:
    """Its bytes come through the page; a stopped bot closes it, a restarted one opens it again,
    until its time is over.
    """
    alice = Person(stage)
    await stage.start_bot(alice.id)
    await alice.answered(await alice.send(CONTENT, "报告.pdf"))
    page = page_of(stage)
    through = await fetch(f"{page}/x")
    await stage.stop_bot()
    stopped = await status(page)
    await stage.start_bot(alice.id)
    restarted = await status(page)
    stage.clock.advance(LIFETIME)
    ended = [await status(page), await status(f"{page}/x")]
    await stage.stop_bot()
    await stage.start_bot(alice.id)
    ended += [await status(page), await status(f"{page}/x")]

    assert through == (200, CONTENT, "报告.pdf")
    assert (stopped, restarted, ended) == (0, 200, [410] * 4)


async def test_pages_of_an_earlier_mode(stage: LocalStack) -> None:
    """They stay open when the mode is changed, as long as they have an address."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    await alice.answered(await alice.send(CONTENT))
    page = page_of(stage)
    await stage.stop_bot()
    stage.more["RELAY_LINK__MODE"] = "signed"
    await stage.start_bot(alice.id)

    assert (await fetch(f"{page}/x"))[:2] == (200, CONTENT)


async def test_page_while_oss_is_away(stage: LocalStack) -> None:
    """It is shown, and its redirects are signed, without OSS."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    await alice.answered(await alice.send(CONTENT))
    page = page_of(stage)
    stage.oss.faults.add(Fault("*", Effect.RESET, times=0))

    assert [await status(page), await status(f"{page}/x")] == [200, 303]


async def test_admin_takes_a_reported_page_down(stage: LocalStack) -> None:
    """A visitor's report reaches the admin once, without a word of anyone; one press ends the
    links, and a second one finds nothing to end.
    """
    alice, chief = Person(stage), Person(stage, "Chief")
    stage.more["RELAY_ACCESS__ADMINS"] = str(chief.id)
    await stage.start_bot(alice.id)
    await alice.answered(await alice.send(CONTENT, "strange words.pdf"))
    page = page_of(stage)
    async with aiohttp.ClientSession() as session:
        told = [(await session.post(f"{page}/report")).status for _ in range(2)]
    await chief.until(lambda: bool(chief.said))
    (notice,) = chief.said
    button = notice.button("Take the page down")
    first = await chief.press(notice, "Take the page down")
    second = await chief.press(notice, "Take the page down")
    await stage.oss.wait_for(lambda: not stage.bucket.objects)

    assert told == [200, 200]
    assert "strange words" not in notice.text
    assert str(alice.id) in notice.text
    assert button is not None
    assert [press.answer.text for press in (first, second) if press.answer is not None] == [
        "The page is taken down, and its files are deleted.",
        "Too late: this has already finished.",
    ]
    assert await status(page) == 410
    assert len(chief.said) == 1
