"""Both stand-ins and the bot between them, in one process: for the demo, and for tests of whole
conversations; with people in chats, for the page in the browser; and a chat in the terminal.
"""

import asyncio
import os
import signal
import sys
import tempfile
import webbrowser
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from bot.app import serve
from bot.logs import configure
from bot.sandbox.clock import SandboxClock
from bot.sandbox.oss import OssStandIn
from bot.sandbox.telegram import (
    Chat,
    ChatEvent,
    EventKind,
    Group,
    TelegramStandIn,
    User,
    VisibleMessage,
)
from bot.settings import Settings, load

BUCKET = "relay-sandbox"


class LocalStack:
    """Stand-ins for Telegram and for OSS with one bucket, and a bot that can be restarted.

    `more` are further settings as variables (`RELAY_LINK__MODE`); with `local` the Bot API server
    runs in local mode. All files are below `folder`. `telegram_port` 0 takes a free one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: SandboxClock | None = None,
        more: Mapping[str, str] | None = None,
        local: bool = False,
        telegram_port: int = 0,
    ) -> None:
        self.folder = folder
        self.clock = clock or SandboxClock()
        self.local_root = folder / "bot-api" if local else None
        self.telegram = TelegramStandIn(
            folder / "stand-ins",
            clock=self.clock,
            port=telegram_port,
            local_root=self.local_root,
        )
        self.oss = OssStandIn(folder / "stand-ins", clock=self.clock)
        self.more = dict(more or {})
        self._exit = AsyncExitStack()
        self._bot: tuple[asyncio.Task[None], asyncio.Event] | None = None

    async def __aenter__(self) -> Self:
        if self.local_root is not None:
            # As a server does when it starts.
            self.local_root.mkdir(parents=True, exist_ok=True)
        await self._exit.enter_async_context(self.telegram)
        await self._exit.enter_async_context(self.oss)
        self.bucket = self.oss.add_bucket(BUCKET)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.stop_bot()
        finally:
            await self._exit.aclose()

    def variables(self, *users: int) -> dict[str, str]:
        """Return the settings of a bot between these stand-ins, as variables."""
        return {
            "RELAY_TELEGRAM__TOKEN": self.telegram.token,
            "RELAY_TELEGRAM__BASE_URL": self.telegram.base_url.removesuffix("/bot"),
            "RELAY_OSS__BUCKET": BUCKET,
            "RELAY_OSS__REGION": self.oss.region,
            "RELAY_OSS__ENDPOINT": self.oss.endpoint,
            "RELAY_OSS__ACCESS_KEY_ID": self.oss.access_key_id,
            "RELAY_OSS__ACCESS_KEY_SECRET": self.oss.access_key_secret,
            "RELAY_SPOOL__FOLDER": str(self.folder / "spool"),
            "RELAY_LEDGER__PATH": str(self.folder / "relay.sqlite3"),
            "RELAY_SPOOL__KEEP_FREE": "0",
            "RELAY_ACCESS__USERS": ",".join(str(user) for user in users),
            **self._local_variables(),
            **self.more,
        }

    def _local_variables(self) -> dict[str, str]:
        if self.local_root is None:
            return {}
        return {
            "RELAY_TELEGRAM__MODE": "local",
            "RELAY_TELEGRAM__FILE_ROOT": str(self.local_root),
        }

    def settings(self, *users: int) -> Settings:
        """Return the settings of a bot between these stand-ins."""
        return load(None, self.variables(*users))

    async def start_bot(self, *users: int) -> None:
        """Start the bot for these users; return once it listens.

        Raises what `serve` raises before that.
        """
        stop, listening = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(
            serve(
                self.settings(*users),
                stop=stop,
                clock=self.clock,
                ready=lambda _: listening.set(),
            )
        )
        self._bot = (task, stop)
        waiting = asyncio.create_task(listening.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            self._bot = None
            await task

    async def stop_bot(self) -> None:
        """Stop the bot as SIGTERM does, and wait until it has ended; do nothing if none runs.

        Raises the error with which the bot ended.
        """
        if self._bot is None:
            return
        task, stop = self._bot
        self._bot = None
        stop.set()
        await task


PATIENCE: Final = 30.0
"""Real seconds for the bot's answer to the ban."""

TOPICS: Final = ("Holiday", "假期")


@dataclass(frozen=True, slots=True)
class Cast:
    """The people of the chat page, each with other rights, and their group with topics."""

    member: User
    admin: User
    stranger: User
    banned: User
    group: Group


@asynccontextmanager
async def staged(
    folder: Path, *, port: int = 0, clock: SandboxClock | None = None
) -> AsyncIterator[tuple[LocalStack, Cast]]:
    """Run stand-ins and bot with people in a private chat each and in a group; `port` is that of
    the page, 0 takes a free one. All files are below `folder`.

    Raises:
        OSError: the port is taken.
        TimeoutError: the bot does not answer.
    """
    # An end by Ctrl-C cancels what still runs at once.
    more = {"RELAY_STOP__GRACE": "0s", "RELAY_TELEGRAM__REACTIONS": "true"}
    async with LocalStack(folder, clock=clock, more=more, telegram_port=port) as stage:
        # One shape for both, so that the page's switch slows both halves of a transfer.
        stage.oss.shape = stage.telegram.shape
        cast = await _people(stage)
        stage.more["RELAY_ACCESS__ADMINS"] = str(cast.admin.id)
        stage.more["RELAY_ACCESS__GROUPS"] = str(cast.group.id)
        await stage.start_bot(cast.member.id)
        await _ban(stage, cast)
        yield stage, cast


async def _people(stage: LocalStack) -> Cast:
    telegram = stage.telegram
    member = telegram.add_user("Alice", role="member")
    admin = telegram.add_user("Bob", role="admin")
    stranger = telegram.add_user("Carol", role="stranger")
    banned = telegram.add_user("Dave", role="banned")
    # As an admin the bot sees all messages of the group, so `/auto on` can be tried too.
    people = (admin, member, stranger, banned)
    group = telegram.add_group("Friends 朋友", *people, forum=True, bot="administrator")
    for topic in TOPICS:
        await group.add_topic(admin, topic)
    return Cast(member, admin, stranger, banned, group)


async def _ban(stage: LocalStack, cast: Cast) -> None:
    """Ban a person as an admin does, and wait until it is so."""
    chat = stage.telegram.private_chat(cast.admin)
    asked = await chat.send_text(cast.admin, f"/ban {cast.banned.id}")
    await stage.telegram.wait_for(
        lambda: any(message.reply_to == asked.id for message in chat.bot_messages),
        timeout=PATIENCE,
    )


async def run_chat(say: Callable[[str], None], *, port: int = 0, browser: bool = True) -> None:
    """Run until SIGINT or SIGTERM; print the address of the page, and with `browser` open it where
    there is a browser with windows.

    Raises:
        OSError: the port is taken.
    """
    configure("error", "pretty")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        # A second signal does not wait for a clean end.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    with tempfile.TemporaryDirectory(prefix="file-relay-chat-") as name:
        async with staged(Path(name), port=port) as (stage, _):
            say(f"{stage.telegram.page_url}\nCtrl-C ends it; nothing is kept.")
            if browser and has_browser():
                await asyncio.to_thread(webbrowser.open, stage.telegram.page_url)
            await stop.wait()
    say("stopped")


def has_browser() -> bool:
    """Return whether there is a desktop; without one only browsers of a terminal would start, in
    the one that shows the address.
    """
    is_desktop = sys.platform in {"darwin", "win32"}
    return is_desktop or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


class Screen:
    """Shows one chat. On a terminal the status message is redrawn; elsewhere each change is a
    line.
    """

    def __init__(self, telegram: TelegramStandIn, chat: Chat, console: Console) -> None:
        self._telegram = telegram
        self._chat = chat
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._seen = 0
        self._follower: asyncio.Task[None] | None = None

    @property
    def width(self) -> int:
        """The columns of the terminal."""
        return self._console.width

    async def __aenter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        self._follower = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        # After Ctrl-C there is no frame to finish; on a terminal a live frame is erased.
        self._show_new()
        self._live.stop()

    def say(self, text: str) -> None:
        """Print a remark of the demo itself."""
        self._show_new()
        self._console.print(Text(text, style="italic cyan"))

    async def _follow(self) -> None:
        while True:
            await self._telegram.wait_for(
                lambda: len(self._chat.history) > self._seen, timeout=3600
            )
            self._show_new()

    def _show_new(self) -> None:
        history = list(self._chat.history)
        for event in history[self._seen :]:
            self._show(event)
        self._seen = len(history)

    def _show(self, event: ChatEvent) -> None:
        message = event.message
        if not event.by_bot:
            self._console.print(Padding(_bubble(message, "You", "green"), (0, 0, 0, 12)))
        elif message.silent and event.what is not EventKind.DELETED:
            drawing = _bubble(message, "File Relay, status message", "yellow")
            self._draw_status(drawing, is_last=not message.buttons)
        elif event.what is EventKind.DELETED:
            self._draw_status(Text("  (status message removed)", style="dim"))
        else:
            edited = " (edited)" if event.what is EventKind.EDITED else ""
            self._console.print(_bubble(message, f"File Relay{edited}", "blue"))

    def _draw_status(self, drawing: Panel | Text, *, is_last: bool = False) -> None:
        """Draw a status message in place of the one before; its last state, which has no buttons,
        stays.
        """
        if self._console.is_terminal and is_last:
            self._live.update(Text(""), refresh=True)
            self._console.print(drawing)
        elif self._console.is_terminal:
            self._live.update(drawing if isinstance(drawing, Panel) else Text(""), refresh=True)
        else:
            self._console.print(drawing)


def _bubble(message: VisibleMessage, who: str, style: str) -> Panel:
    text = Text(message.text)
    if message.file is not None:
        text = Text(f"[file] {message.file.name or message.file.kind}, {message.file.size} bytes")
    for row in message.buttons:
        text.append("\n" + "  ".join(f"[ {button.text} ]" for button in row), style="bold")
    return Panel(
        text,
        title=f"{who} {message.at:%H:%M:%S}",
        title_align="left",
        border_style=style,
        width=88,
    )
