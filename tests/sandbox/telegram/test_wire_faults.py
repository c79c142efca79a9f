"""Faults of the wire."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from telegram.error import BadRequest, NetworkError
from telegram.ext import ExtBot

from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import PrivateChat, TelegramStandIn, User
from tests.sandbox.telegram.conftest import Call


@pytest.mark.parametrize(
    ("args", "status", "description", "parameters"),
    [
        ({"status": 429, "retry_after": 7}, 429, "Too Many Requests: retry after 7",
         {"retry_after": 7}),
        ({"retry_after": 2}, 429, "Too Many Requests: retry after 2", {"retry_after": 2}),
        ({"status": 403}, 403, "Forbidden: bot was blocked by the user", None),
        ({"status": 400, "description": "Bad Request: wrong file_id"}, 400,
         "Bad Request: wrong file_id", None),
        ({"migrate_to_chat_id": -1005}, 400,
         "Bad Request: group chat was upgraded to a supergroup chat",
         {"migrate_to_chat_id": -1005}),
        ({}, 500, "Internal Server Error", None),
        ({"status": 401}, 401, "Unauthorized", None),
        ({"status": 418}, 418, "Error 418", None),
    ],
)  # fmt: skip
async def test_refusal_on_request(
    tg: TelegramStandIn,
    call: Call,
    args: dict[str, str | int | float],
    status: int,
    description: str,
    parameters: dict[str, Any] | None,
) -> None:
    """A line of the script can refuse with anything; the next call works again."""
    tg.faults.add(Fault("getMe", Effect.ERROR, args=args))
    refused = await call("getMe")
    after = await call("getMe")

    assert (status, description) == (refused["error_code"], refused["description"])
    assert parameters == refused.get("parameters")
    assert after["ok"]
    assert [status, 200] == [entry.status for entry in tg.log]


@pytest.mark.parametrize("effect", [Effect.RESET, Effect.STALL])
async def test_broken_before(
    tg: TelegramStandIn, bot: ExtBot[None], chat: PrivateChat, effect: Effect
) -> None:
    """The connection breaks and nothing was applied."""
    tg.faults.add(Fault("sendMessage", effect, args={"seconds": 0}))
    with pytest.raises(NetworkError):
        await bot.send_message(chat.id, "x")

    assert chat.messages == []
    assert tg.log.of("sendMessage")[0].status == 0


@pytest.mark.parametrize("effect", [Effect.LOST, Effect.TRUNCATE])
async def test_broken_after(
    tg: TelegramStandIn, bot: ExtBot[None], chat: PrivateChat, effect: Effect
) -> None:
    """The connection breaks although the message was placed."""
    tg.faults.add(Fault("sendMessage", effect, where={"text": "x"}))
    with pytest.raises(NetworkError):
        await bot.send_message(chat.id, "x")

    assert [message.text for message in chat.messages] == ["x"]


async def test_page_of_a_proxy(tg: TelegramStandIn, bot: ExtBot[None], chat: PrivateChat) -> None:
    """A proxy in between answers with HTML."""
    tg.faults.add(Fault("sendMessage", Effect.HTML))
    with pytest.raises(NetworkError) as caught:
        await bot.send_message(chat.id, "x")

    assert not isinstance(caught.value, BadRequest)
    assert chat.messages == []


async def test_late_answer(tg: TelegramStandIn, call: Call, chat: PrivateChat) -> None:
    """The message is there before the answer is."""
    tg.faults.add(Fault("sendMessage", Effect.LATE, args={"seconds": 0.05}))
    started = time.monotonic()
    answer = await call("sendMessage", chat_id=chat.id, text="x")

    assert time.monotonic() - started >= 0.05
    assert answer["ok"]


async def test_held_call(
    tg: TelegramStandIn, call: Call, chat: PrivateChat, clock: SandboxClock
) -> None:
    """The call is applied, and answered, once the clock has moved so far."""
    tg.faults.add(Fault("sendMessage", Effect.HELD, args={"seconds": 5}))
    sent = asyncio.create_task(call("sendMessage", chat_id=chat.id, text="x"))
    await tg.wait_for(lambda: bool(tg.log.of("sendMessage")))
    clock.advance(timedelta(seconds=4))
    await call("getMe")
    before = list(chat.messages)
    clock.advance(timedelta(seconds=1))

    assert (await sent)["ok"]
    assert (len(before), len(chat.messages)) == (0, 1)


async def test_lost_updates_come_again(
    tg: TelegramStandIn, call: Call, bot: ExtBot[None], chat: PrivateChat, alice: User
) -> None:
    """Updates in an answer that never arrived are delivered by the next poll."""
    await chat.send_text(alice, "x")
    tg.faults.add(Fault("getUpdates", Effect.LOST))
    with pytest.raises(NetworkError):
        await bot.get_updates()

    assert len((await call("getUpdates"))["result"]) == 1


async def test_odd_answer(tg: TelegramStandIn, call: Call, chat: PrivateChat) -> None:
    """The call is applied, and the answer is another than its own."""
    tg.faults.add(Fault("sendMessage", Effect.ODD, args={"result": "[null]"}))
    answer = await call("sendMessage", chat_id=chat.id, text="x")

    assert answer == {"ok": True, "result": [None]}
    assert [message.text for message in chat.messages] == ["x"]


async def test_changed_answer(tg: TelegramStandIn, call: Call, chat: PrivateChat) -> None:
    """One place of an answer is dropped or replaced; a place that is not there changes nothing."""
    changes: list[dict[str, str | int | float]] = [
        {"path": '["result", "chat", "type"]'},
        {"path": '["result", "message_id"]', "value": "null"},
        {"path": '["result", "absent", 0]', "value": "1"},
    ]
    for change in changes:
        tg.faults.add(Fault("sendMessage", Effect.CHANGED, args=change))
    dropped, nulled, same = [
        (await call("sendMessage", chat_id=chat.id, text="x"))["result"] for _ in changes
    ]

    assert "type" not in dropped["chat"]
    assert nulled["message_id"] is None
    assert same == {**dropped, "message_id": chat.messages[-1].id, "chat": nulled["chat"]}
    assert len(chat.messages) == 3
