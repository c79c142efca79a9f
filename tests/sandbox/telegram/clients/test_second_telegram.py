"""A Telegram by other authors: the command `relay-bot run` at telemelya, both as they are.

What was tried, and who is wrong (the bot: python-telegram-bot 22.8; the documentation: Bot API):

* telemelya 0.2.2 (PyPI) has webhooks only, and its people send texts and photos, no documents. Of
  `setWebhook` it ignores `secret_token`, so its deliveries lack the header
  X-Telegram-Bot-Api-Secret-Token, without which this bot takes none. Here a proxy in front of the
  bot adds the header, as it may in front of any bot; then a photo is relayed.
* telegram-test-api 4.2.1 and its fork @vishtar/telegram-test-api 4.2.3 (npm) have no `getFile`.
  `getMe` lacks `is_bot`, which "User" requires, so that the library cannot read it.
* telegram-bot-unittest 0.4 (PyPI) takes JSON only and answers a form with 415; "Making requests"
  allows four forms of parameters. Its paths are `/<token>/…`, and no `/bot<token>/…`.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
from aiohttp import web

from bot.adapters.telegram.application import webhook_secret
from bot.adapters.web import SECRET_HEADER
from bot.demo.local_stack import LocalStack
from tests.kill.process import relay_bot
from tests.sandbox import environments

HERE = Path(__file__).parent
CONTENT = bytes(range(256)) * 300
TOKEN = "123456789:AAE-telemelya_token_of_a_bot_012345"
CHAT = 77
PATIENCE = 60.0
"""Real seconds that a step may take."""

# An environment is made once, and that may take a while.
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def python() -> Path:
    """Make the environment of telemelya, or skip."""
    try:
        return environments.python(HERE)
    except environments.Unavailable as error:
        pytest.skip(f"telemelya cannot be installed: {error}")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Surroundings:
    """What telemelya needs around it: a store that speaks S3, signatures unread, and the proxy in
    front of the bot, which listens at `bot_port`.
    """

    def __init__(self, bot_port: int) -> None:
        self._bot = f"http://127.0.0.1:{bot_port}/telegram"
        self._objects: dict[str, bytes] = {}

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/telegram", self._pass_on)
        app.router.add_route("*", "/{bucket}", self._bucket)
        app.router.add_put("/{bucket}/{key:.+}", self._put)
        app.router.add_get("/{bucket}/{key:.+}", self._get)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        self._session = aiohttp.ClientSession()
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.Response:
        headers = {
            "Content-Type": "application/json",
            SECRET_HEADER: webhook_secret(TOKEN),
        }
        body = await request.read()
        async with self._session.post(self._bot, data=body, headers=headers) as answer:
            return web.Response(status=answer.status, body=await answer.read())

    async def _bucket(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _put(self, request: web.Request) -> web.Response:
        self._objects[request.match_info["key"]] = await request.read()
        return web.Response(headers={"ETag": '"0"'})

    async def _get(self, request: web.Request) -> web.Response:
        found = self._objects.get(request.match_info["key"])
        return web.Response(status=404) if found is None else web.Response(body=found)


@asynccontextmanager
async def telemelya(python: Path, store: str) -> AsyncIterator[str]:
    """Run telemelya, and return its address."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(str(python), str(HERE / "telemelya_server.py")),
        stdin=pipe,
        stdout=pipe,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin"},
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"store": store}).encode())
        process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


class Person:
    """A person in telemelya's chat."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self._api = f"{address}/api/v1/test"
        self._key = {"Authorization": "Bearer any"}

    async def send_photo(self, content: bytes, name: str) -> dict[str, Any]:
        """Send a photo; return what telemelya says of its delivery."""
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name)
        url = f"{self._api}/upload_media"
        async with self._session.post(url, data=form, headers=self._key) as answer:
            file_id = (await answer.json())["file_id"]
        update = {"chat_id": CHAT, "photo_file_id": file_id}
        url = f"{self._api}/send_update?bot_token={TOKEN}"
        async with self._session.post(url, json=update, headers=self._key) as answer:
            delivery: dict[str, Any] = (await answer.json())["delivery"]
            return delivery

    async def next_call(self) -> dict[str, Any]:
        """Wait for the next call of the bot that shows something."""
        url = f"{self._api}/responses/wait?timeout={int(PATIENCE)}"
        async with self._session.get(url, headers=self._key) as answer:
            call: dict[str, Any] = (await answer.json())["response"]
            return call

    async def link(self) -> str:
        """Wait for a message with a link, and return it."""
        while True:
            call = await self.next_call()
            for row in (call.get("reply_markup") or {}).get("inline_keyboard", []):
                for button in row:
                    if url := button.get("url"):
                        return str(url)


async def test_photo(tmp_path: Path, python: Path) -> None:
    """`relay-bot run` relays a photo that came through telemelya."""
    port = free_port()
    async with (
        Surroundings(port) as around,
        telemelya(python, around.address) as address,
        LocalStack(tmp_path) as stage,
        aiohttp.ClientSession() as session,
    ):
        settings = {
            "RELAY_TELEGRAM__TOKEN": TOKEN,
            "RELAY_TELEGRAM__BASE_URL": address,
            "RELAY_TELEGRAM__WEBHOOK_URL": f"http://{around.address}/telegram",
            "RELAY_WEB__PORT": str(port),
        }
        async with relay_bot(stage, "run", users=(CHAT,), more=settings) as bot:
            await bot.said("webhook set")
            person = Person(session, address)
            delivery = await person.send_photo(CONTENT, "holiday.jpg")
            link = await person.link()
            async with session.get(link) as answer:
                fetched = await answer.read()

    assert delivery["status_code"] == 200
    assert fetched == CONTENT
