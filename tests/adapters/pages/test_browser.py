"""The pages in a real browser: Debian's Chromium, driven by Playwright and looked at by axe-core.

`PAGE_PICTURES=folder` keeps a picture of every state.
"""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from bot.core.ports.pages import PageContent
from tests.adapters.oss.links import BUCKET
from tests.adapters.pages.site import Site, open_site, path_of
from tests.conversations.test_webhook import free_port
from tests.fakes.samples import NOW, SHA256
from tests.sandbox import environments
from tests.tools.pictures import ARGUMENTS, CHROMIUM

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
]

HERE: Final = Path(__file__).parent
PASSWORD: Final = "abandon ability able about"
LONG: Final = (
    "Quarterly report of the whole department, final version 报告_(2)." + "x" * 60 + ".pdf"
)
HOSTILE: Final = "<img src=x onerror=alert(1)> & <b>.pdf"
SERIOUS: Final = {"serious", "critical"}
PICTURES: Final = os.environ.get("PAGE_PICTURES", "")

PHONE: Final = {"width": 360, "height": 740}
DESKTOP: Final = {"width": 1280, "height": 800}
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "en-phone-light": {"locale": "en-GB", "viewport": PHONE, "color_scheme": "light"},
    "en-desktop-dark": {"locale": "en-GB", "viewport": DESKTOP, "color_scheme": "dark"},
    "zh-phone-dark": {"locale": "zh-CN", "viewport": PHONE, "color_scheme": "dark"},
    "zh-desktop-light": {"locale": "zh-CN", "viewport": DESKTOP, "color_scheme": "light"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests; each has a context of its own in it."""
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS])
        yield found
        await found.close()


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of the accessibility checker."""
    try:
        modules = environments.node_modules(HERE / "checker")
    except environments.Unavailable as error:
        pytest.skip(f"axe-core cannot be installed: {error}")
    return (modules / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@dataclass
class Window:
    """A browser before the pages of a site."""

    page: Page
    site: Site
    origin: str
    errors: list[str] = field(default_factory=list)

    async def open(self, content: PageContent, rest: str = "") -> int:
        """Open a page, or something below it; return the status."""
        response = await self.page.goto(self.origin + path_of(content, rest))
        assert response is not None
        return response.status

    async def download(self, button: Locator) -> tuple[str, bytes]:
        """Press a button; return name and bytes of what it saves."""
        async with self.page.expect_download() as downloading:
            await button.click()
        download = await downloading.value
        return download.suggested_filename, Path(await download.path()).read_bytes()

    def link(self, name: str) -> Locator:
        """A link by what it is called."""
        return self.page.get_by_role("link", name=name, exact=True)

    def button(self, name: str) -> Locator:
        """A button by what it is called."""
        return self.page.get_by_role("button", name=name, exact=True)


@asynccontextmanager
async def opened(
    browser: Browser, folder: Path, *, domain: str = "", **options: Any
) -> AsyncIterator[Window]:
    """Show pages to a browser whose clock is that of the site. At the end no page has had an
    error of its own, and none has asked another host.
    """
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    settings = {"viewport": DESKTOP, "locale": "en-GB", "timezone_id": "Asia/Shanghai", **options}
    async with open_site(folder, domain=domain, port=port, origin=origin) as site:
        context = await browser.new_context(**settings)
        await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=origin)
        page = await context.new_page()
        await page.clock.install(time=NOW)
        window = Window(page, site, origin)
        page.on("pageerror", lambda error: window.errors.append(str(error)))
        page.on(
            "console",
            lambda said: window.errors.append(said.text) if "Refused" in said.text else None,
        )
        yield window
        await context.close()
    assert window.errors == []


STATES: Final = (
    "one", "long", "hostile", "once", "five", "sender", "picture", "album", "locked", "wrong",
    "paused", "used-up", "ended", "unknown", "report", "reported",
)  # fmt: skip


async def reach(window: Window, state: str) -> int:
    """Open a page in a state; return the status of its first answer."""
    if state == "unknown":
        response = await window.page.goto(f"{window.origin}/{'A' * 22}")
        return response.status if response is not None else 0
    content = await prepared(window.site, state)
    status = await window.open(content, "/report.pdf" if state == "used-up" else "")
    page = window.page
    if state == "wrong":
        await page.locator("#password").fill("not that one")
        await page.locator("button.main").click()
        await expect(page.locator("#problem")).to_be_visible()
    if state in {"report", "reported"}:
        await page.locator("summary").last.click()
    if state == "reported":
        await page.locator("details button.other").click()
        await expect(page.locator("[role=status]:not([data-status])")).to_be_visible()
    return status


async def prepared(site: Site, state: str) -> PageContent:
    """Make the page of a state."""
    options = options_of(state)
    if state in {"locked", "wrong"}:
        options["password_hash"] = await site.passwords.hash(PASSWORD)
    sizes = (2_300_000, 640_000, 88) if state == "album" else (2_300_000,)
    content = await site.page(*(b"x" * size for size in sizes), **options)
    if state == "used-up":
        await site.ask(path_of(content, "/1/get"), "POST")
    if state == "ended":
        await site.ledger.pages.end_at(content.page.id, {content.files[0].job_id: NOW})
    return content


def options_of(state: str) -> dict[str, Any]:
    """Return how a page is made for a state."""
    made: dict[str, dict[str, Any]] = {
        "long": {"name": LONG},
        "hostile": {"name": HOSTILE},
        "once": {"most_downloads": 1},
        "five": {"most_downloads": 5},
        "sender": {"sender": "Анна Müller 安娜 " + "x" * 48},
        "picture": {"name": "Beach.jpg", "mime_type": "image/jpeg"},
        "paused": {"is_paused": True},
        "used-up": {"most_downloads": 1},
    }
    return made.get(state, {})


EXPECTED: Final = {"paused": 423, "used-up": 410, "ended": 410, "unknown": 404}


@pytest.mark.parametrize("look", LOOKS)
async def test_every_state(browser: Browser, tmp_path: Path, axe: str, look: str) -> None:
    """Axe finds nothing serious, nothing is wider than the screen, and all that can be pressed is
    large enough for a thumb.
    """
    async with opened(browser, tmp_path, **LOOKS[look]) as window:
        for state in STATES:
            status = await reach(window, state)
            assert (state, status) == (state, EXPECTED.get(state, 200))
            if PICTURES:
                name = f"{state}.{look}.png"
                await window.page.screenshot(path=Path(PICTURES) / name, full_page=True)
            assert (state, await faults(window.page, axe)) == (state, [])


async def faults(page: Page, axe: str) -> list[str]:
    """Return what is wrong with a page for people with and without aids."""
    await page.evaluate(axe)
    found = await page.evaluate("async () => (await axe.run()).violations")
    serious = [f"{one['id']}: {one['help']}" for one in found if one["impact"] in SERIOUS]
    wide = await page.evaluate(
        "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    small = await page.evaluate(
        """() => [...document.querySelectorAll("button, summary, input, a.main, a.other")]
            .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 44)
            .map((one) => `small: ${one.textContent}`)"""
    )
    return [*serious, *(["wider than the screen"] if wide else []), *small]


async def test_what_a_person_sees(browser: Browser, tmp_path: Path) -> None:
    """Name, size, kind, SHA-256 to copy, the end in the clock of the reader, counting down, and
    the file.
    """
    async with opened(browser, tmp_path) as window:
        page = window.page
        content = await window.site.page(b"x" * 2048, name="报告.pdf")
        await window.open(content)
        await expect(page.get_by_role("heading", level=1)).to_have_text("报告.pdf")
        await expect(page.locator("main")).to_contain_text("2 KB · PDF")
        await expect(page.locator("time")).to_have_text("25 Nov 2026, 19:55")
        left = page.locator("[data-left]")
        await expect(left).to_have_text(re.compile("23 h 5[45] min left"))
        await page.clock.fast_forward("01:10:00")
        await expect(left).to_have_text(re.compile("22 h 4[45] min left"))
        await window.button("Copy the SHA-256").click()
        await expect(page.locator("[data-status]")).to_have_text("Copied")
        assert await page.evaluate("navigator.clipboard.readText()") == SHA256
        saved = await window.download(window.link("Download 报告.pdf"))

    assert saved == ("报告.pdf", b"x" * 2048)


async def test_wrong_clock(browser: Browser, tmp_path: Path) -> None:
    """The time that is left is right on a device whose clock is days ahead."""
    async with opened(browser, tmp_path) as window:
        await window.page.clock.install(time=NOW + timedelta(days=3))
        await window.open(await window.site.page())
        await window.page.clock.fast_forward("01:10:00")
        left = window.page.locator("[data-left]")
        await expect(left).to_have_text(re.compile("22 h 4[45] min left"))


async def test_end_is_shown_by_itself(browser: Browser, tmp_path: Path) -> None:
    """A page that is open at its end says that it is over, also to a reader who only waits."""
    async with opened(browser, tmp_path) as window:
        await window.open(await window.site.page())
        window.site.clock.advance(timedelta(hours=24))
        await window.page.clock.fast_forward("23:56:00")
        await expect(window.page.get_by_role("heading")).to_have_text("No longer available")


async def test_album(browser: Browser, tmp_path: Path) -> None:
    """A list with a button each, and one link for all."""
    async with opened(browser, tmp_path) as window:
        content = await window.site.page(b"one", b"two", b"three")
        await window.open(content)
        await expect(window.page.get_by_role("heading", level=1)).to_have_text("3 files")
        buttons = window.page.get_by_role("link", name=re.compile("^Download "))
        await expect(buttons).to_have_count(3)
        await window.button("Copy the link").click()
        copied = await window.page.evaluate("navigator.clipboard.readText()")
        _, second = await window.download(buttons.nth(1))

    assert (copied, second) == (window.origin + path_of(content), b"two")


@pytest.mark.parametrize("scripts", ["on", "off"])
async def test_password(browser: Browser, tmp_path: Path, scripts: str) -> None:
    """A wrong one is told, a right one opens the page, and the file comes with it."""
    async with opened(browser, tmp_path, java_script_enabled=scripts == "on") as window:
        page = window.page
        secret = await window.site.passwords.hash(PASSWORD)
        await window.open(await window.site.page(b"secret", password_hash=secret))
        assert "report" not in (await page.content()).replace("/report", "")
        await page.get_by_label("Password").fill("wrong words here now")
        await window.button("Open").click()
        await expect(page.get_by_role("alert")).to_have_text("The password is wrong.")
        await page.get_by_label("Password").fill(PASSWORD.upper())
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("report.pdf")
        saved = await window.download(window.link("Download report.pdf"))

    assert saved == ("report.pdf", b"secret")


async def test_way_back(browser: Browser, tmp_path: Path) -> None:
    """Back from a page that has been opened, and a reload of any answer to a form, ask for the
    page: no form is sent again, and nothing is used up.
    """
    async with opened(browser, tmp_path) as window:
        page = window.page
        secret = await window.site.passwords.hash(PASSWORD)
        content = await window.site.page(password_hash=secret, most_downloads=1)
        await window.open(content)
        await page.get_by_label("Password").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("report.pdf")
        await page.go_back()
        await expect(page.get_by_role("heading", level=1)).to_have_text("report.pdf")
        await page.locator("summary").last.click()
        await window.button("Report").click()
        await expect(page.locator("main")).to_contain_text("The admins have been told")
        await page.reload()
        await expect(page.locator("main")).not_to_contain_text("The admins have been told")
        used = (await window.site.again(content)).files[0].used

    assert used == 0
    assert page.url == window.origin + path_of(content)


@pytest.mark.parametrize("scripts", ["on", "off"])
async def test_once(browser: Browser, tmp_path: Path, scripts: str) -> None:
    """Looking uses up nothing; the button gives the file, and only once."""
    async with opened(browser, tmp_path, java_script_enabled=scripts == "on") as window:
        content = await window.site.page(b"once", most_downloads=1)
        await window.open(content)
        await window.page.reload()
        saved = await window.download(window.button("Download report.pdf"))
        await window.open(content)
        main = window.page.locator("main")
        await expect(main).to_contain_text("Already downloaded as often as the sender allows")
        await expect(window.button("Download report.pdf")).to_have_count(0)

    assert saved == ("report.pdf", b"once")


WECHAT: Final = (
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0"
    " Chrome/126.0 Mobile Safari/537.36 MicroMessenger/8.0.49 NetType/WIFI Language/zh_CN"
)


@pytest.mark.parametrize("inside", [True, False])
async def test_inside_an_app(browser: Browser, tmp_path: Path, inside: bool) -> None:  # noqa: FBT001 -- a parameter.
    """Where downloads fail, the page says so before the button is pressed."""
    agent = {"user_agent": WECHAT} if inside else {}
    look = LOOKS["zh-phone-dark"]
    async with opened(browser, tmp_path, **look, **agent) as window:
        await window.open(await window.site.page(b"once", most_downloads=1))
        hint = window.page.get_by_text("在浏览器打开")
        if PICTURES and inside:
            await window.page.screenshot(path=Path(PICTURES) / "inside.png")
        await expect(hint).to_be_visible(visible=inside)


async def test_two_taps_are_one(browser: Browser, tmp_path: Path) -> None:
    """A second one while the download starts uses up no other; a later one does."""
    async with opened(browser, tmp_path) as window:
        content = await window.site.page(b"bytes", most_downloads=5)
        await window.open(content)
        button = window.button("Download report.pdf")
        saved = [await window.download(button)]
        await expect(window.page.locator("[data-status]")).to_have_text(
            "The download is starting."
        )
        await button.click()
        await window.page.clock.fast_forward("00:11")
        saved.append(await window.download(button))
        used = (await window.site.again(content)).files[0].used

    assert (used, saved) == (2, [("report.pdf", b"bytes")] * 2)


async def test_without_scripts(browser: Browser, tmp_path: Path) -> None:
    """All but the reader's own clock and copying; no button that does nothing."""
    async with opened(browser, tmp_path, java_script_enabled=False) as window:
        await window.open(await window.site.page(b"bytes"))
        main = window.page.locator("main")
        await expect(main).to_contain_text("2026-11-25 11:55 UTC")
        await expect(main).to_contain_text("23 h 55 min left")
        await expect(main.locator("[data-copy]:visible")).to_have_count(0)
        saved = await window.download(window.link("Download report.pdf"))
        await window.page.locator("summary").last.click()
        await window.button("Report").click()
        await expect(main).to_contain_text("The admins have been told")

    assert saved == ("report.pdf", b"bytes")


async def test_keyboard(browser: Browser, tmp_path: Path) -> None:
    """Tab reaches all that can be used, in the order of reading, and the focus is seen."""
    async with opened(browser, tmp_path) as window:
        await window.open(await window.site.page(b"bytes"))
        reached = []
        for _ in range(5):
            await window.page.keyboard.press("Tab")
            focus = window.page.locator(":focus")
            if await focus.count() == 0:
                break
            await expect(focus).not_to_have_css("outline-style", "none")
            reached.append(await focus.evaluate("(one) => one.ariaLabel ?? one.textContent"))
        await window.page.locator("summary").last.focus()
        await window.page.keyboard.press("Enter")
        await window.page.keyboard.press("Tab")
        await window.page.keyboard.press("Enter")
        await expect(window.page.locator("main")).to_contain_text("The admins have been told")

    assert reached[:4] == [
        "Download report.pdf",
        "Copy the SHA-256",
        "For curl, wget and aria2",
        "Report this page",
    ]


async def test_looked_at_in_place(browser: Browser, tmp_path: Path) -> None:
    """With a domain of one's own a picture is shown by the browser, and not saved."""
    content = (HERE.parents[2] / "docs" / "pictures" / "answer.en.png").read_bytes()
    async with opened(browser, tmp_path, domain="http://cdn.localhost:{port}") as window:
        window.site.oss.add_domain("cdn.localhost", BUCKET)
        await window.open(await window.site.page(content, name="a.png", mime_type="image/png"))
        await window.link("View a.png here").click()
        await expect(window.page.locator("img")).to_be_visible()
        width = await window.page.locator("img").evaluate("(one) => one.naturalWidth")

    assert width > 100


async def test_not_looked_at_in_place(browser: Browser, tmp_path: Path) -> None:
    """Without it OSS has the file saved, and the page says so."""
    async with opened(browser, tmp_path) as window:
        await window.open(await window.site.page(name="a.png", mime_type="image/png"))
        await expect(window.page.locator("main")).to_contain_text("Save a file first to view it")
        await expect(window.link("View a.png here")).to_have_count(0)
