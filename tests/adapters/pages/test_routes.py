"""What the addresses of a page answer: to browsers, to programs, and at its end."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from bot.core.ports.pages import REMEMBERED_FOR, PageContent, file_url, make_token
from tests.adapters.pages.site import (
    BROWSER,
    CURL,
    LAST_SECOND,
    ORIGIN,
    Answer,
    Site,
    open_site,
    path_of,
)
from tests.fakes.samples import LIFETIME, SHA256

SECOND = timedelta(seconds=1)
ODD = "report 报告 (1) a&b=c+d%20e;f#g'h.tar.gz"


async def test_page_names_its_file(site: Site) -> None:
    """It shows name, size, kind and SHA-256, and leads to the file; nothing is used up."""
    content = await site.page(b"x" * 2048, name=ODD)
    answer = await site.ask(path_of(content))

    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for shown in ("report 报告 (1) a&amp;b=c+d", "2 KB", "PDF", SHA256, "2026-11-25 11:55 UTC"):
        assert shown in answer.text
    assert file_url(ORIGIN, content, 1) in answer.text
    assert (await site.again(content)).page.downloads == 0


async def test_file_by_its_address(site: Site) -> None:
    """Any client gets the bytes by a redirect to a private object, under the stored name."""
    content = await site.page(b"bytes", name=ODD)
    answer = await site.ask(file_url(ORIGIN, content, 1), client=CURL)
    query = parse_qs(urlsplit(answer.location).query)

    assert answer.status == 303
    assert query["x-oss-expires"] == ["60"]
    assert await site.follow(answer) == (200, b"bytes")
    assert await site.follow(answer, Range="bytes=2-") == (206, b"tes")


async def test_name_for_curl(site: Site) -> None:
    """It takes the first name that it meets, and the one of OSS is in ASCII."""
    content = await site.page(name=ODD)
    answer = await site.ask(file_url(ORIGIN, content, 1), client=CURL)
    of_others = await site.ask(file_url(ORIGIN, content, 1))

    assert answer.headers["Content-Disposition"] == f'attachment; filename="{ODD}"'
    assert "Content-Disposition" not in of_others.headers


async def test_signed_url_ends_after_a_minute(site: Site) -> None:
    """By OSS itself. The address of the page gives a new one at any time."""
    content = await site.page(b"bytes")
    answer = await site.ask(path_of(content, "/report.pdf"))
    site.clock.advance(timedelta(seconds=61))
    status, _ = await site.follow(answer)
    again = await site.ask(path_of(content, "/report.pdf"))

    assert status == 403
    assert await site.follow(again) == (200, b"bytes")


async def test_head_gets_a_url_for_head(site: Site) -> None:
    """A download manager that looks first uses up nothing, and sees the size."""
    content = await site.page(b"bytes", most_downloads=1)
    answer = await site.ask(path_of(content, "/report.pdf"), "HEAD")

    assert (answer.status, await site.follow(answer, "HEAD")) == (303, (200, b""))
    assert (await site.follow(answer))[0] == 403
    assert (await site.again(content)).files[0].used == 0


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/2/anything", b"two"),
        ("/3/x", None),
        ("/0/x", None),
        ("/01/x", None),
        ("/-1/x", None),
        ("/99999999999999999999/x", None),
        ("/x", None),
        ("/1/x/y", None),
        ("/look/1", None),
    ],
)
async def test_files_by_number(site: Site, path: str, expected: bytes | None) -> None:
    """Files of a page are counted from 1; the name is only for the client."""
    content = await site.page(b"one", b"two")
    answer = await site.ask(path_of(content, path))

    if expected is None:
        assert (answer.status, answer.location) == (404, "")
    else:
        assert await site.follow(answer) == (200, expected)


@pytest.mark.parametrize("count", [1, 2])
async def test_addresses_of_forms_opened_again(site: Site, count: int) -> None:
    """A browser that opens one by GET, or the address of the page with a slash, finds the page;
    nothing is used up.
    """
    content = await site.page(*[b"x"] * count, most_downloads=1)
    for path in ("/", "/report", "/password", "/1/get", "/1/"):
        for method in ("GET", "HEAD"):
            answer = await site.ask(path_of(content, path), method)
            assert (path, answer.status, answer.location) == (path, 303, path_of(content))

    assert {file.used for file in (await site.again(content)).files} == {0}


@pytest.mark.parametrize("name", ["report", "password", "get"])
async def test_files_that_are_named_like_forms(site: Site, name: str) -> None:
    """They have their addresses nevertheless."""
    lone = await site.page(b"lone", name=name)
    album = await site.page(b"one", b"two", name=name)
    found = [
        await site.follow(await site.ask(file_url(ORIGIN, content, number), client=CURL))
        for content, number in ((lone, 1), (album, 1), (album, 2))
    ]

    assert found == [(200, b"lone"), (200, b"one"), (200, b"two")]


async def test_album(site: Site) -> None:
    """One page shows all files, each with its address, and lists the addresses for programs."""
    content = await site.page(b"one", b"two")
    page = await site.ask(path_of(content))
    text = await site.ask(path_of(content), client=CURL)
    listed = await site.ask(path_of(content, "/all.txt"), client=CURL)
    addresses = [file_url(ORIGIN, content, number) for number in (1, 2)]

    assert all(address in page.text and address in text.text for address in addresses)
    assert "2 files" in page.text
    assert f"{ORIGIN}{path_of(content)}/all.txt" in page.text
    assert listed.text.split() == addresses


async def test_deleted_file_of_an_album(site: Site) -> None:
    """The others keep their addresses."""
    content = await site.page(b"one", b"two")
    await site.ledger.objects.revoke(content.files[0].job_id, site.clock.now())
    page = await site.ask(path_of(content))
    first, second = [await site.ask(path_of(content, f"/{n}/x")) for n in (1, 2)]

    assert page.text.count("No longer available") == 1
    assert (first.status, await site.follow(second)) == (410, (200, b"two"))


@pytest.mark.parametrize(
    ("agent", "accept", "is_html"),
    [
        ("curl/8.5.0", "*/*", False),
        ("Wget/1.21", "*/*", False),
        ("aria2/1.37.0", "*/*", False),
        ("python-requests/2.32", "*/*", False),
        ("", "", False),
        ("curl/8.5.0", "text/html", True),
        (BROWSER["User-Agent"], "*/*", True),
        ("WhatsApp/2.24", "*/*", True),
        ("TelegramBot (like TwitterBot)", "", True),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "*/*", True),
        ("facebookexternalhit/1.1", "*/*", True),
        ("Mozilla/5.0 (iPhone) MicroMessenger/8.0", "*/*", True),
        ("Discordbot/2.0", "application/octet-stream", True),
    ],
)
async def test_text_or_html(site: Site, agent: str, accept: str, is_html: bool) -> None:  # noqa: FBT001 -- a parameter.
    """Programs get a text that names the address, previews HTML, and none gets bytes."""
    content = await site.page(b"bytes")
    client = {"User-Agent": agent, "Accept": accept}
    answer = await site.ask(path_of(content), client=client)
    kind = "text/html" if is_html else "text/plain"

    assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert (answer.status, answer.location) == (200, "")
    assert file_url(ORIGIN, content, 1) in answer.text
    assert (await site.again(content)).page.downloads == 0


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh-Hant-TW", "zh-Hans"),
        ("en-US,en;q=0.9,zh-CN;q=0.8", "en"),
        ("en;q=0.5, zh;q=0.8", "zh-Hans"),
        ("fr, de;q=0.9", "en"),
        ("zh;q=0", "en"),
        ("zh;q=x,,;;q=1,*" * 100, "zh-Hans"),
    ],
)
async def test_language(site: Site, accepted: str, language: str) -> None:
    """Chinese or English, whichever the browser prefers."""
    content = await site.page()
    answer = await site.ask(path_of(content), Accept_Language=accepted)

    assert f'<html lang="{language}">' in answer.text
    assert ("下载" in answer.text) == (language == "zh-Hans")


async def _all(site: Site, content: PageContent) -> list[Answer]:
    return [
        await site.ask(path_of(content)),
        await site.ask(path_of(content, "/report.pdf")),
        await site.ask(path_of(content, "/1/get"), "POST", data=b""),
    ]


async def test_end_to_the_second(site: Site) -> None:
    """Until its last second a file is handed out, for as long as it lives; then the page says
    since when, and a day later it is one that never was.
    """
    content = await site.page(b"bytes")
    site.clock.advance(LAST_SECOND)
    last = await site.ask(path_of(content, "/report.pdf"))
    bytes_then = await site.follow(last)
    site.clock.advance(SECOND)
    bytes_after = await site.follow(last)
    ended = await _all(site, content)
    site.clock.advance(REMEMBERED_FOR - 2 * SECOND)
    remembered = await _all(site, content)
    site.clock.advance(2 * SECOND)
    forgotten = await _all(site, content)
    never = await site.ask(f"/{make_token()}")

    assert parse_qs(urlsplit(last.location).query)["x-oss-expires"] == ["1"]
    assert (bytes_then, bytes_after[0]) == ((200, b"bytes"), 403)
    assert [answer.status for answer in ended + remembered] == [410] * 6
    assert "2026-11-25 11:55 UTC" in ended[0].text
    assert "report.pdf" not in ended[0].text
    assert [(answer.status, answer.text) for answer in forgotten] == [(404, never.text)] * 3


async def test_deleted_now(site: Site) -> None:
    """Its page says so at once."""
    content = await site.page()
    site.clock.advance(timedelta(hours=1))
    await site.ledger.objects.revoke(content.files[0].job_id, site.clock.now())

    assert [answer.status for answer in await _all(site, content)] == [410] * 3


async def test_paused(site: Site) -> None:
    """Closed without deleting, and open again."""
    content = await site.page(is_paused=True)
    closed = await _all(site, content)
    await site.ledger.pages.set_options(content.page.id, is_paused=False)
    opened = await _all(site, content)

    assert [answer.status for answer in closed] == [423] * 3
    assert "report.pdf" not in closed[0].text
    assert [answer.status for answer in opened] == [200, 303, 303]


async def test_new_address(site: Site) -> None:
    """The old one is one that never was."""
    content = await site.page()
    token = await site.ledger.pages.renew(content.page.id)

    assert [answer.status for answer in await _all(site, content)] == [404] * 3
    assert (await site.ask(f"/{token}")).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/x",
        "/x/y",
        "/healthz/",
        "/-/page.css",
        "/-/../x",
        "//",
        "/%00",
        "/a/b/c/d",
        "/%",
        "/{",
    ]
    + [f"/{'a' * length}" for length in (21, 22, 23, 4000)]
    + [f"/{quote('é' * 11)}", f"/{'a' * 21}%61", f"/{'a' * 22}/a.txt", f"/{'a' * 22}/1/a.txt"],
)
async def test_one_answer_for_what_is_not_there(site: Site, path: str) -> None:
    """No byte of the answer tells why what was asked for is not there."""
    expected = await site.ask(f"/{make_token()}")
    answers = [await site.ask(path, method) for method in ("GET", "POST")]

    for answer in answers:
        assert (answer.status, answer.text) == (404, expected.text)
        assert {**answer.headers, "Date": ""} == {**expected.headers, "Date": ""}


@pytest.mark.parametrize("behind", [".", ")", "，请查收", "。", "%20x", "…", "'", "&x"])
async def test_words_behind_an_address(site: Site, behind: str) -> None:
    """What a messenger took for a part of the link leads to the page nevertheless; it does so
    whether there is one or not.
    """
    content = await site.page()
    answers = [
        await site.ask(f"/{token}{quote(behind, safe='%)&')}")
        for token in (content.page.token, make_token())
    ]

    assert [answer.status for answer in answers] == [303, 303]
    assert answers[0].location == path_of(content)


async def test_other_methods(site: Site) -> None:
    """They are not allowed, wherever."""
    content = await site.page()
    statuses = {
        (await site.ask(path, method)).status
        for path in (path_of(content), "/x")
        for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "TRACE")
    }

    assert statuses == {405}


async def test_starting(tmp_path: Path) -> None:
    """Before the ledger is open a page says so, and nothing else."""
    async with open_site(tmp_path, opened=False) as site:
        answer = await site.ask(f"/{make_token()}")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_looked_at_in_place(tmp_path: Path) -> None:
    """With a domain of one's own pictures and PDFs are shown; elsewhere OSS has them saved, and
    the page says so.
    """
    async with open_site(tmp_path, domain="https://cdn.example.org") as site:
        content, other = await site.page(), await site.page(mime_type="application/zip")
        page = await site.ask(path_of(content))
        look = await site.ask(path_of(content, "/look/1"))
        refused = await site.ask(path_of(other, "/look/1"))
    parts = urlsplit(look.location)

    assert (look.status, parts.netloc) == (303, "cdn.example.org")
    assert parse_qs(parts.query)["response-content-disposition"] == ["inline"]
    assert f"{path_of(content)}/look/1" in page.text
    assert refused.status == 404


async def test_monitoring_stays_inside(tmp_path: Path) -> None:
    """Health and metrics are answered to this machine, and not to visitors through the proxy."""
    paths = ("/healthz", "/readyz", "/metrics")
    async with open_site(tmp_path) as site:
        never = await site.ask(f"/{make_token()}")
        inside = [(await site.ask(path)).status for path in paths]
        outside = [await site.ask(path, X_Forwarded_For="203.0.113.9") for path in paths]
        forged = [await site.ask(path, X_Forwarded_For="127.0.0.1, 203.0.113.9") for path in paths]
        hidden = [await site.ask(path, X_Real_IP="203.0.113.9") for path in paths]

    assert inside == [200] * 3
    assert {answer.text for answer in outside + forged + hidden} == {never.text}


def test_lifetime_is_what_the_samples_say() -> None:
    """The times above are those of a link with the default lifetime."""
    assert LAST_SECOND + SECOND == LIFETIME
