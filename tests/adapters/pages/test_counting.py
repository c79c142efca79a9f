"""Downloads that are counted: what uses one up, and how many there are at most."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from bot.adapters.web_limits import FORWARDED_FOR
from bot.core.errors import LedgerLocked
from bot.core.jobs import Wishes
from bot.core.ports.metrics import PageState
from bot.core.ports.pages import PageContent
from bot.inbound.pages import DownloadRequest
from tests.adapters.pages.site import BROWSER, CURL, Site, path_of

ONCE = Wishes(most_downloads=1)
PREVIEWS = (
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.24.1 A",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "Mozilla/5.0 (Windows NT 10.0) SkypeUriPreview Preview/0.5",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0)",
    "Mozilla/5.0 (compatible; bingbot/2.0)",
    "Google-PageRenderer",
    "Mozilla/5.0 (compatible; proximic)",
    "Signal-Android/6.1",
    "Line/1.0",
    "Barracuda Sentinel (EE)",
    "Mozilla/5.0 (Windows NT 10.0) GoogleImageProxy",
)


async def used(site: Site, content: PageContent) -> list[int]:
    """Return how many downloads of each file are used up."""
    return [file.used for file in (await site.again(content)).files]


async def press(site: Site, content: PageContent, number: int = 1, visitor: str = "") -> int:
    """Press the button of a file; return the status."""
    client = {**BROWSER, FORWARDED_FOR: visitor} if visitor else BROWSER
    path = path_of(content, f"/{number}/get")
    return (await site.ask(path, "POST", data=b"", client=client)).status


async def test_once_by_the_button(site: Site) -> None:
    """One press gives the file, the next one says why not, and the page too."""
    content = await site.page(b"bytes", wishes=ONCE)
    before = await site.ask(path_of(content))
    answer = await site.ask(path_of(content, "/1/get"), "POST", data=b"")
    again = await site.ask(path_of(content, "/1/get"), "POST", data=b"")
    after = await site.ask(path_of(content))

    assert await site.follow(answer) == (200, b"bytes")
    assert (again.status, again.location) == (410, "")
    assert f'action="{path_of(content)}/1/get"' in before.text
    assert "Can be downloaded once" in before.text
    assert "Already downloaded" in again.text
    assert "Already downloaded" in after.text
    assert (await site.again(content)).page.downloads == 1


async def test_once_by_the_address(site: Site) -> None:
    """A program uses it up by GET."""
    content = await site.page(b"bytes", wishes=ONCE)
    statuses = [
        (await site.ask(path_of(content, "/report.pdf"), client=CURL)).status for _ in range(2)
    ]

    assert statuses == [303, 410]


async def test_what_a_program_is_told(site: Site) -> None:
    """How many downloads of each file are left, and that every request is one."""
    content = await site.page(b"one", b"two", wishes=Wishes(most_downloads=5))
    before = await site.ask(path_of(content), client=CURL)
    for _ in range(5):
        await press(site, content, 2)
    half = await site.ask(path_of(content), client=CURL)
    for _ in range(5):
        await press(site, content, 1)
    after = await site.ask(path_of(content), client=CURL)

    assert before.text.count("5 downloads are left") == 2
    assert half.text.count("5 downloads are left") == 1
    assert half.text.count("Already downloaded") == 1
    assert "use one connection" in before.text
    assert "use one connection" in half.text
    assert "use one connection" not in after.text


@pytest.mark.parametrize("agent", PREVIEWS)
async def test_previews_use_nothing(site: Site, agent: str) -> None:
    """Messengers and scanners that open the page, or the address of the file, get a page."""
    content = await site.page(wishes=ONCE)
    client = {**BROWSER, "User-Agent": agent}
    page = await site.ask(path_of(content), client=client)
    file = await site.ask(path_of(content, "/report.pdf"), client=client)

    assert '<meta property="og:title" content="report.pdf">' in page.text
    assert (file.status, file.location) == (303, path_of(content))
    assert await used(site, content) == [0]


@pytest.mark.parametrize(
    "agent",
    [
        "curl/8.5.0",
        "Wget/1.21.3",
        "aria2/1.36.0",
        "FDM/6.2",
        "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2)",
        "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"
        " MicroMessenger/8.0.49",
    ],
)
async def test_people_and_their_programs_get_the_file(site: Site, agent: str) -> None:
    """By its address, which uses one up."""
    content = await site.page(wishes=ONCE)
    client = {**BROWSER, "User-Agent": agent}
    file = await site.ask(path_of(content, "/report.pdf"), client=client)

    assert await site.follow(file) == (200, b"content")
    assert await used(site, content) == [1]


@pytest.mark.parametrize(
    "headers", [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}]
)
async def test_prefetching_uses_nothing(site: Site, headers: dict[str, str]) -> None:
    """A browser that fetches what may be wanted next is not the recipient."""
    content = await site.page(wishes=ONCE)
    answer = await site.ask(path_of(content, "/report.pdf"), client={**BROWSER, **headers})

    assert (answer.location, await used(site, content)) == (path_of(content), [0])


async def test_nothing_but_a_download_uses_one(site: Site) -> None:
    """Views, HEAD, the list of an album, and what is refused leave all of them."""
    content = await site.page(b"one", b"two", wishes=ONCE)
    for path in ("", "/all.txt", "/look/1", "/3/x", "/x"):
        for method in ("GET", "HEAD"):
            await site.ask(path_of(content, path), method)
    await site.ask(path_of(content, "/1/x"), "HEAD")
    await site.ask(path_of(content, "/9/get"), "POST", data=b"")
    await site.ask(path_of(content, "/1/get"), "POST", data=b"", Sec_Fetch_Site="cross-site")

    assert await used(site, content) == [0, 0]


async def test_each_file_has_its_own(site: Site) -> None:
    """The limit holds for each file of a page."""
    content = await site.page(b"one", b"two", wishes=ONCE)
    statuses = [await press(site, content, number) for number in (1, 2, 1, 2)]

    assert statuses == [303, 303, 410, 410]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "", "Origin": "https://files.example.org"}, 303),
        ({"Sec-Fetch-Site": ""}, 303),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://files.example.org"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "", "Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "", "Origin": "http://files.example.org"}, 403),
    ],
)
async def test_forms_of_other_sites(site: Site, headers: dict[str, str], status: int) -> None:
    """No other site can have its visitors use up a download."""
    content = await site.page(wishes=ONCE)
    client = {**BROWSER, **headers}
    answer = await site.ask(path_of(content, "/1/get"), "POST", data=b"", client=client)

    assert answer.status == status


async def test_two_at_once(site: Site) -> None:
    """They get one file."""
    content = await site.page(wishes=ONCE)
    statuses = await asyncio.gather(press(site, content), press(site, content))

    assert sorted(statuses) == [303, 410]


async def test_a_hundred_at_once(site: Site) -> None:
    """They get one file, and the others a page that says so."""
    content = await site.page(wishes=ONCE)
    statuses = await asyncio.gather(
        *(press(site, content, visitor=f"203.0.113.{number}") for number in range(100))
    )

    assert Counter(statuses) == {303: 1, 410: 99}
    assert await used(site, content) == [1]


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_thousand_times_five(site: Site) -> None:
    """Of eight clients at once, five get a file whose downloads are five: each time."""
    found = Counter[int]()

    async def one_page() -> None:
        content = await site.page(wishes=Wishes(most_downloads=5))
        statuses = await asyncio.gather(*(press(site, content) for _ in range(8)))
        found[statuses.count(303)] += 1

    for _ in range(200):
        await asyncio.gather(*(one_page() for _ in range(5)))

    assert found == {5: 1000}


async def test_armed_again(site: Site) -> None:
    """The sender allows it once more."""
    content = await site.page(wishes=ONCE)
    statuses = [await press(site, content), await press(site, content)]
    await site.ledger.pages.rearm(content.page.id)
    statuses += [await press(site, content), await press(site, content)]

    assert statuses == [303, 410, 303, 410]


async def test_begun_download_may_be_resumed(site: Site) -> None:
    """The signed URL lives a minute, or less where the file ends earlier."""
    content = await site.page(b"bytes", wishes=ONCE)
    answer = await site.ask(path_of(content, "/1/get"), "POST", data=b"")
    first = await site.follow(answer, Range="bytes=0-1")
    site.clock.advance(timedelta(seconds=59))
    rest = await site.follow(answer, Range="bytes=2-")
    site.clock.advance(timedelta(seconds=2))
    late, _ = await site.follow(answer, Range="bytes=2-")

    assert (first, rest, late) == ((206, b"by"), (206, b"tes"), 403)


async def test_what_changed_meanwhile_is_said(site: Site) -> None:
    """A page that is paused, or a file that is deleted, between look and download is not called
    used up.
    """
    content = await site.page(wishes=ONCE)
    visit = await site.visits.look(content.page.token, lambda _: True)
    await site.ledger.pages.set_options(content.page.id, is_paused=True)
    paused = await site.visits.download(visit, DownloadRequest(1))
    await site.ledger.pages.set_options(content.page.id, is_paused=False)
    await site.ledger.objects.revoke(content.files[0].job_id, site.clock.now())
    deleted = await site.visits.download(visit, DownloadRequest(1))

    assert (paused.state, deleted.state) == (PageState.PAUSED, PageState.ENDED)


async def test_unlimited_downloads_are_counted_for_display(site: Site) -> None:
    """A download is a request that begins the file; those of a download manager are one."""
    content = await site.page(b"bytes")
    path = path_of(content, "/report.pdf")
    for asked in ("", "bytes=0-", "bytes=0-2", "bytes=2-", "bytes=0-0", "bytes=-2"):
        await site.ask(path, client={**CURL, "Range": asked} if asked else CURL)
    await site.ask(path, "HEAD")
    await site.visits.flush()
    found = await site.again(content)

    assert (found.page.downloads, found.files[0].downloads, found.files[0].used) == (3, 3, 0)


async def test_numbers_survive_a_ledger_that_is_busy(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be written is written later."""
    content = await site.page()

    async def busy(*_: object) -> None:
        raise LedgerLocked("locked")

    await site.ask(path_of(content, "/report.pdf"))
    with monkeypatch.context() as patch:
        patch.setattr(type(site.ledger.pages), "count", busy)
        with pytest.raises(LedgerLocked):
            await site.visits.flush()
    await site.ask(path_of(content, "/report.pdf"))
    await site.visits.flush()

    assert (await site.again(content)).page.downloads == 2


async def test_numbers_are_written_by_the_loop(site: Site) -> None:
    """About a second after the first one, and when it ends."""
    content = await site.page()
    loop = asyncio.create_task(site.visits.run())
    await site.ask(path_of(content, "/report.pdf"))
    loop.cancel()
    await asyncio.wait([loop])

    assert (await site.again(content)).page.downloads == 1
