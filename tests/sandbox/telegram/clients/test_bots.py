"""Bots of libraries that the stand-in was not written for, each as a process of its own: they
poll, download, answer, edit, delete, upload, and read every kind of refusal.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import CallbackAnswer, PrivateChat, TelegramStandIn, User
from tests.sandbox import environments

HERE = Path(__file__).parent
CONTENT = bytes(range(256)) * 400
PATIENCE = 60.0
"""Real seconds that a client may take for one step."""

ERRORS = {
    "same": [
        400,
        "Bad Request: message is not modified: specified new message content and reply markup are"
        " exactly the same as a current content and reply markup of the message",
        None,
    ],
    "flood": [429, "Too Many Requests: retry after 9", 9],
    "long": [400, "Bad Request: message is too long", None],
    "empty": [400, "Bad Request: message text is empty", None],
    "parse": [
        400,
        "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\"",
        None,
    ],
    "button": [400, "Bad Request: BUTTON_DATA_INVALID", None],
    "chat": [400, "Bad Request: chat not found", None],
    "edit": [400, "Bad Request: message to edit not found", None],
    "delete": [400, "Bad Request: message to delete not found", None],
    "query": [
        400,
        "Bad Request: query is too old and response timeout expired or query ID is invalid",
        None,
    ],
    "file": [400, "Bad Request: invalid file_id", None],
    "token": [401, "Unauthorized", None],
    "missing": [404, "Not Found: method not found", None],
}

# An environment is made once, and that may take a while.
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def telebot() -> list[str]:
    """Make the environment of pyTelegramBotAPI, or skip; return the command of its bot."""
    try:
        return [str(environments.python(HERE)), str(HERE / "telebot_client.py")]
    except environments.Unavailable as error:
        pytest.skip(f"the Python client cannot be installed: {error}")


@pytest.fixture(scope="module")
def modules() -> Path:
    """Make the environment of grammY, or skip; return the folder of its modules."""
    try:
        return environments.node_modules(HERE)
    except environments.Unavailable as error:
        pytest.skip(f"the Node client cannot be installed: {error}")


class Client:
    """A running bot of another library; `report` is there after `end`."""

    def __init__(self, process: asyncio.subprocess.Process, job: dict[str, Any]) -> None:
        self._process = process
        self._talking = asyncio.create_task(process.communicate(json.dumps(job).encode()))
        self.report: dict[str, Any] = {}

    async def end(self) -> None:
        """Wait for its end, and read its report."""
        async with asyncio.timeout(PATIENCE):
            out, errors = await self._talking
        assert self._process.returncode == 0, errors.decode()
        self.report = json.loads(out)

    async def close(self) -> None:
        """Kill it if it still runs."""
        if self._process.returncode is None:
            self._process.kill()
        await asyncio.gather(self._talking, return_exceptions=True)


@asynccontextmanager
async def running(tg: TelegramStandIn, *command: str, **job: str) -> AsyncIterator[Client]:
    """Run a client at the stand-in."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, env={"PATH": "/usr/bin:/bin"}
    )
    server = tg.base_url.removesuffix("/bot")
    client = Client(process, {"server": server, "token": tg.token, **job})
    try:
        yield client
    finally:
        await client.close()


async def hold_conversation(tg: TelegramStandIn, chat: PrivateChat, alice: User) -> None:
    """Do as a person what these bots understand, and check what the person sees."""
    document = await chat.send_file(alice, content=CONTENT, name="a ü.bin", caption="It")
    await tg.wait_for(lambda: len(chat.bot_messages) == 1, timeout=PATIENCE)
    answer = chat.bot_messages[0]
    assert (answer.text, answer.reply_to) == (f"{len(CONTENT)} bytes", document.id)
    assert [[button.text for button in row] for row in answer.buttons] == [["Edit"], ["Open"]]

    edit = await chat.press(alice, answer, "Edit")
    await tg.wait_for(lambda: edit.answer is not None, timeout=PATIENCE)
    assert edit.answer == CallbackAnswer("Done", show_alert=True)
    assert chat.bot_messages[0].text == "Edited"

    delete = await chat.press(alice, chat.bot_messages[0], "Delete")
    await tg.wait_for(lambda: delete.answer is not None and not chat.bot_messages)

    await chat.send_file(alice, content=CONTENT[:5000], kind="photo")
    await chat.send_album(alice, [b"one", b"two"], names=["1.txt", "2.txt"], caption="Album")
    await chat.send_text(alice, "/upload")
    await tg.wait_for(lambda: len(chat.bot_messages) == 5, timeout=PATIENCE)

    tg.faults.add(
        Fault("sendMessage", Effect.ERROR, where={"text": "flooded"}, args={"retry_after": 9})
    )
    await chat.send_text(alice, "/errors")
    await tg.wait_for(lambda: chat.bot_messages[-1].text == "done", timeout=PATIENCE)
    await chat.send_text(alice, "/stop")


def check(report: dict[str, Any], tg: TelegramStandIn) -> None:
    """Compare what the bot says of the conversation with what happened."""

    def file(
        kind: str, name: str | None, content: bytes, caption: str | None = None
    ) -> list[object]:
        return [kind, name, len(content), hashlib.sha256(content).hexdigest(), caption]

    assert report["me"] == tg.username
    assert report["files"] == [
        file("document", "a ü.bin", CONTENT, "It"),
        file("photo", None, CONTENT[:5000]),
        file("document", "1.txt", b"one", "Album"),
        file("document", "2.txt", b"two"),
    ]
    assert report["presses"] == [
        ["edit", f"{len(CONTENT)} bytes", "Alice"],
        ["delete", "Edited", "Alice"],
    ]
    assert report["sent"] == ["up ü.bin", True, 2, True]
    assert report["errors"] == ERRORS


async def test_grammy(tg: TelegramStandIn, chat: PrivateChat, alice: User, modules: Path) -> None:
    """A bot of grammY, which sends JSON, and file names without quotes; it confirms at its end."""
    script = str(HERE / "grammy_client.cjs")
    async with running(tg, "node", script, modules=str(modules)) as client:
        await hold_conversation(tg, chat, alice)
        await client.end()

    check(client.report, tg)
    assert tg.world.updates.waiting == []


async def test_py_telegram_bot_api(
    tg: TelegramStandIn, chat: PrivateChat, alice: User, telebot: list[str]
) -> None:
    """A bot of pyTelegramBotAPI, which writes parameters into the query."""
    async with running(tg, *telebot) as client:
        await hold_conversation(tg, chat, alice)
        await client.end()

    check(client.report, tg)
