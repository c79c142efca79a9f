"""Server-sent events: everything once, then each change."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp

from bot.sandbox.clock import SandboxClock
from bot.sandbox.telegram import FloodMode, PrivateChat, RemoteTelegram, TelegramStandIn, User
from bot.sandbox.telegram.page import events
from bot.sandbox.telegram.views import visible_from_json
from tests.sandbox.telegram.conftest import Call


class Events:
    """The events of one page."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self) -> dict[str, Any]:
        """Wait for an event and return it."""
        while line := await self._answer.content.readline():
            if line.startswith(b"data: "):
                event: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                return event
        raise EOFError

    async def until(self, field: str) -> Any:
        """Wait for an event with a field and return its value."""
        while field not in (event := await self.next()):
            pass
        return event[field]


@asynccontextmanager
async def listening(tg: TelegramStandIn) -> AsyncIterator[Events]:
    """A page that has connected."""
    url = f"{tg.control_url}/page/events"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.content_type == "text/event-stream"
        yield Events(answer)


async def test_the_first_event(tg: TelegramStandIn, alice: User, chat: PrivateChat) -> None:
    """A page that connects gets everything that is there."""
    message = await chat.send_text(alice, "one\ntwo \u2028 three")
    async with listening(tg) as page:
        first = await page.next()

    [shown] = first["messages"]
    assert (shown["chat_id"], shown["message"]["id"]) == (alice.id, message.id)
    assert shown["message"]["text"] == "one\ntwo \u2028 three"
    assert [person["name"] for person in first["people"]] == ["Alice Example"]
    assert first["bot"]["username"] == tg.username
    assert (first["flood"]["mode"], first["shape"]["down_total"]) == ("off", None)
    assert first["now"] == tg.clock.now().isoformat()


async def test_service_message(tg: TelegramStandIn, alice: User, chat: PrivateChat) -> None:
    """What is neither text nor file arrives with its fields, and can be read by a client."""
    await chat.send_special(alice, {"dice": {"emoji": "🎲", "value": 6}})
    async with listening(tg) as page:
        [item] = (await page.next())["messages"]

    shown = visible_from_json(item["message"])
    assert (shown.text, shown.service) == ("", {"dice": {"emoji": "🎲", "value": 6}})


async def test_messages(tg: TelegramStandIn, call: Call, chat: PrivateChat) -> None:
    """New, edited and deleted messages arrive alone, and so does a reaction."""
    async with listening(tg) as page:
        await page.next()
        sent = await call("sendMessage", chat_id=chat.id, text="<b>0 %</b>", parse_mode="HTML")
        message_id = sent["result"]["message_id"]
        [new] = await page.until("messages")
        await call("editMessageText", chat_id=chat.id, message_id=message_id, text="50 %")
        [edited] = await page.until("messages")
        reaction = [{"type": "emoji", "emoji": "👍"}]
        await call("setMessageReaction", chat_id=chat.id, message_id=message_id, reaction=reaction)
        [liked] = await page.until("messages")
        await call("deleteMessage", chat_id=chat.id, message_id=message_id)
        gone = await page.until("gone")

    assert new["message"]["html"] == "<b>0 %</b>"
    assert (edited["message"]["text"], edited["message"]["edited"]) == ("50 %", 1)
    assert liked["message"]["reactions"] == ["👍"]
    assert gone == [{"chat_id": chat.id, "message_id": message_id}]


async def test_surroundings(
    tg: TelegramStandIn, remote: RemoteTelegram, clock: SandboxClock, alice: User
) -> None:
    """People, chats, switches and the clock arrive at once when they change, whole."""
    async with asyncio.timeout(events.BEAT / 2), listening(tg) as page:
        await page.next()
        before = clock.now()
        await remote.advance(timedelta(hours=6))
        moved = await page.until("now")
        await remote.set_flood(FloodMode.REFUSE)
        flood = await page.until("flood")
        await remote.set_shape(down_total=1000.0)
        shape = await page.until("shape")
        group = await remote.add_group("Friends", alice, forum=True)
        await tg.chat(group.id).open_topic(alice, "Holiday")
        chats = await page.until("chats")

    assert moved == (before + timedelta(hours=6)).isoformat()
    assert flood == {"mode": "refuse", "hits": 0}
    assert shape["down_total"] == 1000.0
    assert [chat["id"] for chat in chats][-1] == group.id


async def test_a_running_clock(tg: TelegramStandIn) -> None:
    """Time that passes is no event, but a clock that is moved on is one."""
    tg.world.clock = SandboxClock()
    changes = events.Changes(tg.world, tg.bandwidth)

    assert changes.take()["is_running"]
    assert changes.take() == {}
    tg.world.clock.advance(timedelta(hours=1))
    assert set(changes.take()) == {"now", "is_running"}


async def test_an_end(tg: TelegramStandIn) -> None:
    """A server that stops ends the streams at once; started again, it has new ones."""
    async with listening(tg) as page:
        await page.next()
        async with asyncio.timeout(events.BEAT / 2):
            await tg.stop()
            ended = await asyncio.gather(page.next(), return_exceptions=True)
    await tg.start()
    async with listening(tg) as page:
        again = await page.next()

    assert isinstance(ended[0], EOFError | aiohttp.ClientError)
    assert "bot" in again
