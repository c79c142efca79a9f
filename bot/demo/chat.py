"""The demo that a person plays: the bot between both stand-ins, and a chat page in the browser."""

import asyncio
import os
import signal
import sys
import tempfile
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.demo.local_stack import LocalStack
from bot.logs import configure
from bot.sandbox.clock import SandboxClock
from bot.sandbox.telegram import Group, User

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
