"""Our HTTP client under the Telegram library behaves as the library's own one."""

import asyncio
import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

import aiohttp
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from telegram import (
    BotCommand,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    ReplyParameters,
)
from telegram.error import NetworkError, RetryAfter, TelegramError, TimedOut
from telegram.request import BaseRequest, HTTPXRequest, RequestData

from bot.adapters.telegram.messenger import translate
from bot.adapters.telegram.request import AiohttpRequest, RelayBot, encode_form
from bot.core.errors import ChatUnavailable, ChatUncertain
from tests.adapters.telegram.bots import httpx_client
from tests.adapters.telegram.wire import Answer, Wire, api, closing, http, refusal, reset, silence

TOKEN = "123456789:AAE-invented_token_of_a_bot_0123456"

ANSWERS: dict[str, Answer] = {
    "200": api({"id": 7}),
    "400": refusal(400, "Bad Request: message is not modified"),
    "401": refusal(401, "Unauthorized"),
    "403": refusal(403, "Forbidden: bot was blocked by the user"),
    "404": refusal(404, "Not Found"),
    "409": refusal(409, "Conflict: terminated by other getUpdates request"),
    "429": refusal(429, "Too Many Requests: retry after 7", retry_after=7),
    "migrated": refusal(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-100),
    "500": refusal(500, "Internal Server Error: restart"),
    "reset": reset,
    "silence": silence,
}


async def outcome(request: BaseRequest, url: str) -> tuple[type[object], str]:
    """Return what a call ends with: a result, or the kind of an error and its text."""
    try:
        async with request:
            result = await request.post(url, RequestData([]), read_timeout=0.2)
    except TelegramError as error:
        # The library's own client names its errors in the text; ours names aiohttp's.
        text = "" if type(error) in {NetworkError, TimedOut} else error.message
        return type(error), text
    return type(result), json.dumps(result)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_same_as_httpx(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every behaviour of a Bot API server both clients end with the same result or error."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    async with Wire(answer) as server:
        url = f"{server.url}/bot{TOKEN}/getMe"
        expected = await outcome(httpx_client(), url)
        ours = await outcome(AiohttpRequest(), url)

    assert expected == ours


async def test_nobody_listens() -> None:
    """A refused connection is a `NetworkError` with a cause that says that nothing was sent."""
    async with AiohttpRequest() as request:
        with pytest.raises(NetworkError) as caught:
            await request.post(f"http://127.0.0.1:1/bot{TOKEN}/getMe")

    assert isinstance(caught.value.__cause__, aiohttp.ClientConnectorError)


async def test_no_free_connection() -> None:
    """A call that gets no connection in time is a `TimedOut` with a cause that says so."""
    async with Wire(silence) as server, AiohttpRequest(connections=1) as request:
        first = asyncio.create_task(request.post(f"{server.url}/bot{TOKEN}/getUpdates"))
        await server.was_asked.wait()
        with pytest.raises(TimedOut) as caught:
            await request.post(
                f"{server.url}/bot{TOKEN}/getMe", pool_timeout=0.05, connect_timeout=0.05
            )
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    assert isinstance(caught.value.__cause__, aiohttp.ConnectionTimeoutError)


async def _failures() -> list[TelegramError]:
    """Return one error of each kind that the network can cause."""
    caught: list[TelegramError] = []
    async with Wire(reset) as broken, Wire(silence) as silent, AiohttpRequest() as request:
        for url in (broken.url, silent.url, "http://127.0.0.1:1", "http://127.0.0.1:port"):
            try:
                await request.post(f"{url}/bot{TOKEN}/getMe", read_timeout=0.05)
            except TelegramError as error:
                caught.append(error)
        try:
            await request.post(
                f"{silent.url}/bot{TOKEN}/x", connect_timeout=1e-9, pool_timeout=0.0
            )
        except TelegramError as error:
            caught.append(error)
    return caught


async def test_no_token_in_errors() -> None:
    """No error of the network shows the token, nor does its traceback or its cause."""
    errors = await _failures()

    assert len(errors) == 5
    for error in errors:
        shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__cause__)
        # The lines of this test's own source are not what an operator would see.
        assert TOKEN not in shown


async def test_no_token_in_logs(caplog: pytest.LogCaptureFixture) -> None:
    """A call writes nothing into the log that has the address."""
    caplog.set_level(logging.DEBUG)
    async with Wire(api(3)) as server, AiohttpRequest() as request:
        await request.post(f"{server.url}/bot{TOKEN}/getMe")

    assert TOKEN not in caplog.text


MESSAGE = {"message_id": 1, "date": 0, "chat": {"id": 5, "type": "private"}}

CALLS: dict[str, tuple[object, Callable[[RelayBot], Awaitable[object]]]] = {
    "getMe": ({"id": 1, "is_bot": True, "first_name": "b"}, lambda bot: bot.get_me()),
    "getUpdates": (
        [],
        lambda bot: bot.get_raw_updates(
            offset=0, timeout=30, allowed_updates=("message", "callback_query"), read_timeout=5
        ),
    ),
    "getChatMember": ({}, lambda bot: bot.get_raw_chat_member(-100, 5)),
    "sendMessage": (
        MESSAGE,
        lambda bot: bot.send_message(
            5,
            "文 \U0001f600 a+b & c=d",
            disable_notification=True,
            reply_markup=InlineKeyboardMarkup([[InlineKeyboardButton("Ö", callback_data="x y")]]),
            reply_parameters=ReplyParameters(7, allow_sending_without_reply=True),
        ),
    ),
    "setMyCommands": (True, lambda bot: bot.set_my_commands([BotCommand("a", "é")])),
    "deleteWebhook": (
        True,
        lambda bot: bot.delete_webhook(drop_pending_updates=False),
    ),
}


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.text(st.characters(exclude_categories=["Cs"])),
        min_size=1,
    )
)
@example({"text": "".join(map(chr, range(256)))})
def test_forms_are_those_of_the_standard_library(parameters: dict[str, str]) -> None:
    """Every character is quoted as by `urllib.parse.urlencode`, in names and in values."""
    assert encode_form(parameters) == urlencode(parameters).encode()


@pytest.mark.parametrize("method", CALLS)
async def test_sent_as_by_the_library(method: str) -> None:
    """A call is sent as by the library's own client: the canonical name of the method, one form,
    the same bytes.
    """
    result, call = CALLS[method]
    sent = []
    for kind in (HTTPXRequest, AiohttpRequest):
        async with Wire(api(result)) as server, _bot(server, kind) as bot:
            await call(bot)
        ((head, body),) = server.asked
        kinds = [line for line in head.splitlines() if line.lower().startswith("content-type")]
        sent.append((head.splitlines()[0], [line.lower() for line in kinds], body))

    assert sent[0] == sent[1]
    assert sent[1][0] == f"POST /bot{TOKEN}/{method} HTTP/1.1"


async def test_files_as_multipart() -> None:
    """A file goes as multipart with its name, beside the other parameters, as by the library."""
    sent = []
    for kind in (HTTPXRequest, AiohttpRequest):
        async with Wire(api(MESSAGE)) as server, _bot(server, kind) as bot:
            file = InputFile(b"bytes of it", filename="a ü.bin", attach=False)
            await bot.send_document(5, file, caption="c")
        ((head, body),) = server.asked
        assert "content-type: multipart/form-data" in head.lower()
        assert b"bytes of it" in body
        lines = [line for line in body.splitlines() if b"Content-Disposition" in line]
        sent.append(sorted(lines))

    assert sent[0] == sent[1]
    assert any('filename="a ü.bin"'.encode() in line for line in sent[1])


def _bot(server: Wire, kind: Callable[[], BaseRequest]) -> RelayBot:
    class Offline(RelayBot):
        """Does not ask who it is; the server here knows one answer."""

        async def initialize(self) -> None:
            """Open the requests alone."""
            await self._request[0].initialize()
            await self._request[1].initialize()

        async def shutdown(self) -> None:
            """Close them."""
            await self._request[0].shutdown()
            await self._request[1].shutdown()

    return Offline(
        TOKEN,
        base_url=f"{server.url}/bot",
        request=kind(),
        get_updates_request=kind(),
    )


async def test_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seconds of a flood limit arrive."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    async with Wire(ANSWERS["429"]) as server, AiohttpRequest() as request:
        with pytest.raises(RetryAfter, match="Retry in 0:00:07"):
            await request.post(f"{server.url}/bot{TOKEN}/getMe")


async def test_read_timeout() -> None:
    """Silence is borne as long as the constructor says, unless the call says otherwise."""
    request = AiohttpRequest(read_timeout=0.05)
    assert request.read_timeout == 0.05
    async with Wire(silence) as server, request:
        with pytest.raises(TimedOut):
            await request.post(f"{server.url}/bot{TOKEN}/getMe")


async def test_not_initialized() -> None:
    """A call before `initialize` is an error and not a hang."""
    with pytest.raises(NetworkError, match="not initialized"):
        await AiohttpRequest().post("http://127.0.0.1:1/")


async def test_open_and_close_again() -> None:
    """Opening and closing twice is harmless, and it can be opened anew."""
    request = AiohttpRequest()
    async with Wire(api(3)) as server:
        for _ in range(2):
            await request.initialize()
            await request.initialize()
            assert await request.post(f"{server.url}/bot{TOKEN}/x") == 3
            await request.shutdown()
            await request.shutdown()


async def test_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls go through the proxy of the settings; those of the environment do not count."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with Wire(api(3)) as proxy, AiohttpRequest(proxy=proxy.url) as request:
        assert await request.post("http://telegram.invalid/botx/getMe") == 3

    assert proxy.asked[0][0].startswith("POST http://telegram.invalid/botx/getMe HTTP/1.1")


async def test_socks_proxy() -> None:
    """With a SOCKS proxy the name is resolved by the proxy."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # RFC 1928: a greeting with methods, then one request with a name (type 3) and a port.
        async with closing(writer):
            await reader.readexactly(3)
            writer.write(b"\x05\x00")
            head = await reader.readexactly(5)
            asked.append(await reader.readexactly(head[4]))
            await reader.readexactly(2)
            writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50")
            await reader.readuntil(b"\r\n\r\n")
            await api(3)(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, AiohttpRequest(proxy=f"socks5h://127.0.0.1:{port}") as request:
        assert await request.post("http://telegram.invalid/botx/getMe") == 3

    assert asked == [b"telegram.invalid"]


@pytest.mark.parametrize("reply", [b"", b"\x05\x00", b"\x05\xff", b"\x05\x00\x05\x05\x00\x01"])
async def test_socks_proxy_that_does_not_connect(reply: bytes) -> None:
    """In each case the request was not sent, and the error is a known one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with closing(writer):
            await reader.readexactly(3)
            writer.write(reply)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, AiohttpRequest(proxy=f"socks5://me:hunter2@127.0.0.1:{port}") as request:
        with pytest.raises(NetworkError) as caught:
            await request.post("http://telegram.invalid/botx/getMe")

    assert isinstance(translate(caught.value), ChatUnavailable)
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


async def test_socks_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the start fails with the name of what to install."""
    monkeypatch.setitem(__import__("sys").modules, "aiohttp_socks", None)

    with pytest.raises(RuntimeError, match=r"file-relay-bot\[socks\]"):
        await AiohttpRequest(proxy="socks5://127.0.0.1:1080").initialize()


@pytest.mark.parametrize("status", [200, 403, 404, 407, 502])
@pytest.mark.parametrize("page", [b"<html>the secret of a portal</html>", b'{"torn: secret', b""])
async def test_page_of_a_proxy_is_neither_quoted_nor_traced(
    status: int, page: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """One short sentence says what answered; its status is reported, and is no refusal of ours."""
    seen: list[int] = []
    request = AiohttpRequest(answered=lambda _method, status: seen.append(status))
    async with Wire(http(status, page, Content_Type="text/html")) as wire, request:
        with pytest.raises(TelegramError) as caught:
            await request.post(wire.url, RequestData([]))
    error = translate(caught.value)

    assert type(error) is ChatUncertain
    assert "secret" not in f"{caught.value}{error}{caplog.text}"
    assert "Traceback" not in caplog.text
    assert len(str(caught.value)) < 90
    assert seen == [status]
