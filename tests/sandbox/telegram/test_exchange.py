"""Transport: routes, encodings, the envelope, the log, and faults of the wire."""

import json
import time
from typing import Any

import aiohttp
import pytest

from bot.sandbox.telegram import PrivateChat, TelegramStandIn
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
    """An unknown path is answered with 404 in the server's JSON."""
    async with http.get(f"{tg.base_url.removesuffix('bot')}unknown") as answer:
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
    ("written", "name"),
    [
        ('"a ü.bin"', "a ü.bin"),
        ("a ü.bin", "a ü.bin"),
        ("plain.bin; more=1", "plain.bin"),
        ('"a%20b.bin"', "a%20b.bin"),
        ("\"a.bin\"; filename*=utf-8''b.bin", "a.bin"),
    ],
)
async def test_names_of_uploads(
    tg: TelegramStandIn, chat: PrivateChat, http: aiohttp.ClientSession, written: str, name: str
) -> None:
    """The name of an upload is read as the real server does: quotes are optional, nothing is
    decoded.
    """
    lines = [
        "--b",
        'Content-Disposition: form-data; name="chat_id"',
        "",
        str(chat.id),
        "--b",
        f'Content-Disposition: form-data; name="document"; filename={written}',
        "",
        "bytes",
        "--b--",
        "",
    ]
    url = f"{tg.base_url}{tg.token}/sendDocument"
    headers = {"Content-Type": 'multipart/form-data; boundary="b"'}
    async with http.post(url, data="\r\n".join(lines).encode(), headers=headers) as answer:
        document = (await answer.json())["result"]["document"]

    assert (document["file_name"], document["file_size"]) == (name, 5)
