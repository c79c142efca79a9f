"""Flood control: budgets, and the two things that happen beyond them."""

import asyncio
from datetime import timedelta

import pytest
from telegram.error import RetryAfter
from telegram.ext import ExtBot

from bot.sandbox.clock import SandboxClock
from bot.sandbox.telegram import Flood, FloodMode, PrivateChat, TelegramStandIn
from bot.sandbox.telegram.errors import ApiError
from tests.sandbox.telegram.conftest import Call

GROUP = -5


async def admitted(flood: Flood, count: int, *, chat_id: int = 1, edit: bool = False) -> int:
    """Return how many of so many calls pass."""
    passed = 0
    for _ in range(count):
        try:
            await flood.admit(chat_id, edit=edit)
        except ApiError:
            continue
        passed += 1
    return passed


async def test_private_chat(clock: SandboxClock) -> None:
    """A burst of five, then one per second; other chats are not touched."""
    flood = Flood(clock, FloodMode.REFUSE)
    burst = await admitted(flood, 10)
    clock.advance(timedelta(seconds=1))
    after = await admitted(flood, 10)

    assert (burst, after, await admitted(flood, 10, chat_id=2)) == (5, 1, 5)
    assert flood.hits == 5 + 9 + 5


async def test_edits_in_every_chat(clock: SandboxClock) -> None:
    """Twenty edits in every stretch of a minute, in private chats too."""
    flood = Flood(clock, FloodMode.REFUSE)
    first = await admitted(flood, 30, edit=True)
    clock.advance(timedelta(seconds=59))
    almost = await admitted(flood, 30, edit=True)
    clock.advance(timedelta(seconds=1))

    assert (first, almost, await admitted(flood, 30, edit=True)) == (20, 0, 20)


async def test_groups_share_one_budget(clock: SandboxClock) -> None:
    """In a group messages and edits come out of the same twenty."""
    flood = Flood(clock, FloodMode.REFUSE)
    edits = await admitted(flood, 12, chat_id=GROUP, edit=True)

    assert (edits, await admitted(flood, 12, chat_id=GROUP)) == (12, 8)


async def test_everything_together(clock: SandboxClock) -> None:
    """Thirty calls per second over all chats."""
    flood = Flood(clock, FloodMode.REFUSE)
    passed = [await admitted(flood, 1, chat_id=chat_id) for chat_id in range(1, 41)]

    assert sum(passed) == 30


async def test_off_counts_all_the_same(tg: TelegramStandIn, call: Call, chat: PrivateChat) -> None:
    """When nothing is limited the hits still tell that something would have been."""
    for number in range(6):
        answer = await call("sendMessage", chat_id=chat.id, text=str(number))
        assert answer["ok"]

    assert tg.flood.hits == 1


async def test_refused_through_a_real_client(
    tg: TelegramStandIn,
    bot: ExtBot[None],
    chat: PrivateChat,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 429 says how long to pause, in body and header; after that the call passes."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")  # the pause as a type of its own, without a warning.
    tg.flood.mode = FloodMode.REFUSE
    for _ in range(5):
        await bot.send_message(chat.id, "x")
    with pytest.raises(RetryAfter):
        await bot.send_message(chat.id, "x")
    answer = await call("sendMessage", chat_id=chat.id, text="x")
    tg.clock.advance(timedelta(seconds=1))
    await bot.send_message(chat.id, "x")

    assert answer["description"] == "Too Many Requests: retry after 1"
    assert answer["parameters"] == {"retry_after": 1}
    assert (len(chat.messages), tg.flood.hits) == (6, 2)


async def test_delayed(tg: TelegramStandIn, call: Call, chat: PrivateChat) -> None:
    """A short wait is no error: the answer is held back, and the change applied late."""
    tg.flood.mode = FloodMode.DELAY
    for number in range(5):
        await call("sendMessage", chat_id=chat.id, text=str(number))
    held = asyncio.create_task(call("sendMessage", chat_id=chat.id, text="late"))
    await tg.wait_for(lambda: tg.flood.hits == 1)
    before = len(chat.messages)
    tg.clock.advance(timedelta(seconds=1))
    answer = await held

    assert (before, len(chat.messages), answer["ok"]) == (5, 6, True)


async def test_applied_although_the_client_gave_up(
    tg: TelegramStandIn, call: Call, chat: PrivateChat
) -> None:
    """A client that stops waiting does not stop the server."""
    tg.flood.mode = FloodMode.DELAY
    for number in range(5):
        await call("sendMessage", chat_id=chat.id, text=str(number))
    held = asyncio.create_task(call("sendMessage", chat_id=chat.id, text="late"))
    await tg.wait_for(lambda: tg.flood.hits == 1)
    held.cancel()
    await asyncio.gather(held, return_exceptions=True)
    tg.clock.advance(timedelta(seconds=1))

    await tg.wait_for(lambda: len(chat.messages) == 6)


async def test_delay_has_an_end(clock: SandboxClock) -> None:
    """What would take longer than a minute is a 429 in this mode too."""
    flood = Flood(clock, FloodMode.DELAY, private_rate=0.01, private_burst=1)
    await flood.admit(1, edit=False)
    with pytest.raises(ApiError) as caught:
        await flood.admit(1, edit=False)

    assert caught.value.parameters == {"retry_after": 100}


async def test_reset(clock: SandboxClock) -> None:
    """A reset forgets hits and budgets and lets changed settings hold."""
    flood = Flood(clock, FloodMode.REFUSE)
    await admitted(flood, 10)
    flood.private_burst = 2
    flood.reset()

    assert (await admitted(flood, 2), flood.hits) == (2, 0)
    assert await admitted(flood, 1) == 0
