"""The long poll: offsets, limits, retention, conflicts, duplicates."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from telegram.error import Conflict
from telegram.ext import ExtBot

from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import PrivateChat, TelegramStandIn, User
from bot.sandbox.telegram.errors import ApiError
from bot.sandbox.telegram.updates import UpdateQueue
from tests.sandbox.telegram.conftest import START, Call

POLLED = "terminated by other getUpdates request; make sure that only one bot instance is running"


async def ids(call: Call, **params: Any) -> list[int]:
    """Poll once and return the ids of the updates."""
    return [update["update_id"] for update in (await call("getUpdates", **params))["result"]]


def queue_of(clock: SandboxClock, count: int) -> tuple[UpdateQueue, list[int]]:
    """Return a queue of so many messages, and their ids."""
    queue = UpdateQueue(clock)
    made = [queue.add("message", {"n": n}, chat_id=1, date=clock.now()) for n in range(count)]
    return queue, [update_id for update_id in made if update_id is not None]


async def look(queue: UpdateQueue, offset: int, limit: int = 100) -> list[int]:
    """Ask a queue without waiting."""
    return [update["update_id"] for update in await queue.poll(offset, limit, 0)]


async def test_offsets(clock: SandboxClock) -> None:
    """An offset confirms what is below it; 0 confirms nothing; a negative one keeps the last."""
    queue, made = queue_of(clock, 5)

    assert made == await look(queue, 0)
    assert made[:2] == await look(queue, made[0], 2)
    assert made[2:] == await look(queue, made[2])
    assert made[3:] == await look(queue, -2)
    assert made[3:] == await look(queue, 0)
    assert [made[3]] == await look(queue, made[3] + 5000, 1)  # the future is the head.
    assert [made[4]] == await look(queue, made[4])


async def test_ids_grow_by_one(clock: SandboxClock) -> None:
    """Ids are consecutive, until a week has passed without an update."""
    queue, made = queue_of(clock, 3)
    clock.advance(timedelta(days=8))
    later = queue.add("message", {}, chat_id=1, date=clock.now())

    assert [made[0], made[0] + 1, made[0] + 2] == made
    assert later != made[2] + 1


async def test_retention(clock: SandboxClock) -> None:
    """An update is kept for 24 hours after its message, and not made for an older one."""
    queue, _ = queue_of(clock, 1)
    clock.advance(timedelta(hours=23))
    kept = len(queue.waiting)
    clock.advance(timedelta(hours=1))

    assert (kept, queue.waiting) == (1, [])
    assert queue.add("message", {}, chat_id=1, date=START) is None


async def test_asking_again_is_slowed_down(clock: SandboxClock) -> None:
    """The same offset within half a second brings one update only."""
    queue, made = queue_of(clock, 3)

    assert made == await look(queue, 7)
    assert made[:1] == await look(queue, 7)


async def test_waiting_poll_wakes(tg: TelegramStandIn, chat: PrivateChat, alice: User) -> None:
    """A poll that waits ends with the next update, long before its time is over."""
    bot: ExtBot[None] = ExtBot(tg.token, base_url=tg.base_url)
    async with bot:
        poll = asyncio.create_task(bot.get_updates(timeout=20))
        await tg.wait_for(lambda: tg.world.updates.is_polled)
        started = time.monotonic()
        message = await chat.send_text(alice, "hi")
        updates = await poll

    assert time.monotonic() - started < 5
    assert [message.id] == [u.message.message_id for u in updates if u.message]


async def test_parallel_polls(tg: TelegramStandIn, call: Call, chat: PrivateChat) -> None:
    """The older of two polls gets the conflict; the younger goes on waiting."""
    bot: ExtBot[None] = ExtBot(tg.token, base_url=tg.base_url)
    async with bot:
        old = asyncio.create_task(bot.get_updates(timeout=20))
        await tg.wait_for(lambda: tg.world.updates.is_polled)
        young = asyncio.create_task(call("getUpdates", timeout=20, offset=5))
        with pytest.raises(Conflict, match="terminated by other getUpdates"):
            await old
        await chat.send_text(tg.add_user("Bob"), "hi")

    assert len((await young)["result"]) == 1


async def test_second_conflict_is_slow(clock: SandboxClock) -> None:
    """Conflicts within three seconds are answered late, so that two bots do not race."""
    queue, _ = queue_of(clock, 0)
    polls = []
    for offset in range(3):
        polls.append(asyncio.create_task(queue.poll(offset, 100, 20)))
        await asyncio.sleep(0)
    done, _ = await asyncio.wait(polls[:2], return_when=asyncio.FIRST_COMPLETED)
    errors = [task.exception() for task in done]
    late = not polls[1].done()
    queue.close()
    for poll in polls[1:]:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)

    assert [f"Conflict: {POLLED}"] == [str(error) for error in errors]
    assert late


async def test_webhook_and_poll_exclude_each_other(tg: TelegramStandIn, call: Call) -> None:
    """Setting a webhook ends the poll; while it is set there is none."""
    poll = asyncio.create_task(call("getUpdates", timeout=20))
    await tg.wait_for(lambda: tg.world.updates.is_polled)
    was_set = await call("setWebhook", url="http://127.0.0.1:9/hook")
    ended = await poll
    refused = await call("getUpdates")
    again = await call("setWebhook", url="http://127.0.0.1:9/hook")
    hurried = await call("setWebhook", url="http://127.0.0.1:9/other")
    removed = await call("deleteWebhook")
    twice = await call("deleteWebhook")

    assert was_set["description"] == "Webhook was set"
    assert (
        ended["error_code"],
        ended["description"],
    ) == (409, "Conflict: terminated by setWebhook request")
    assert "can't use getUpdates method while webhook is active" in refused["description"]
    assert again["description"] == "Webhook is already set"
    assert hurried["parameters"] == {"retry_after": 1}
    assert removed["description"] == "Webhook was deleted"
    assert twice["description"] == "Webhook is already deleted"


async def test_allowed_updates(call: Call, chat: PrivateChat, alice: User) -> None:
    """What is not allowed is not made; what was made before stays; nothing said
    changes nothing.
    """
    message = await chat.send_text(alice, "one")
    await call("getUpdates", allowed_updates=["callback_query", "nonsense"])
    await chat.send_text(alice, "two")
    kept = await call("getUpdates")
    info = await call("getWebhookInfo")
    await call("getUpdates", allowed_updates=[])
    await chat.edit_text(message, "three")
    all_kinds = await call("getUpdates", offset=kept["result"][0]["update_id"] + 1)

    assert [update["message"]["text"] for update in kept["result"]] == ["one"]
    assert info["result"]["allowed_updates"] == ["callback_query"]
    assert [list(update)[1] for update in all_kinds["result"]] == ["edited_message"]


async def test_dropping(call: Call, chat: PrivateChat, alice: User) -> None:
    """Pending updates go only when that is asked for."""
    await chat.send_text(alice, "one")
    await call("deleteWebhook")
    kept = (await call("getWebhookInfo"))["result"]["pending_update_count"]
    await call("deleteWebhook", drop_pending_updates=True)

    assert kept == 1
    assert await ids(call) == []


async def test_delivered_twice(
    tg: TelegramStandIn, call: Call, chat: PrivateChat, alice: User
) -> None:
    """A duplicate comes once more after it was confirmed, with its own id, and then never."""
    tg.faults.add(Fault("getUpdates", Effect.TWICE))
    await chat.send_text(alice, "one")
    first = await ids(call)
    await chat.send_text(alice, "two")
    second = await ids(call, offset=first[0] + 1)
    third = await ids(call, offset=first[0] + 1)

    assert [first[0], first[0] + 1] == second
    assert [first[0] + 1] == third


async def test_raw_updates(tg: TelegramStandIn, call: Call) -> None:
    """Anything can be put into the queue; it gets an id when it has none."""
    given = await tg.send_raw_update({"update_id": 5_000_000_000, "poll": {}})
    numbered = await tg.send_raw_update({"unheard_of": {"x": 1}})
    updates = (await call("getUpdates"))["result"]

    assert (given, numbered) == (5_000_000_000, 5_000_000_001)
    assert [update["unheard_of"] for update in updates[1:]] == [{"x": 1}]


async def test_end_of_the_server(tg: TelegramStandIn) -> None:
    """A poll that waits while the server stops gets the server's word for it."""
    poll = asyncio.create_task(tg.world.updates.poll(0, 100, 20))
    await asyncio.sleep(0)
    await tg.stop()
    with pytest.raises(ApiError) as caught:
        await poll

    assert (
        caught.value.status,
        caught.value.description,
    ) == (500, "Internal Server Error: restart")
