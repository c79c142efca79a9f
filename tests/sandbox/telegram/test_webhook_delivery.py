"""Webhooks: what is delivered, in which order, and how often."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from bot.sandbox.faults import Effect, Fault
from bot.sandbox.request_log import RequestLog
from bot.sandbox.telegram import PrivateChat, TelegramStandIn, User
from tests.sandbox.telegram.conftest import Call

SECRET = "S-e_cret"


class Hook:
    """A webhook that remembers what it got; `answer` decides what it says."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[], web.Response] = web.Response
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""
        self.log = RequestLog()

    async def handle(self, request: web.Request) -> web.Response:
        """Take an update, wait while the gate is shut, and answer."""
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        await self.log.touch()
        await self.gate.wait()
        return self.answer()

    @property
    def texts(self) -> list[str]:
        """Return the texts of what came, in order."""
        return [body["message"]["text"] for body in self.bodies]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """A running webhook."""
    found = Hook()
    app = web.Application()
    app.router.add_post("/hook", found.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield found
    await runner.cleanup()


async def test_delivered_with_secret(
    tg: TelegramStandIn, call: Call, chat: PrivateChat, alice: User, hook: Hook
) -> None:
    """What waited comes first, then what is new; each once, with secret and content type."""
    await chat.send_text(alice, "before")
    await call("setWebhook", url=hook.url, secret_token=SECRET, max_connections=5)
    await chat.send_text(alice, "after")
    await tg.wait_for(lambda: len(tg.deliveries.log) == 2)
    info = (await call("getWebhookInfo"))["result"]

    assert hook.texts == ["before", "after"]
    assert hook.headers[0]["X-Telegram-Bot-Api-Secret-Token"] == SECRET
    assert hook.headers[0]["Content-Type"] == "application/json"
    assert (hook.url, 0, 5) == (
        info["url"],
        info["pending_update_count"],
        info["max_connections"],
    )


async def test_order_per_chat(
    tg: TelegramStandIn, call: Call, chat: PrivateChat, alice: User, hook: Hook
) -> None:
    """The next update of a chat waits for the answer to the last; other chats do not."""
    bob = tg.add_user("Bob")
    await call("setWebhook", url=hook.url)
    hook.gate.clear()
    await chat.send_text(alice, "one")
    await chat.send_text(alice, "two")
    await tg.private_chat(bob).send_text(bob, "bob's")
    await hook.log.wait_for(lambda: len(hook.bodies) == 2)
    first = sorted(hook.texts)
    hook.gate.set()
    await tg.wait_for(lambda: len(tg.deliveries.log) == 3)

    assert first == ["bob's", "one"]
    assert hook.texts[-1] == "two"


async def test_repeated_until_answered(
    tg: TelegramStandIn, call: Call, chat: PrivateChat, alice: User, hook: Hook
) -> None:
    """After a failure once more at once, then after 2, 4, 8 … seconds; the failure is told."""
    hook.answer = lambda: web.Response(status=503)
    await call("setWebhook", url=hook.url)
    await chat.send_text(alice, "x")
    await tg.wait_for(lambda: len(tg.deliveries.log) == 2)
    for seconds in (2, 4):
        count = len(tg.deliveries.log)
        tg.clock.advance(timedelta(seconds=seconds))
        await tg.wait_for(lambda count=count: len(tg.deliveries.log) > count)  # type: ignore[misc] # a bound default.
    info = (await call("getWebhookInfo"))["result"]
    hook.answer = web.Response
    tg.clock.advance(timedelta(seconds=8))
    await tg.wait_for(lambda: not tg.world.updates.waiting)

    assert [item.status for item in tg.deliveries.log] == [503, 503, 503, 503, 200]
    assert [item.attempt for item in tg.deliveries.log] == [1, 2, 3, 4, 5]
    assert info["last_error_message"] == "Wrong response from the webhook: 503 Service Unavailable"


async def test_pause_that_is_asked_for(
    tg: TelegramStandIn, call: Call, chat: PrivateChat, alice: User, hook: Hook
) -> None:
    """A webhook that asks for a pause gets it."""
    hook.answer = lambda: web.Response(status=503, headers={"Retry-After": "100"})
    await call("setWebhook", url=hook.url)
    await chat.send_text(alice, "x")
    await tg.wait_for(lambda: len(tg.deliveries.log) == 1)
    tg.clock.advance(timedelta(seconds=99))
    await tg.world.touch()
    early = len(tg.deliveries.log)
    tg.clock.advance(timedelta(seconds=1))
    await tg.wait_for(lambda: len(tg.deliveries.log) == 2)

    assert early == 1


@pytest.mark.parametrize("effect", [Effect.TWICE, Effect.LOST])
async def test_delivered_twice(
    tg: TelegramStandIn, call: Call, chat: PrivateChat, alice: User, hook: Hook, effect: Effect
) -> None:
    """A duplicate, or an answer that got lost: the same update comes again."""
    tg.faults.add(Fault("webhook", effect))
    await call("setWebhook", url=hook.url)
    await chat.send_text(alice, "x")
    await tg.wait_for(lambda: len(tg.deliveries.log) == 2)

    assert hook.texts == ["x", "x"]
    assert hook.bodies[0] == hook.bodies[1]
    assert tg.world.updates.waiting == []


async def test_nobody_there(
    tg: TelegramStandIn, call: Call, chat: PrivateChat, alice: User, hook: Hook
) -> None:
    """A webhook that cannot be reached, or does not answer in time, keeps the updates waiting."""
    tg.deliveries.timeout = 0.05
    hook.gate.clear()
    await call("setWebhook", url=hook.url)
    await chat.send_text(alice, "x")
    await tg.wait_for(lambda: len(tg.deliveries.log) >= 2)
    info = (await call("getWebhookInfo"))["result"]
    await call("deleteWebhook")
    updates = (await call("getUpdates"))["result"]

    assert [item.status for item in tg.deliveries.log[:2]] == [0, 0]
    assert (
        info["pending_update_count"],
        info["last_error_message"],
    ) == (1, "Read timeout expired")
    assert [update["message"]["text"] for update in updates] == ["x"]


async def test_gone_for_good(
    tg: TelegramStandIn, call: Call, chat: PrivateChat, alice: User, hook: Hook
) -> None:
    """A webhook that says 410 for 23 hours is removed."""
    hook.answer = lambda: web.Response(status=410)
    await call("setWebhook", url=hook.url)
    await chat.send_text(alice, "x")
    await tg.wait_for(lambda: len(tg.deliveries.log) == 2)
    tg.clock.advance(timedelta(hours=23))

    await tg.wait_for(lambda: not tg.world.webhook.is_set)


async def test_answer_with_a_method(
    tg: TelegramStandIn, call: Call, chat: PrivateChat, alice: User, hook: Hook
) -> None:
    """The answer of a webhook can be a call itself."""
    reply = {"method": "sendMessage", "chat_id": chat.id, "text": "by answer"}
    hook.answer = lambda: web.json_response(reply)
    await call("setWebhook", url=hook.url)
    await chat.send_text(alice, "x")
    await tg.wait_for(lambda: len(chat.messages) == 2)

    assert chat.messages[-1].text == "by answer"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "nonsense", "http://[/"])
async def test_bad_addresses(call: Call, url: str) -> None:
    """Only an address of the web can be a webhook; an empty one removes it."""
    refused = await call("setWebhook", url=url)
    removed = await call("setWebhook", url="")

    assert refused["description"].startswith("Bad Request: bad webhook")
    assert removed["description"] == "Webhook is already deleted"
