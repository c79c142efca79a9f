"""Pages with a password: what is shown before it, and who is slowed down."""

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta

import pytest

from bot.adapters.pages.guards import (
    BY_LINK,
    BY_VISITOR,
    HASHES_WAITING,
    PASS_LIFETIME,
    ArgonPasswords,
)
from bot.adapters.web_limits import FORWARDED_FOR
from bot.core.jobs import Wishes
from bot.core.ports.pages import HasherBusy, PageContent
from bot.inbound.page_options import PagePasswords
from tests.adapters.pages.site import BROWSER, CURL, ORIGIN, Answer, Site, path_of

PASSWORD = "abandon ability able about"


async def locked(site: Site, wishes: Wishes | None = None) -> PageContent:
    """Return a page with this password."""
    secret = await site.passwords.hash(PASSWORD)
    return await site.page(b"secret bytes", wishes=wishes, password_hash=secret)


async def enter(
    site: Site, content: PageContent, password: str = PASSWORD, *, visitor: str = "203.0.113.1"
) -> Answer:
    """Send the form."""
    client = {**BROWSER, FORWARDED_FOR: visitor}
    path = path_of(content, "/password")
    return await site.ask(path, "POST", data={"password": password}, client=client)


def with_pass(answer: Answer, client: Mapping[str, str] = BROWSER) -> dict[str, str]:
    """Return the headers of a client that has the cookie."""
    return {**client, "Cookie": f"pass={answer.cookies['pass']}"}


async def test_nothing_is_shown_before(site: Site) -> None:
    """Neither name nor size nor number of files: to browsers, previews and programs."""
    content = await locked(site)
    agents = (BROWSER["User-Agent"], "TelegramBot (like TwitterBot)", "curl/8.5.0")
    answers = [
        await site.ask(path_of(content, rest), method, client={"User-Agent": agent})
        for agent in agents
        for rest in ("", "/report.pdf", "/1/x", "/look/1", "/all.txt")
        for method in ("GET", "HEAD")
    ]

    assert all("report" not in answer.text.replace("/report", "") for answer in answers)
    assert not any("12 B" in answer.text or "PDF" in answer.text for answer in answers)
    assert {answer.location for answer in answers} <= {"", path_of(content)}
    assert {answer.status for answer in answers} == {200, 303, 403}


async def test_right_password(site: Site) -> None:
    """It opens the page for a while, in this browser, by a cookie that no other page gets."""
    content = await locked(site)
    answer = await enter(site, content)
    cookie = answer.headers["Set-Cookie"]
    page = await site.ask(path_of(content), client=with_pass(answer))
    file = await site.ask(path_of(content, "/report.pdf"), client=with_pass(answer))
    through = await site.follow(file)
    site.clock.advance(PASS_LIFETIME)
    later = await site.ask(path_of(content), client=with_pass(answer))

    assert (answer.status, answer.location) == (303, path_of(content, "?entered"))
    assert sorted(cookie.split("; ")[1:]) == [
        "HttpOnly",
        f"Max-Age={int(PASS_LIFETIME.total_seconds())}",
        f"Path={path_of(content)}",
        "SameSite=Lax",
        "Secure",
    ]
    assert "report.pdf" in page.text
    assert through == (200, b"secret bytes")
    assert "report.pdf" not in later.text


async def test_browser_without_cookies(site: Site) -> None:
    """It is told why the form is there again. With the cookie the address becomes the link."""
    content = await locked(site)
    answer = await enter(site, content)
    without = await site.ask(answer.location)
    kept = await site.ask(answer.location, client=with_pass(answer))
    again = await site.ask(path_of(content))

    assert without.status == 200
    assert "this browser keeps no cookies" in without.text
    assert "report.pdf" not in without.text
    assert (kept.status, kept.location) == (303, path_of(content))
    assert "cookies" not in again.text


@pytest.mark.parametrize(
    "typed",
    [
        "Abandon Ability Able About",
        " abandon  ability able about ",
        "abandon-ability-able-about",
        "ａｂａｎｄｏｎ\u3000ability able\u00a0about\n",
    ],
)
async def test_as_phones_write_it(site: Site, typed: str) -> None:
    """Capitals, the width of letters, and spaces do not matter."""
    assert (await enter(site, await locked(site), typed)).status == 303


@pytest.mark.parametrize(
    "typed",
    ["", "abandon ability able", "about able ability abandon", "x" * 4000, "abandon\0", "密码"],
)
async def test_wrong_password(site: Site, typed: str) -> None:
    """It says so, and gives no cookie."""
    content = await locked(site)
    answer = await enter(site, content, typed)

    assert (answer.status, dict(answer.cookies)) == (403, {})
    assert "The password is wrong." in answer.text
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize("allowed", [None, 5])
async def test_button_after_the_cookie_has_ended(site: Site, allowed: int | None) -> None:
    """Who comes back to an open page is asked for the password, and told of no wrong one."""
    content = await locked(site, Wishes(most_downloads=allowed))
    visitor = with_pass(await enter(site, content))
    site.clock.advance(timedelta(minutes=16))
    path = path_of(content, "/1/get")
    presses = [await site.ask(path, "POST", data=b"", client=visitor) for _ in range(9)]
    program = await site.ask(path, "POST", data=b"", client=CURL)

    assert {(one.status, one.location) for one in presses} == {(303, path_of(content))}
    assert program.status == 403
    assert "has a password" in program.text
    assert (await enter(site, content)).location == path_of(content, "?entered")


@pytest.mark.parametrize("forged", ["", "x", "9" * 11 + ".x", "9" * 20 + ".", ".", "-1.", "１.x"])
async def test_forged_pass(site: Site, forged: str) -> None:
    """A cookie that is not signed opens nothing."""
    content = await locked(site)
    answer = await site.ask(path_of(content), client={**BROWSER, "Cookie": f"pass={forged}"})

    assert "report.pdf" not in answer.text


async def test_pass_of_another_page_or_password(site: Site) -> None:
    """It holds for one page, its address and its password."""
    content, other = await locked(site), await locked(site)
    answer = await enter(site, content)
    elsewhere = await site.ask(path_of(other), client=with_pass(answer))
    await site.ledger.pages.set_options(
        content.page.id, password_hash=await site.passwords.hash("another one")
    )
    changed = await site.ask(path_of(content), client=with_pass(answer))

    assert "report.pdf" not in elsewhere.text + changed.text


async def test_a_program_sends_it_with_the_form(site: Site) -> None:
    """The text of the page names the command."""
    content = await locked(site, Wishes(most_downloads=1))
    text = await site.ask(path_of(content), client=CURL)
    path = path_of(content, "/1/get")
    wrong = await site.ask(path, "POST", data={"password": "x"}, client=CURL)
    right = await site.ask(path, "POST", data={"password": PASSWORD}, client=CURL)

    assert f"{ORIGIN}{path}" in text.text
    assert (wrong.status, wrong.location) == (403, "")
    assert await site.follow(right) == (200, b"secret bytes")


async def test_wrong_ones_slow_a_visitor_down(site: Site) -> None:
    """Some are free; then the wait doubles, for all addresses of an IPv6 network too, and the
    right password does not help until it is over. Others go on.
    """
    content = await locked(site)
    for number in range(BY_VISITOR.free):
        await enter(site, content, "wrong", visitor=f"2001:db8:1:2::{number + 1:x}")
    refused = await enter(site, content, visitor="2001:db8:1:2:ffff::1")
    other = await enter(site, content, visitor="2001:db8:1:3::1")
    site.clock.advance(timedelta(seconds=int(refused.headers["Retry-After"])))
    later = await enter(site, content, visitor="2001:db8:1:2::1")

    assert (refused.status, refused.headers["Retry-After"]) == (429, "2")
    assert "Try again in 2 s" in refused.text
    assert (other.status, later.status) == (303, 303)


async def test_wrong_ones_slow_a_link_down(site: Site) -> None:
    """However many addresses an attacker has; a visitor who knows the password waits half a
    minute at most.
    """
    content, other = await locked(site), await locked(site)
    for number in range(BY_LINK.free):
        await enter(site, content, "wrong", visitor=f"203.0.113.{number}")
    refused = await enter(site, content, visitor="198.51.100.1")
    elsewhere = await enter(site, other, visitor="198.51.100.1")

    assert (refused.status, elsewhere.status) == (429, 303)
    assert BY_LINK.wait(10_000) == timedelta(seconds=30)


async def test_many_at_once(site: Site) -> None:
    """They count before they are compared, and only so many wait: the rest are told to come
    again, and the event loop goes on.
    """
    content = await locked(site)
    tries = [enter(site, content, "wrong", visitor=f"203.0.113.{n}") for n in range(40)]
    answers = await asyncio.gather(*tries)
    one = [enter(site, content, "wrong", visitor="198.51.100.7") for _ in range(9)]
    same = await asyncio.gather(*one)

    assert {answer.status for answer in answers} == {403, 429}
    assert sum(answer.status == 403 for answer in same) <= BY_VISITOR.free


async def test_hasher_is_bounded() -> None:
    """Beyond so many that wait there is an error, not a queue."""
    hasher = ArgonPasswords()
    secret = await hasher.hash(PASSWORD)
    tries = [hasher.verify(secret, PASSWORD) for _ in range(HASHES_WAITING + 5)]
    found = await asyncio.gather(*tries, return_exceptions=True)

    assert found.count(True) == HASHES_WAITING
    assert sum(isinstance(one, HasherBusy) for one in found) == 5
    assert not await hasher.verify("not a hash", PASSWORD)
    assert secret.startswith("$argon2id$")


async def test_made_passwords() -> None:
    """Four plain words, different each time."""
    passwords = PagePasswords(b"secret")
    found = {await passwords.make(f"{number}") for number in range(50)}

    assert len(found) == 50
    assert all(re.fullmatch(r"[a-z]{3,8}( [a-z]{3,8}){3}", password) for password in found)
