"""Transport: routes, encodings, the envelope, the log, and faults of the wire."""

import json
import time
from typing import Any

import aiohttp
import pytest
from telegram.error import BadRequest, NetworkError
from telegram.ext import ExtBot

from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import PrivateChat, TelegramStandIn, User
from tests.sandbox.telegram.conftest import Call

KEYBOARD = {"inline_keyboard": [[{"text": "12", "callback_data": "7"}]]}
PARAMS: dict[str, Any] = {"text": "12", "reply_markup": KEYBOARD, "disable_notification": True}


def flat(params: dict[str, Any]) -> dict[str, str]:
    """Return parameters as forms carry them."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in params.items()
    }


@pytest.mark.parametrize("encoding", ["json", "form", "multipart", "query"])
@pytest.mark.parametrize("method", ["sendMessage", "SENDMESSAGE", "test/sendmessage", ""])
async def test_encodings(
    tg: TelegramStandIn,
    http: aiohttp.ClientSession,
    chat: PrivateChat,
    encoding: str,
    method: str,
) -> None:
    """All encodings mean the same, and names of methods have no case."""
    params = {"chat_id": chat.id, **PARAMS}
    if not method:
        params["method"] = "sendMessage"
    bodies: dict[str, dict[str, Any]] = {
        "json": {"json": params},
        "form": {"data": flat(params)},
        "multipart": {"data": _multipart(flat(params))},
        "query": {"params": flat(params)},
    }
    async with http.post(f"{tg.base_url}{tg.token}/{method}", **bodies[encoding]) as answer:
        body = await answer.json()
    entry = tg.log.of("sendMessage")[0]

    assert (answer.status, answer.content_type) == (200, "application/json")
    assert (body["result"]["text"], body["result"]["reply_markup"]) == ("12", KEYBOARD)
    assert (chat.id, "12", True, KEYBOARD) == tuple(
        entry.params[name] for name in ("chat_id", "text", "disable_notification", "reply_markup")
    )
    assert chat.messages[0].silent


def _multipart(params: dict[str, str]) -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter("form-data")
    for name, value in params.items():
        writer.append(value).set_content_disposition("form-data", name=name)
    return writer


@pytest.mark.parametrize("body", ["{nonsense", "[1]"])
async def test_bad_json(tg: TelegramStandIn, http: aiohttp.ClientSession, body: str) -> None:
    """A body that is no JSON object is a 400, not a crash."""
    headers = {"Content-Type": "application/json"}
    url = f"{tg.base_url}{tg.token}/getMe"
    async with http.post(url, data=body, headers=headers) as answer:
        assert answer.status == 400


async def test_other_paths(tg: TelegramStandIn, http: aiohttp.ClientSession) -> None:
    """Whatever is none of the server's paths is not found, in its own JSON."""
    async with http.get(tg.base_url.removesuffix("bot")) as answer:
        body = await answer.json()

    assert body == {"ok": False, "error_code": 404, "description": "Not Found"}


async def test_logged_out(call: Call) -> None:
    """After `logOut` the server does not know the token any more."""
    out = await call("logOut")
    after = await call("getMe")

    assert out["result"]
    assert after["description"] == "Unauthorized"


async def test_latency(tg: TelegramStandIn, call: Call) -> None:
    """Every request takes as long as it is told to."""
    tg.shape.latency = 0.05
    started = time.monotonic()
    await call("getMe")

    assert time.monotonic() - started >= 0.05


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


async def test_lost_updates_come_again(
    tg: TelegramStandIn, call: Call, bot: ExtBot[None], chat: PrivateChat, alice: User
) -> None:
    """Updates in an answer that never arrived are delivered by the next poll."""
    await chat.send_text(alice, "x")
    tg.faults.add(Fault("getUpdates", Effect.LOST))
    with pytest.raises(NetworkError):
        await bot.get_updates()

    assert len((await call("getUpdates"))["result"]) == 1
