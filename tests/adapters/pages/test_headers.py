"""The headers of every answer, and what its HTML may load."""

import re

import pytest

from bot.core.jobs import Wishes
from bot.core.ports.pages import make_token
from tests.adapters.pages.site import CURL, Answer, Site, path_of

EVERY = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "file-relay",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
STATIC = re.compile(r"/-/page\.[0-9a-f]{12}\.(?:css|js)")


async def _answers(site: Site) -> dict[str, Answer]:
    content = await site.page(b"one", wishes=Wishes(most_downloads=1))
    locked = await site.page(password_hash="$argon2id$unreadable")
    paused = await site.page(is_paused=True)
    ended = await site.page()
    await site.ledger.objects.revoke(ended.files[0].job_id, site.clock.now())
    return {
        "page": await site.ask(path_of(content)),
        "head": await site.ask(path_of(content), "HEAD"),
        "text": await site.ask(path_of(content), client=CURL),
        "redirect": await site.ask(path_of(content, "/1/get"), "POST", data=b""),
        "used up": await site.ask(path_of(content, "/1/get"), "POST", data=b""),
        "foreign": await site.ask(path_of(content, "/1/get"), "POST", Sec_Fetch_Site="same-site"),
        "locked": await site.ask(path_of(locked)),
        "wrong": await site.ask(path_of(locked, "/password"), "POST", data={"password": "x"}),
        "too large": await site.ask(path_of(locked, "/password"), "POST", data=b"x" * 5000),
        "fields": await site.ask(path_of(locked, "/password"), "POST", data=b"a=b&" * 100),
        "paused": await site.ask(path_of(paused)),
        "ended": await site.ask(path_of(ended)),
        "unknown": await site.ask(f"/{make_token()}"),
        "malformed": await site.ask("/x/y/z"),
        "method": await site.ask("/x", "PUT"),
        "robots": await site.ask("/robots.txt"),
        "icon": await site.ask("/favicon.ico"),
    }


async def test_every_answer_has_them(site: Site) -> None:
    """Nothing is stored, framed, sniffed, indexed or told to others, in any answer."""
    answers = await _answers(site)

    for name, answer in answers.items():
        found = {header: answer.headers.get(header) for header in EVERY}
        assert found == EVERY, name
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"], name
        assert "unsafe" not in answer.headers["Content-Security-Policy"], name
        assert "Strict-Transport-Security" not in answer.headers, name
        assert "Set-Cookie" not in answer.headers, name
    assert {name: answer.status for name, answer in answers.items()} == {
        "page": 200,
        "head": 200,
        "text": 200,
        "redirect": 303,
        "used up": 410,
        "foreign": 403,
        "locked": 200,
        "wrong": 403,
        "too large": 413,
        "fields": 400,
        "paused": 423,
        "ended": 410,
        "unknown": 404,
        "malformed": 404,
        "method": 405,
        "robots": 200,
        "icon": 204,
    }


async def test_policy_of_pages(site: Site) -> None:
    """Their forms may lead to OSS, as browsers look at the redirect too; styles and scripts are
    ours, and nothing is inline or of another host.
    """
    content = await site.page()
    page = await site.ask(path_of(content))
    policy = page.headers["Content-Security-Policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text.partition("</head>")[0])

    assert f"form-action 'self' {site.oss.endpoint}" in policy
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
    assert len(loaded) == 2
    assert all(STATIC.fullmatch(path) for path in loaded)
    assert not re.search(r"<script>|<style|\son\w+=|\sstyle=|javascript:", page.text)


async def test_static_files(site: Site) -> None:
    """They may be kept for good: their addresses change with them."""
    page = await site.ask(path_of(await site.page()))
    kinds = set()
    for path in STATIC.finditer(page.text):
        answer = await site.ask(path[0])
        kinds.add(answer.headers["Content-Type"])
        assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"

    assert kinds == {"text/css; charset=utf-8", "text/javascript; charset=utf-8"}


async def test_robots(site: Site) -> None:
    """They may read that a page is not to be listed, and may not follow it to files."""
    assert (await site.ask("/robots.txt")).text == "User-agent: *\nDisallow: /*/\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
        ("a&b\"c'd.pdf", "a&amp;b&#34;c&#39;d.pdf"),
        ("{{ 7*7 }}{% raw %}.pdf", "{{ 7*7 }}{% raw %}.pdf"),
        ("مرحبا.pdf", "مرحبا.pdf"),
    ],
)
async def test_names_are_escaped(site: Site, name: str, expected: str) -> None:
    """A name is text, wherever it stands: title, heading, labels and previews. The names of files
    are cleaned before; here they are not.
    """
    content = await site.page(name=name)
    page = await site.ask(path_of(content))

    assert f"<title>{expected}</title>" in page.text
    assert f"<bdi>{expected}</bdi>" in page.text
    assert f'<meta property="og:title" content="{expected}">' in page.text
