"""The chat demo: its people and their rights, and its end."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from bot.demo.local_stack import has_browser, staged
from bot.sandbox.telegram import Chat, User

PATIENCE = 30.0
"""Real seconds until a test says that something did not happen."""


async def test_people_have_different_rights(tmp_path: Path) -> None:
    """The member gets a link in private and in the group, the stranger a notice, and the banned
    person nothing.
    """
    async with staged(tmp_path) as (stage, cast):
        telegram = stage.telegram

        async def answer(where: Chat, person: User, name: str, **more: object) -> str:
            options = {"content": b"123", "name": name, **more}
            sent = await where.send_file(person, **options)  # type: ignore[arg-type] # by keyword.
            await telegram.wait_for(
                lambda: any(m.reply_to == sent.id for m in where.bot_messages), timeout=PATIENCE
            )
            return next(m.html for m in where.bot_messages if m.reply_to == sent.id)

        banned = telegram.private_chat(cast.banned)
        await banned.send_file(cast.banned, content=b"123", name="a.txt")
        private = await answer(telegram.private_chat(cast.member), cast.member, "a.txt")
        topic = next(iter(cast.group.state.topics))
        share = {"caption": "/share", "thread_id": topic}
        shared = await answer(cast.group, cast.member, "b.txt", **share)
        notice = await answer(telegram.private_chat(cast.stranger), cast.stranger, "a.txt")

        assert ("<a href" in private, "<a href" in shared) == (True, True)
        assert str(cast.stranger.id) in notice
        assert banned.bot_messages == []


async def test_ctrl_c(tmp_path: Path) -> None:
    """The command prints the address, serves the page, and ends without a traceback or a file."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "demo", "--chat", "--no-browser"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    address = (await process.stdout.readline()).decode().strip()
    async with aiohttp.ClientSession() as http, http.get(address) as answer:
        page = await answer.text()
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()

    assert "<title>" in page
    assert (process.returncode, err.decode()) == (0, "")
    assert out.decode().splitlines()[-1] == "stopped"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "wayland-0"}, True)],
)
def test_browser(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, expected: bool
) -> None:
    """A browser is opened on a desktop only."""
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert has_browser() is expected
