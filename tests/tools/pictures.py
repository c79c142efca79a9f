"""`python -m tests.tools.pictures [--folder docs/pictures]`: the pictures of the README.

Debian's Chromium takes them from the chat page of `make chat`, with the bot behind it: what they
show, the bot said. Names, sizes, people and the start of the clock are fixed; the random part of a
link, its signature, the port and the seconds differ each time.
"""

import argparse
import asyncio
import random
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from playwright.async_api import (
    Browser,
    FilePayload,
    Locator,
    Page,
    ViewportSize,
    async_playwright,
    expect,
)

from bot.demo.local_stack import Cast, LocalStack, staged
from bot.logs import configure
from bot.sandbox.clock import SandboxClock
from bot.sandbox.server import LOOPBACK
from bot.sandbox.shaping import Shape
from tests.tools.sources import ROOT

FOLDER: Final = ROOT / "docs" / "pictures"
SUBJECTS: Final = ("progress", "answer", "group", "status", "options", "page")
START: Final = datetime(2026, 11, 28, 14, 20, tzinfo=UTC)
LARGEST: Final = 150_000
"""Bytes of a picture, so that a README with all of them opens at once."""

CHROMIUM: Final = shutil.which("chromium")
ARGUMENTS: Final = (
    # A container has no sandbox for root, and pictures need no network but loopback.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HEIGHTS: Final = (420, 720)
"""The least and the greatest height of a window, in pixels of CSS."""
HIDDEN: Final = """() => {
    const log = document.getElementById("log");
    return log.scrollHeight - log.clientHeight;
}"""
"""The height of what a window cannot show of the chat."""
PATIENCE: Final = 60_000
"""Milliseconds until a message that does not come is an error."""

MEDIUM: Final = Shape(latency=0.05, up_total=1.5e6, down_total=1.5e6)
SLOW: Final = Shape(latency=0.05, up_total=4e5, down_total=4e5)


@dataclass(frozen=True, slots=True)
class Language:
    """What the people send in one language; `code` ends the names of the pictures."""

    code: str
    locale: str
    topic: str
    photos: str
    report: str
    video: str


LANGUAGES: Final = (
    Language("en", "en-GB", "Holiday", "Holiday photos.zip", "Itinerary.pdf", "Beach.mp4"),
    Language("zh-Hans", "zh-CN", "假期", "假期照片.zip", "行程.pdf", "海滩.mp4"),
)


def paths(folder: Path = FOLDER) -> list[Path]:
    """Return the path of every picture."""
    return [folder / f"{what}.{one.code}.png" for one in LANGUAGES for what in SUBJECTS]


@dataclass
class Studio:
    """The page of a running sandbox in one language, and where its pictures go."""

    page: Page
    stage: LocalStack
    cast: Cast
    language: Language
    folder: Path

    @property
    def answers(self) -> Locator:
        """The messages of others than the speaker."""
        return self.page.locator(".message:not(.own)")

    def lines(self, shape: Shape) -> None:
        """Set the rates of both stand-ins."""
        self.stage.oss.shape = self.stage.telegram.shape = shape

    async def type(self, text: str) -> None:
        """Send a text."""
        await self.page.locator("#text").fill(text)
        await self.page.locator("#text").press("Enter")

    async def send(self, name: str, size: int, text: str = "") -> None:
        """Send a file with fixed bytes; `size` in bytes, `text` is its caption."""
        await self.page.locator("#files").set_input_files([_payload(name, size)])
        await self.type(text)

    async def send_album(self, *files: tuple[str, int]) -> None:
        """Send files by name and size as one album."""
        payloads = [_payload(name, size) for name, size in files]
        await self.page.locator("#files").set_input_files(payloads)
        await self.type("")

    async def take(self, subject: str) -> None:
        """Take a picture of the end of the chat, in a window that is as high as it needs."""
        path = self.folder / f"{subject}.{self.language.code}.png"
        size = self.page.viewport_size
        assert size is not None
        await self.page.set_viewport_size({**size, "height": HEIGHTS[0]})
        more = await self.page.evaluate(HIDDEN)
        await self.page.set_viewport_size({**size, "height": min(HEIGHTS[0] + more, HEIGHTS[1])})
        await self.page.mouse.move(0, 0)
        await self.page.evaluate("() => document.getElementById('log').scrollTo(0, 1e6)")
        await self.page.screenshot(path=path, animations="disabled", caret="hide")


def _payload(name: str, size: int) -> FilePayload:
    content = random.Random(name).randbytes(size)  # noqa: S311 # Not a secret.
    kind = "application/pdf" if name.endswith(".pdf") else "application/octet-stream"
    return {"name": name, "mimeType": kind, "buffer": content}


async def take_private(studio: Studio) -> None:
    """Take a transfer in progress and its answer."""
    studio.lines(MEDIUM)
    await studio.send(studio.language.photos, 13_000_000)
    status = studio.answers.filter(has_text=re.compile(r"\b[2-8]\d%"))
    await status.wait_for()
    await studio.take("progress")
    studio.lines(Shape())
    await studio.answers.filter(has_text="SHA-256").wait_for()
    await studio.page.locator(".own .reactions", has_text="👍").wait_for()
    await studio.take("answer")


async def take_status(studio: Studio) -> None:
    """Take the list of two running transfers, one that waits, and a live link."""
    studio.lines(SLOW)
    await studio.send(studio.language.video, 9_000_000)
    await studio.answers.filter(has_text=re.compile(r"\b[1-5]\d%")).wait_for()
    await studio.send(studio.language.report, 6_000_000)
    await studio.page.locator(".own", has_text=studio.language.report).wait_for()
    await studio.answers.filter(has_text=studio.language.report).wait_for()
    await studio.type("/status")
    await studio.answers.get_by_role("button", name=re.compile("Refresh|刷新")).wait_for()
    await studio.take("status")
    studio.lines(Shape())


async def take_group(studio: Studio) -> None:
    """Take a topic of the group: a file, a reply to it with /share, and the answer."""
    page, words = studio.page, studio.language
    await page.get_by_role("button", name=f"# {words.topic}").click()
    await page.locator("#speakers label", has_text="Bob").click()
    await studio.send(words.report, 2_400_000)
    file = page.locator(".message", has_text=words.report)
    await file.wait_for()
    await page.locator("#speakers label", has_text="Alice").click()
    await file.hover()
    await file.locator("[data-key='reply']").click()
    await studio.type(f"/share@{studio.stage.telegram.username}")
    await studio.answers.filter(has_text="SHA-256").wait_for()
    await studio.take("group")


async def take_page(studio: Studio) -> None:
    """Take the options of an answer whose link is a page, and the page itself."""
    page, words = studio.page, studio.language
    await studio.send_album((words.photos, 5_300_000), (words.report, 2_400_000))
    answer = studio.answers.filter(has_text="SHA-256").last
    await answer.get_by_role("button", name=re.compile("Options|选项")).click()
    await answer.get_by_role("button", name=re.compile("Password|密码")).wait_for()
    await studio.take("options")
    await answer.get_by_role("button", name=re.compile("Back|返回")).click()
    async with page.context.expect_page() as opening:
        await answer.locator(".keyboard a").first.click()
    opened = await opening.value
    await opened.set_viewport_size({"width": 500, "height": HEIGHTS[1]})
    await opened.get_by_role("heading", level=1).wait_for()
    path = studio.folder / f"page.{words.code}.png"
    await opened.screenshot(path=path, animations="disabled", caret="hide", full_page=True)


async def start_again(stage: LocalStack, cast: Cast, mode: str) -> None:
    """Start the bot anew with another mode of links: those of "public" and "page" are short."""
    await stage.stop_bot()
    stage.more["RELAY_LINK__MODE"] = mode
    if mode == "page":
        port = str(free_port())
        stage.more |= {"RELAY_WEB__PORT": port, "RELAY_WEB__URL": f"http://{LOOPBACK}:{port}"}
    await stage.start_bot(cast.member.id)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server((LOOPBACK, 0)) as server:
        port: int = server.getsockname()[1]
        return port


@asynccontextmanager
async def studio(
    browser: Browser, language: Language, folder: Path, *, is_wide: bool, mode: str = "signed"
) -> AsyncIterator[Studio]:
    """Run the sandbox with the bot and open its page, as wide as a phone's or a desktop's; `mode`
    is that of the links.
    """
    size: ViewportSize = {"width": 940 if is_wide else 500, "height": HEIGHTS[0]}
    with TemporaryDirectory(prefix="file-relay-pictures-") as state:
        async with staged(Path(state), clock=SandboxClock(START)) as (stage, cast):
            if mode != "signed":
                await start_again(stage, cast, mode)
            context = await browser.new_context(
                viewport=size,
                locale=language.locale,
                device_scale_factor=1 if is_wide else 1.25,
                reduced_motion="reduce",
            )
            context.set_default_timeout(PATIENCE)
            page = await context.new_page()
            await page.goto(stage.telegram.page_url)
            await expect(page.locator("#speakers input")).to_have_count(4)
            yield Studio(page, stage, cast, language, folder)
            await context.close()


async def take_all(folder: Path) -> None:
    """Take every picture; `folder` is made if it is not there.

    Raises:
        playwright.async_api.Error: there is no browser, or the page did not show what a picture is
            of.
    """
    folder.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS])
        for language in LANGUAGES:
            async with studio(browser, language, folder, is_wide=False) as narrow:
                await take_private(narrow)
                await take_status(narrow)
            async with studio(browser, language, folder, is_wide=True, mode="public") as wide:
                await take_group(wide)
            async with studio(browser, language, folder, is_wide=False, mode="page") as paged:
                await take_page(paged)
        await browser.close()


def main(arguments: list[str]) -> int:
    """Take the pictures and print their sizes; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.pictures")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go")
    folder: Path = parser.parse_args(arguments).folder
    if CHROMIUM is None:
        sys.stderr.write("chromium is not here: apt-get install chromium fonts-noto-cjk\n")
        return 1
    configure("error", "pretty")
    asyncio.run(take_all(folder))
    for path in paths(folder):
        sys.stdout.write(f"{path}: {path.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
