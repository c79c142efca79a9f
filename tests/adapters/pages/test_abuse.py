"""Visitors who guess, flood, dawdle and pretend: what each gets, and what is told of them."""

import asyncio
import io
import logging
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from bot.adapters.pages.guards import BY_VISITOR, REQUESTS_AT_ONCE
from bot.adapters.web_limits import FORWARDED_FOR, Proxies, WebLimits
from bot.core.ports.pages import REMEMBERED_FOR, PageContent, make_token
from bot.logs import RelayHandler, configure
from tests.adapters.pages.site import BROWSER, Site, open_site, path_of
from tests.adapters.pages.test_attacks import CLOSE, NO_REQUESTS, raw, until
from tests.adapters.pages.test_names import Elements
from tests.fakes.samples import LIFETIME


async def test_guessing(site: Site) -> None:
    """One that never was, one that is forgotten, one with a new address, and each address below
    them: the same bytes and headers, for every method.
    """
    forgotten, renewed = await site.page(), await site.page()
    site.clock.advance(LIFETIME + REMEMBERED_FOR)
    current = await site.page()
    await site.ledger.pages.renew(renewed.page.id)
    paths = [
        f"/{token}{rest}"
        for token in (make_token(), forgotten.page.token, renewed.page.token, "x")
        for rest in ("", "/report.pdf", "/1/x", "/look/1", "/all.txt", "/password", "/report")
    ]
    paths += [f"{path_of(current)}x", path_of(current)[:-1], path_of(current, "/2/x")]
    answers = [
        await site.ask(path, method, data=b"password=x" if method == "POST" else None)
        for path in paths
        for method in ("GET", "POST")
    ]

    assert {(answer.status, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert {str({**answer.headers, "Date": ""}) for answer in answers} == {
        str({**answers[0].headers, "Date": ""})
    }


async def test_time_tells_nothing(site: Site) -> None:
    """A token that shares all but the last character with a live one is not answered later than
    another: there is one question to an index for each.
    """
    token = (await site.page()).page.token
    near = token[:-1] + ("A" if token[-1] != "A" else "B")
    took: dict[str, list[float]] = {near: [], make_token(): []}
    for _ in range(40):
        for guess, times in took.items():
            start = time.perf_counter()
            await site.visits.look(guess, lambda _: True)
            times.append(time.perf_counter() - start)
    first, second = (statistics.median(times) for times in took.values())

    assert 1 / 3 < first / second < 3


async def test_many_requests_at_once(site: Site) -> None:
    """Those of one visitor are so many at a time, through the proxy too; others go on."""
    content = await site.page()
    release = asyncio.Event()
    find, waiting = site.ledger.pages.find, Counter[str]()

    async def slow(token: str) -> PageContent | None:
        waiting[token] += 1
        await release.wait()
        return await find(token)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site.ledger.pages, "find", slow)
        asked = [
            asyncio.create_task(site.ask(path_of(content), X_Forwarded_For=f"2001:db8::{n:x}"))
            for n in range(REQUESTS_AT_ONCE + 20)
        ]
        other = asyncio.create_task(site.ask(path_of(content), X_Forwarded_For="203.0.113.9"))
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        await until(lambda: waiting.total() > REQUESTS_AT_ONCE)
        release.set()
        statuses = Counter([(await one).status for one in asked])

    assert (await other).status == 200
    assert statuses == {200: REQUESTS_AT_ONCE, 429: 20}
    assert {(one.result().status, one.result().headers["Retry-After"]) for one in done} == {
        (429, "5")
    }


async def test_forged_addresses(site: Site) -> None:
    """Only what the trusted proxy has added counts, so no visitor gets more tries by a header."""
    secret = await site.passwords.hash("a b c d")
    content = await site.page(password_hash=secret)
    statuses = []
    for number in range(BY_VISITOR.free + 3):
        client = {**BROWSER, FORWARDED_FOR: f"198.51.100.{number}, 203.0.113.5"}
        path = path_of(content, "/password")
        answer = await site.ask(path, "POST", data={"password": "wrong"}, client=client)
        statuses.append(answer.status)

    assert statuses == [403] * BY_VISITOR.free + [429] * 3


async def test_forged_addresses_without_a_proxy(tmp_path: Path) -> None:
    """Where none is trusted the header is not read, and monitoring not answered for it."""
    async with open_site(tmp_path, proxies=Proxies()) as site:
        content = await site.page(password_hash=await site.passwords.hash("a b c d"))
        statuses = [
            (
                await site.ask(
                    path_of(content, "/password"),
                    "POST",
                    data={"password": "wrong"},
                    client={**BROWSER, FORWARDED_FOR: f"198.51.100.{number}"},
                )
            ).status
            for number in range(BY_VISITOR.free + 1)
        ]

    assert statuses == [403] * BY_VISITOR.free + [429]


async def test_slow_heads_and_bodies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are cut off, and others are answered meanwhile."""
    limits = WebLimits(connections=30, per_address=20, head=0.2, body=0.2)
    monkeypatch.setattr("bot.adapters.pages.guards.FORM_TIMEOUT", 0.2)
    async with open_site(tmp_path, limits=limits) as site:
        token = (await site.page(password_hash="x")).page.token
        head = raw(site, f"GET /{token} HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        body = raw(
            site,
            f"POST /{token}/password HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\npass",
        )
        unread = raw(
            site, f"GET /{token} HTTP/1.1\r\nHost: x\r\nContent-Length: 500000000\r\n\r\nabc"
        )
        (cut, *_), (late, headers, _), (early, *_) = await asyncio.gather(head, body, unread)
        answer = await site.ask(f"/{token}")

    assert (cut, late, early, answer.status) == (0, 408, 200, 200)
    assert headers["Connection"] == "close"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Log everything as in production, into this."""
    level, stream = logging.getLogger().level, io.StringIO()
    configure("debug", "json", stream=stream)
    yield stream
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, RelayHandler)]:
        root.removeHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


async def test_nothing_of_a_visitor_is_logged(
    site: Site, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither address nor password nor token, not even where something breaks."""
    content = await site.page(
        name="private.pdf", password_hash=await site.passwords.hash("a b c d")
    )
    form = {"password": "PASSWORD-OF-A-VISITOR"}
    for path in ("/password", "/1/get", "/report"):
        await site.ask(path_of(content, path), "POST", data=form, X_Forwarded_For="203.0.113.77")

    async def broken(*_: object) -> bool:
        raise RuntimeError("broken")

    monkeypatch.setattr(site.passwords, "verify", broken)
    failed = await site.ask(path_of(content, "/password"), "POST", data=form)
    await raw(site, NO_REQUESTS["NUL"].replace("TOKEN", content.page.token))
    said = logged.getvalue()

    assert failed.status == 500
    assert "broken" in said
    for secret in (form["password"], content.page.token, "private.pdf", "203.0.113.77"):
        assert secret not in said
    assert "broken" not in failed.text


async def test_password_is_never_in_an_address(site: Site) -> None:
    """Its form is sent by POST, and a password in a query is not read."""
    content = await site.page(password_hash=await site.passwords.hash("a b c d"))
    page = Elements((await site.ask(path_of(content))).text)
    forms = [attributes["method"] for tag, attributes in page.elements if tag == "form"]
    status, headers, _ = await raw(
        site, f"GET {path_of(content)}/report.pdf?password=a+b+c+d HTTP/1.1\r\n{CLOSE}\r\n"
    )

    assert forms == ["post"]
    assert (status, headers["Location"]) == (403, None)
