"""The chat page in a real browser: Debian's Chromium, driven by Playwright."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    ConsoleMessage,
    FilePayload,
    Locator,
    Page,
    async_playwright,
    expect,
)

from bot.demo.local_stack import Cast, LocalStack, staged
from bot.sandbox.telegram import FloodMode
from tests.tools.pictures import ARGUMENTS, CHROMIUM

PATIENCE = 30.0
"""Real seconds until a test says that something did not happen."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
]
expect.set_options(timeout=PATIENCE * 1000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests; each has a context of its own in it."""
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS])
        yield found
        await found.close()


@dataclass
class Window:
    """The page of a running sandbox, as a person uses it."""

    page: Page
    stage: LocalStack
    cast: Cast
    errors: list[str]

    @property
    def log(self) -> Locator:
        """All messages of the open chat."""
        return self.page.get_by_role("log")

    @property
    def answers(self) -> Locator:
        """The messages that are not the speaker's own."""
        return self.page.locator(".message:not(.own)")

    @property
    def field(self) -> Locator:
        """The field for a message."""
        return self.page.locator("#text")

    @property
    def commands(self) -> Locator:
        """The commands that complete what was typed."""
        return self.page.get_by_role("listbox", name="Commands").get_by_role("option")

    async def choose(self, label: str, option: str) -> None:
        """Choose an option of a switch, and wait until the server says so."""
        await self.page.get_by_label(label, exact=True).select_option(option)
        await expect(self.page.get_by_label(label, exact=True)).to_have_value(option)

    async def send(self, *files: FilePayload, caption: str = "") -> None:
        """Attach files and press Enter in the field."""
        await self.page.locator("#files").set_input_files([*files])
        await self.field.fill(caption)
        await self.field.press("Escape")
        await self.field.press("Enter")

    async def walk_to(self, wanted: Locator) -> None:
        """Go back by the keyboard until the focus is there; on the way it must be seen."""
        while not await wanted.evaluate("(element) => element === document.activeElement"):
            await self.page.keyboard.press("Shift+Tab")
            await expect(self.page.locator(":focus")).not_to_have_css("outline-style", "none")

    async def link(self) -> str:
        """Wait for an answer with a link and return the link."""
        opens = self.answers.locator(".keyboard a").last
        found = await opens.get_attribute("href", timeout=PATIENCE * 1000)
        assert found is not None
        return found


def file(size: int, name: str = "a.bin") -> FilePayload:
    """Return a file of random bytes as an input takes it."""
    return {"name": name, "mimeType": "application/octet-stream", "buffer": os.urandom(size)}


async def status_of(url: str) -> int:
    """Return the HTTP status of a link."""
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status


@asynccontextmanager
async def opened(browser: Browser, folder: Path, **options: Any) -> AsyncIterator[Window]:
    """Run the sandbox and open its page; the browser must report no error on it."""
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(message.text)

    settings = {"viewport": {"width": 1100, "height": 760}, "locale": "en-GB", **options}
    async with staged(folder) as (stage, cast):
        context = await browser.new_context(**settings)
        page = await context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        # Choosers are intercepted while there is a listener, and from some moment after it was
        # added: one added right before the key press comes too late on a busy machine.
        page.on("filechooser", lambda _: None)
        await page.goto(stage.telegram.page_url)
        await expect(page.locator("#speakers input")).to_have_count(4)
        yield Window(page, stage, cast, errors)
        await context.close()
    assert errors == []


async def test_text(browser: Browser, tmp_path: Path) -> None:
    """A text is sent, answered and announced; a message shows no markup of the sender."""
    async with opened(browser, tmp_path) as window:
        await window.page.get_by_role("button", name="Start", exact=True).click()
        await expect(window.answers).to_contain_text("Send me a file")
        await expect(window.page.locator("#announcer")).to_contain_text("Send me a file")
        await window.field.fill("<img src=x onerror=alert(1)> https://example.com/a?b=1.")
        await window.field.press("Enter")
        own = window.page.locator(".message.own").last
        await expect(own).to_contain_text("<img src=x onerror=alert(1)>")
        link = own.get_by_role("link")
        await expect(link).to_have_attribute("href", "https://example.com/a?b=1")
        await expect(link).to_have_attribute("rel", "noopener noreferrer")


async def test_progress_and_download(browser: Browser, tmp_path: Path) -> None:
    """The status message moves while a file is sent over slow lines; the link downloads the same
    bytes in a tab of its own.
    """
    async with opened(browser, tmp_path) as window:
        sent = file(900_000, "Holiday 假期.bin")
        await window.choose("Lines", "slow")
        await window.send(sent, caption="for you")
        status = window.answers.filter(has_text="%")
        await expect(status).to_be_visible()
        first = await status.inner_text()
        window.stage.clock.advance(timedelta(seconds=5))
        await expect(status).not_to_have_text(first, use_inner_text=True)
        await window.choose("Lines", "fast")
        link = window.answers.locator(".keyboard a")
        await expect(link).to_have_attribute("target", "_blank")
        async with window.page.expect_download(timeout=PATIENCE * 1000) as downloading:
            await link.click()
        download = await downloading.value
        content = Path(await download.path()).read_bytes()

        assert content == sent["buffer"]
        assert download.suggested_filename == "Holiday 假期.bin"
        assert window.page.url == window.stage.telegram.page_url


async def test_cancel(browser: Browser, tmp_path: Path) -> None:
    """Cancel ends a transfer, and nothing of it is kept."""
    async with opened(browser, tmp_path) as window:
        await window.choose("Lines", "slow")
        await window.send(file(3_000_000))
        await window.answers.get_by_role("button", name="Cancel", exact=True).click()
        await expect(window.log).to_contain_text("Cancelled")
        bucket = window.stage.bucket
        await window.stage.oss.wait_for(
            lambda: not bucket.objects and not bucket.uploads, timeout=PATIENCE
        )


async def test_album(browser: Browser, tmp_path: Path) -> None:
    """Two files that are dropped at once are an album with a caption and get one answer."""
    async with opened(browser, tmp_path) as window:
        dropped = await window.page.evaluate_handle(
            """() => {
                const data = new DataTransfer();
                data.items.add(new File(["one"], "a.txt"));
                data.items.add(new File(["two"], "b.txt"));
                return data;
            }"""
        )
        await window.page.dispatch_event("#log", "dragover", {"dataTransfer": dropped})
        await expect(window.page.get_by_text("Drop files here")).to_be_visible()
        await window.page.dispatch_event("#log", "drop", {"dataTransfer": dropped})
        await expect(window.page.locator("#staged li")).to_have_count(2)
        await window.page.keyboard.type("both")
        await window.page.keyboard.press("Enter")
        await expect(window.answers.filter(has_text="a.txt")).to_contain_text("b.txt")
        chat = window.stage.telegram.private_chat(window.cast.member)
        albums = {message.media_group_id for message in chat.state.messages.values()} - {None}
        await expect(window.page.locator(".message.own")).to_have_count(2)

        assert len(albums) == 1


async def test_group_with_topics(browser: Browser, tmp_path: Path) -> None:
    """What a person shares in a topic is answered there, and another topic shows that it is not
    its own.
    """
    async with opened(browser, tmp_path) as window:
        await window.page.get_by_role("button", name="# Holiday").click()
        await window.send(file(3, "b.txt"))
        await window.page.get_by_role("radio", name="Bob").check()
        await window.page.locator(".message", has_text="b.txt").hover()
        await window.page.get_by_role("button", name="Reply", exact=True).first.click()
        await window.field.fill("/sh")
        await expect(window.commands.first).to_contain_text("/share")
        await window.field.press("Enter")
        await expect(window.answers.filter(has_text="SHA-256")).to_be_visible()
        await expect(window.answers.filter(has_text="SHA-256")).to_contain_text("File Relay")
        await window.page.get_by_role("button", name="# 假期").click()
        await expect(window.page.get_by_text("No messages yet.")).to_be_visible()
        shared = window.cast.group.bot_messages[-1]

        assert shared.thread_id == next(iter(window.cast.group.state.topics))


async def test_delete_now(browser: Browser, tmp_path: Path) -> None:
    """Delete now ends the link: the answer says so, and so does OSS."""
    async with opened(browser, tmp_path) as window:
        await window.send(file(300))
        link = await window.link()
        before = await status_of(link)
        await window.page.get_by_role("button", name="Delete now").click()
        await expect(window.log).to_contain_text("Deleted: the link and the file no longer exist.")
        await expect(window.page.get_by_role("button", name="Delete now")).to_have_count(0)
        await window.stage.oss.wait_for(lambda: not window.stage.bucket.objects, timeout=PATIENCE)

        assert (before, await status_of(link) in {403, 404}) == (200, True)


async def test_end_of_a_link(browser: Browser, tmp_path: Path) -> None:
    """A link ends when the clock of the page is moved on by a day."""
    async with opened(browser, tmp_path) as window:
        await window.send(file(300))
        link = await window.link()
        before = await window.page.locator("#clock").inner_text()
        await window.page.get_by_role("button", name="Move the clock on by 24 h").click()
        await expect(window.log).to_contain_text("The link has expired and the file is deleted.")
        after = await window.page.locator("#clock").inner_text()

        assert await status_of(link) in {403, 404}
        assert after > before


async def test_keyboard_only(browser: Browser, tmp_path: Path) -> None:
    """A file is sent and deleted by the keyboard alone, and the focus is always seen."""
    async with opened(browser, tmp_path) as window:
        press = window.page.keyboard.press
        await press("Tab")
        await press("Enter")
        await expect(window.field).to_be_focused()
        await press("Shift+Tab")
        async with window.page.expect_file_chooser() as choosing:
            await press("Enter")
        await (await choosing.value).set_files([file(3)])
        await expect(window.field).to_be_focused()
        await press("Enter")
        await window.link()
        await window.walk_to(window.page.get_by_role("button", name="Delete now"))
        await press("Enter")
        await expect(window.log).to_contain_text("Deleted: the link and the file no longer exist.")
        await expect(window.page.locator(".message:focus")).to_contain_text("Deleted")


async def test_focus_stays(browser: Browser, tmp_path: Path) -> None:
    """A command is completed by the keyboard; the focus stays on a button when its message
    changes.
    """
    async with opened(browser, tmp_path) as window:
        press = window.page.keyboard.press
        await window.send(file(3))
        await window.link()
        await window.page.keyboard.type("/s")
        await expect(window.commands.first).to_be_visible()
        await press("ArrowUp")
        await press("ArrowDown")
        await press("Enter")
        refresh = window.page.get_by_role("button", name="Refresh")
        await expect(refresh).to_be_visible()
        await window.walk_to(refresh)
        window.stage.clock.advance(timedelta(minutes=2))
        await press("Enter")
        await expect(window.page.locator(".meta", has_text="edited")).to_be_visible()
        await expect(refresh).to_be_focused()


async def test_speakers_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    """The arrow keys choose who speaks, and the chat of that person is shown."""
    async with opened(browser, tmp_path) as window:
        press = window.page.keyboard.press
        await window.walk_to(window.page.get_by_role("radio", name="Alice"))
        await press("ArrowDown")
        await expect(window.page.get_by_role("radio", name="Bob")).to_be_focused()
        await expect(window.page.get_by_role("radio", name="Bob")).to_be_checked()
        await expect(window.log).to_contain_text(f"/ban {window.cast.banned.id}")


async def test_other_people(browser: Browser, tmp_path: Path) -> None:
    """A stranger gets a notice, a banned person nothing, and flood control is switched."""
    async with opened(browser, tmp_path) as window:
        await window.page.get_by_role("radio", name="Dave").check()
        await window.send(file(3, "banned.txt"))
        await window.page.get_by_role("radio", name="Carol").check()
        await window.send(file(3, "stranger.txt"))
        await expect(window.answers).to_contain_text(str(window.cast.stranger.id))
        telegram = window.stage.telegram
        await window.choose("Flood control", "refuse")
        await telegram.wait_for(lambda: telegram.flood.mode is FloodMode.REFUSE)
        await window.choose("Flood control", "delay")
        await telegram.wait_for(lambda: telegram.flood.mode is FloodMode.DELAY)
        await window.page.get_by_role("radio", name="Dave").check()
        await expect(window.log).to_contain_text("banned.txt")
        await expect(window.answers).to_have_count(0)


async def test_copy(browser: Browser, tmp_path: Path) -> None:
    """A tap on the link in the answer copies it, and so does Enter."""
    rights = ["clipboard-read", "clipboard-write"]
    async with opened(browser, tmp_path, permissions=rights) as window:
        await window.send(file(3))
        link = await window.link()
        written = window.answers.get_by_role("button", name="http://")
        await written.click()
        await expect(window.page.get_by_text("Copied")).to_be_visible()
        clicked = await window.page.evaluate("() => navigator.clipboard.readText()")
        await window.answers.get_by_role("button", name=re.compile("^[0-9a-f]{64}$")).press(
            "Enter"
        )
        await expect(window.page.get_by_text("Copied")).to_have_count(2)
        pressed = await window.page.evaluate("() => navigator.clipboard.readText()")

        assert clicked == link
        assert re.fullmatch("[0-9a-f]{64}", pressed)


async def test_outage(browser: Browser, tmp_path: Path) -> None:
    """A page says that the sandbox is gone, and shows everything again when it is back."""
    async with opened(browser, tmp_path) as window:
        lost = window.page.get_by_role("alert")
        await window.stage.telegram.stop()
        await expect(lost).to_be_visible()
        await window.stage.telegram.start()
        await expect(lost).to_be_hidden()
        await window.field.fill("/help")
        await window.field.press("Escape")
        await window.field.press("Enter")
        await expect(window.answers).to_be_visible()
        # The browser reports the connections that it could not make.
        window.errors.clear()


async def test_narrow(browser: Browser, tmp_path: Path) -> None:
    """At 360 pixels the chats are a drawer, and nothing is wider than the window."""
    size = {"width": 360, "height": 640}
    async with opened(browser, tmp_path, viewport=size) as window:
        page, drawer = window.page, window.page.locator("#drawer")
        await expect(drawer).to_be_hidden()
        await window.send(file(300, "a-name-without-a-space-" * 8 + ".bin"))
        await window.link()
        width = await page.evaluate("() => document.documentElement.scrollWidth")
        inner = await page.evaluate("() => document.getElementById('log').scrollWidth")
        await page.get_by_role("button", name="Chats and sandbox").click()
        await expect(drawer).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(drawer).to_be_hidden()
        await expect(page.get_by_role("button", name="Chats and sandbox")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="# Holiday").click()
        await expect(drawer).to_be_hidden()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Holiday")

        assert (width, inner <= 360) == (360, True)


async def test_dark_and_chinese(browser: Browser, tmp_path: Path) -> None:
    """Colours follow the system, the language that of the browser, and the bot's that of the
    page.
    """
    async with opened(browser, tmp_path, color_scheme="dark", locale="zh-CN") as window:
        await expect(window.page.locator("body")).to_have_css(
            "background-color", "rgb(14, 22, 33)"
        )
        await expect(window.page.locator("html")).to_have_attribute("lang", "zh-Hans")
        await window.page.get_by_role("button", name="开始").click()
        await expect(window.answers).to_contain_text("链接")
        await window.page.emulate_media(color_scheme="light")
        body = window.page.locator("body")
        await expect(body).to_have_css("background-color", "rgb(223, 231, 238)")
        await window.page.locator("#language").select_option("en")
        await window.field.fill("/help")
        await window.field.press("Escape")
        await window.field.press("Enter")
        await expect(window.answers).to_have_count(2)
        await expect(window.answers.last).to_contain_text("link")
