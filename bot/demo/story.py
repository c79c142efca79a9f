"""The demo with three files: one has its link opened and expires on time, one is deleted by its
owner, one is cancelled halfway.
"""

import asyncio
import hashlib
import os
import shlex
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import aiohttp
from rich.console import Console
from rich.table import Table

from bot.core.files import CLOUD_DOWNLOAD_LIMIT, clean_name, shown_size
from bot.core.jobs import MIB
from bot.demo.local_stack import LocalStack, Screen
from bot.logs import configure
from bot.sandbox.telegram import Chat, Message, User, VisibleMessage


@dataclass
class Checks:
    """A list of measured facts; a line is true only because it was measured."""

    lines: list[tuple[str, str, bool]] = field(default_factory=list)

    def add(self, what: str, measured: object, *, holds: bool) -> None:
        """Record one measurement."""
        self.lines.append((what, str(measured), holds))

    @property
    def all_hold(self) -> bool:
        """Whether every line holds, and there is any."""
        return bool(self.lines) and all(holds for _, _, holds in self.lines)

    def show(self, console: Console) -> None:
        """Print the table of measurements."""
        table = Table(title="What was checked", title_justify="left", show_lines=False)
        table.add_column("check")
        table.add_column("measured", overflow="fold")
        table.add_column("holds")
        for what, measured, holds in self.lines:
            table.add_row(what, measured, "[green]yes[/]" if holds else "[bold red]NO[/]")
        console.print(table)


DEMO_SIZE: Final = 12_000_000
SPEED: Final = 3 * MIB
"""Bytes per second of each half, slow enough to see the status message move."""
LONGEST: Final = 20.0
"""Seconds that one half of a large file may take: it is slowed down less."""
PATIENCE: Final = 90.0
"""Real seconds that the demo waits for an event before it reports that it did not happen."""


@dataclass
class Scene:
    """The objects that every step of the demo uses."""

    stage: LocalStack
    user: User
    chat: Chat
    screen: Screen
    checks: Checks = field(default_factory=Checks)


async def run_demo(
    file: Path | None, console: Console | None = None, *, local: bool = False
) -> int:
    """Run the demo; return 0 if every promise was measured to hold, 1 otherwise. With `local` the
    Bot API server runs in local mode, where files may be larger.

    Raises:
        TimeoutError: what the demo waits for did not happen.
    """
    console = console or Console()
    configure("error", "pretty")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="file-relay-demo-") as name:
        checks = await _play(Path(name), file, console, local=local)
    gone = not await asyncio.to_thread(os.path.lexists, name)
    checks.add("nothing is left on the disk", name, holds=gone)
    console.print()
    checks.show(console)
    console.print(f"{time.monotonic() - started:.1f} s, {len(checks.lines)} checks")
    return 0 if checks.all_hold else 1


async def _play(folder: Path, file: Path | None, console: Console, *, local: bool) -> Checks:
    async with LocalStack(folder, local=local) as stage:
        stage.telegram.shape.down_total = SPEED
        stage.oss.shape.up_total = SPEED
        user = stage.telegram.add_user("You", language_code="en")
        chat = stage.telegram.private_chat(user)
        await stage.start_bot(user.id)
        async with Screen(stage.telegram, chat, console) as screen:
            scene = Scene(stage, user, chat, screen)
            await _greet(scene)
            path = file or _make_file(folder)
            size = await asyncio.to_thread(_size, path)
            _pace(stage, size)
            if size == 0 or (size > CLOUD_DOWNLOAD_LIMIT and not local):
                await be_refused(scene, path, size)
            else:
                await _relay_and_expire(scene, path, size)
            await _delete_now(scene)
            await _cancel_halfway(scene)
        await stage.stop_bot()
        _check_leftovers(scene)
    return scene.checks


def _pace(stage: LocalStack, size: int) -> None:
    """Slow both halves down so that a file of any size takes seconds."""
    speed = max(SPEED, size / LONGEST)
    stage.telegram.shape.down_total = stage.oss.shape.up_total = speed


async def be_refused(scene: Scene, path: Path, size: int) -> None:
    """Send a file that no bot can relay, and say what does with it."""
    shown = shown_size(size)
    scene.screen.say(f"You send {_name(path)}, {shown}. The bot refuses it, as it should:")
    message = await scene.chat.send_file(
        scene.user, content=path, kind="document", name=_name(path)
    )
    answer = await _answer_to(scene, message)
    if size:
        scene.screen.say(
            "Telegram's own server gives files of up to 20 MB to a bot. Larger ones go through a"
            ' Bot API server of your own (telegram.mode = "local"), which the demo has too:'
            f" relay-bot demo --local --file {shlex.quote(str(path))}"
        )
    scene.checks.add(
        "a file that cannot be relayed is refused, with the reason",
        answer.text.splitlines()[-1],
        holds=not any(button.url for row in answer.buttons for button in row),
    )


def _make_file(folder: Path) -> Path:
    path = folder / "Holiday photos 假期.zip"
    path.write_bytes(os.urandom(DEMO_SIZE))
    return path


async def _greet(scene: Scene) -> None:
    await _answer_to(scene, await scene.chat.send_text(scene.user, "/start"))


async def _relay_and_expire(scene: Scene, path: Path, size: int) -> None:
    speed = scene.stage.oss.shape.up_total or SPEED
    scene.screen.say(
        f"You send {_name(path)}; both halves are slowed down to {shown_size(int(speed))}/s."
    )
    started = time.monotonic()
    message = await scene.chat.send_file(
        scene.user, content=path, kind="document", name=_name(path)
    )
    answer = await _answer_to(scene, message)
    seconds = time.monotonic() - started
    slower = size / speed
    # In local mode the server has the whole file before the upload begins.
    if not scene.stage.local_root:
        scene.checks.add(
            "download and upload overlap: time to the link",
            f"{seconds:.1f} s; one half alone takes {slower:.1f} s",
            holds=seconds < 1.6 * slower + 1.5,
        )
    url = _link(answer)
    await _fetch_and_compare(scene, url, path)
    scene.screen.say("You ask for the status.")
    status = await _answer_to(scene, await scene.chat.send_text(scene.user, "/status"))
    scene.checks.add(
        "/status lists the live link",
        _name(path),
        holds=_stored_name(path)[:20] in status.text,
    )
    await move_to_deadline(scene, url, answer)


async def _fetch_and_compare(scene: Scene, url: str, path: Path) -> None:
    ours = await asyncio.to_thread(_digest, path)
    theirs = hashlib.sha256()
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        async for block in answer.content.iter_chunked(MIB):
            theirs.update(block)
        name = answer.content_disposition.filename if answer.content_disposition else None
    scene.screen.say(f"A stranger opens the link and gets {name!r}.")
    scene.checks.add(
        "a stranger's download has the SHA-256 of the file",
        ours[:16] + "…",
        holds=theirs.hexdigest() == ours,
    )
    scene.checks.add(
        "the download has the name of the file",
        name,
        holds=name == _stored_name(path),
    )


async def move_to_deadline(scene: Scene, url: str, answer: VisibleMessage) -> None:
    """Move the clock to the end of a link, then check the link, the bucket, and the answer.

    Raises:
        TimeoutError: the object or the buttons of the answer still exist after `PATIENCE`.
    """
    scene.screen.say("The clock moves on by 23 h 55 min.")
    scene.stage.clock.advance(timedelta(hours=23, minutes=55))
    status = await _status_of(url)
    scene.checks.add(
        "at the deadline OSS refuses the link", f"HTTP {status}", holds=status in {403, 404}
    )
    await scene.stage.oss.wait_for(lambda: not scene.stage.bucket.objects, timeout=PATIENCE)
    scene.checks.add(
        "and the bytes are gone",
        f"{len(scene.stage.bucket.objects)} objects in the bucket",
        holds=not scene.stage.bucket.objects,
    )
    shown = await _wait_for(scene, lambda message: message.id == answer.id and not message.buttons)
    scene.checks.add(
        "the answer says so, its buttons are gone",
        shown.text.splitlines()[-1],
        holds=not shown.buttons,
    )


async def _delete_now(scene: Scene) -> None:
    scene.screen.say('You send a second file and press "Delete now".')
    message = await scene.chat.send_file(
        scene.user, content=os.urandom(300_000), kind="document", name="draft.pdf"
    )
    answer = await _answer_to(scene, message)
    url = _link(answer)
    before = await _status_of(url)
    await scene.chat.press(scene.user, answer, "Delete now")
    await scene.stage.oss.wait_for(lambda: not scene.stage.bucket.objects, timeout=PATIENCE)
    after = await _status_of(url)
    scene.checks.add(
        "after Delete now the link is dead",
        f"HTTP {before}, then {after}",
        holds=before == 200 and after in {403, 404},
    )


async def _cancel_halfway(scene: Scene) -> None:
    scene.screen.say("You send a third file and cancel it halfway.")
    file = await scene.chat.send_file(
        scene.user, content=os.urandom(DEMO_SIZE), kind="document", name="wrong file.bin"
    )
    status_message = await _wait_for(
        scene, lambda message: message.silent and message.reply_to == file.id
    )
    # In local mode the server still fetches the file when the status message appears.
    if not scene.stage.local_root:
        await scene.stage.oss.wait_for(
            lambda: any(len(upload.parts) >= 3 for upload in scene.stage.bucket.uploads.values()),
            timeout=PATIENCE,
        )
    await scene.chat.press(scene.user, status_message, "Cancel")
    await scene.stage.oss.wait_for(lambda: not scene.stage.bucket.uploads, timeout=PATIENCE)
    await _wait_for(
        scene, lambda message: message.id == status_message.id and "ancelled" in message.text
    )
    scene.checks.add(
        "after Cancel no upload and no object is left",
        f"{len(scene.stage.bucket.uploads)} uploads, {len(scene.stage.bucket.objects)} objects",
        holds=not scene.stage.bucket.uploads and not scene.stage.bucket.objects,
    )


def _check_leftovers(scene: Scene) -> None:
    spool = list((scene.stage.folder / "spool").glob("*"))
    scene.checks.add("no spool file is left", f"{len(spool)} files", holds=not spool)
    hits = scene.stage.telegram.flood.hits
    scene.checks.add("no flood limit was hit", f"{hits} times", holds=hits == 0)


async def _answer_to(scene: Scene, asked: Message) -> VisibleMessage:
    """Wait for the message of the bot that replies to another and is no status message."""
    return await _wait_for(
        scene, lambda message: not message.silent and message.reply_to == asked.id
    )


async def _wait_for(scene: Scene, is_wanted: Callable[[VisibleMessage], bool]) -> VisibleMessage:
    """Wait until a message of the bot satisfies `is_wanted`, and return it as it was then.

    Do not wait for a number of messages or edits instead: their number varies.
    """
    found: list[VisibleMessage] = []

    def look() -> bool:
        found[:] = [m for m in scene.chat.messages if m.from_bot and is_wanted(m)]
        return bool(found)

    await scene.stage.telegram.wait_for(look, timeout=PATIENCE)
    return found[0]


def _name(path: Path) -> str:
    """Return the name that a client of Telegram sends: it has no bytes that are not UTF-8."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def _stored_name(path: Path) -> str:
    """Return the name under which the bot stores a file."""
    return clean_name(_name(path), fallback="file")


def _size(path: Path) -> int:
    return path.stat().st_size


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _link(answer: VisibleMessage) -> str:
    return next(button.url for row in answer.buttons for button in row if button.url is not None)


async def _status_of(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status
