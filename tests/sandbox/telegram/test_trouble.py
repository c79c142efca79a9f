"""What goes wrong on request: outages, other programs with the token, places that refuse."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import Group, PrivateChat, TelegramStandIn, User
from bot.sandbox.telegram.errors import MARKUP_TOO_LONG, TOPIC_CLOSED, WEBHOOK_ACTIVE
from tests.sandbox.telegram.conftest import Call


async def page_or_ok(tg: TelegramStandIn, http: aiohttp.ClientSession, method: str) -> str:
    """Return the content type of an answer."""
    async with http.get(f"{tg.base_url}{tg.token}/{method}") as answer:
        return answer.content_type


async def test_outage_of_a_span(
    tg: TelegramStandIn, http: aiohttp.ClientSession, clock: SandboxClock
) -> None:
    """All calls get the page of a proxy from the first one on, for so long as was asked."""
    fault = tg.faults.add(Fault("*", Effect.HTML, seconds=6))
    clock.advance(timedelta(seconds=60))
    first = await page_or_ok(tg, http, "getMe")
    clock.advance(timedelta(seconds=5.9))
    second = await page_or_ok(tg, http, "getMyCommands")
    clock.advance(timedelta(seconds=0.1))
    third = await page_or_ok(tg, http, "getMe")

    assert [first, second, third] == ["text/html", "text/html", "application/json"]
    assert fault.hits == 2


async def test_outage_of_so_many_calls(tg: TelegramStandIn, http: aiohttp.ClientSession) -> None:
    """Only one method, and only so often; a fault can be taken back before its time."""
    tg.faults.add(Fault("getMe", Effect.HTML, times=2))
    endless = tg.faults.add(Fault("getMyCommands", Effect.HTML, times=0))
    kinds = [await page_or_ok(tg, http, "getMe") for _ in range(3)]
    before = await page_or_ok(tg, http, "getMyCommands")
    tg.faults.remove(endless)
    after = await page_or_ok(tg, http, "getMyCommands")

    assert kinds == ["text/html", "text/html", "application/json"]
    assert (before, after) == ("text/html", "application/json")


@pytest.mark.parametrize("body", ["", "null", "[]", '{"ok": true}', "{"])
async def test_odd_body(tg: TelegramStandIn, http: aiohttp.ClientSession, body: str) -> None:
    """The whole answer can be replaced, envelope included."""
    tg.faults.add(Fault("getMe", Effect.ODD, args={"body": body}))
    async with http.get(f"{tg.base_url}{tg.token}/getMe") as answer:
        assert (answer.status, await answer.text()) == (200, body)


async def test_webhook_of_another_program(tg: TelegramStandIn, call: Call) -> None:
    """A waiting poll ends, further ones are refused until the webhook is removed."""
    waiting = asyncio.create_task(call("getUpdates", timeout=50))
    await tg.wait_for(lambda: tg.world.updates.is_polled)
    await tg.intrude_webhook()
    ended, refused = await waiting, await call("getUpdates")
    await call("deleteWebhook")
    after = await call("getUpdates")

    assert ended["description"] == "Conflict: terminated by setWebhook request"
    assert (refused["error_code"], refused["description"]) == (409, f"Conflict: {WEBHOOK_ACTIVE}")
    assert after["ok"]


async def test_webhook_set_again_and_again(tg: TelegramStandIn, call: Call) -> None:
    """The other program sets it once more after each removal, so often as was asked."""
    await tg.intrude_webhook(again=2)
    seen = []
    for _ in range(3):
        await call("deleteWebhook")
        seen.append((await call("getUpdates"))["ok"])

    assert seen == [False, False, True]


async def test_revoked_token(tg: TelegramStandIn, call: Call) -> None:
    """A token that is revoked ends the poll with 401; all calls get it, until it is back."""
    waiting = asyncio.create_task(call("getUpdates", timeout=50))
    await tg.wait_for(lambda: tg.world.updates.is_polled)
    await tg.revoke_token()
    ended, refused = await waiting, await call("getMe")
    await tg.restore_token()

    assert [(answer["error_code"], answer["description"]) for answer in (ended, refused)] == [
        (401, "Unauthorized")
    ] * 2
    assert (await call("getMe"))["ok"]


async def test_closed_general(tg: TelegramStandIn, call: Call, alice: User) -> None:
    """With General closed, what names no topic is refused, replies too; other topics take it."""
    forum = tg.add_group("Forum", alice, forum=True)
    topic = await forum.add_topic(alice, "Files")
    asked = await forum.send_text(alice, "/start", thread_id=topic)
    await forum.close_topic(alice)
    refused = [
        await call("sendMessage", chat_id=forum.id, text="x", **more)
        for more in ({}, {"reply_parameters": {"message_id": asked.id}})
    ]
    inside = await call("sendMessage", chat_id=forum.id, text="x", message_thread_id=topic)
    await forum.close_topic(alice, topic)
    both = await call("sendMessage", chat_id=forum.id, text="x", message_thread_id=topic)
    await forum.reopen_topic(alice)
    reopened = await call("sendMessage", chat_id=forum.id, text="x")

    assert [f"Bad Request: {TOPIC_CLOSED}"] * 3 == [
        answer["description"] for answer in (*refused, both)
    ]
    assert inside["ok"]
    assert reopened["ok"]


async def test_large_keyboard(call: Call, chat: PrivateChat) -> None:
    """Not only the number of buttons counts, their texts do too."""
    rows = [[{"text": "x" * 500, "callback_data": "a"}]] * 21
    markup = {"inline_keyboard": rows}
    answer = await call("sendMessage", chat_id=chat.id, text="x", reply_markup=markup)

    assert answer["description"] == f"Bad Request: {MARKUP_TOO_LONG}"


@pytest.mark.parametrize("is_old", [False, True])
async def test_restricted_members(
    tg: TelegramStandIn, call: Call, alice: User, *, is_old: bool
) -> None:
    """A restricted member comes with all fields, or without those that older servers lack."""
    ben = tg.add_user("Ben")
    group = tg.add_group("Team", alice, ben)
    group.roster.left_out = frozenset({"can_edit_tag"} if is_old else ())
    await group.restrict(ben, by=alice, permissions=frozenset({"can_send_documents"}))
    member = (await call("getChatMember", chat_id=group.id, user_id=ben.id))["result"]

    assert member["status"] == "restricted"
    assert member["can_send_documents"]
    assert not member["can_send_messages"]
    assert ("can_edit_tag" in member) is not is_old


async def test_restricted_bot(tg: TelegramStandIn, call: Call, alice: User) -> None:
    """A bot that may send no texts is refused; the change itself is an update."""
    group: Group = tg.add_group("Team", alice)
    await group.restrict_bot(alice)
    refused = await call("sendMessage", chat_id=group.id, text="x")
    await group.restrict_bot(alice, frozenset({"can_send_messages"}))
    found: list[dict[str, Any]] = (await call("getUpdates"))["result"]

    assert "not enough rights" in refused["description"]
    assert (await call("sendMessage", chat_id=group.id, text="x"))["ok"]
    assert [update["my_chat_member"]["new_chat_member"]["status"] for update in found] == [
        "restricted"
    ] * 2


async def test_form_in_a_get(
    tg: TelegramStandIn, http: aiohttp.ClientSession, chat: PrivateChat
) -> None:
    """A form is read with every HTTP method, as by the real server's reader."""
    fields = {"chat_id": str(chat.id), "text": "a b & c"}
    async with http.get(f"{tg.base_url}{tg.token}/sendMessage", data=fields) as answer:
        assert (await answer.json())["ok"]

    assert [message.text for message in chat.messages] == ["a b & c"]


async def test_crowd(tg: TelegramStandIn, call: Call) -> None:
    """A crowd is cheap: one update each, at one moment."""
    started = time.process_time()
    chats = await tg.add_crowd(1_500)
    spent = time.process_time() - started

    assert len(tg.world.updates.waiting) == len({chat.id for chat in chats}) == 1_500
    assert len((await call("getUpdates"))["result"]) == 100
    assert spent < 5
