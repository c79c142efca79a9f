"""HTTP to Telegram over aiohttp: sessions with the proxy of the settings, PTB's Bot API calls, and
PTB's bot with calls whose answers are left unread.
"""

import json
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from telegram._utils.defaultvalue import DefaultValue
from telegram._utils.types import ODVInput
from telegram.error import NetworkError, RetryAfter, TelegramError, TimedOut
from telegram.ext import ExtBot
from telegram.request import BaseRequest, RequestData
from yarl import URL

SOCKS: Final = ("socks4", "socks5", "socks5h")

READ_BUFFER: Final = 256 << 10
"""Bytes that a connection reads ahead; twice as many may be buffered before reading is paused."""


def open_session(*, proxy: str | None, connections: int) -> aiohttp.ClientSession:
    """Open a session of its own connections, at most `connections` of them (0: any number).

    It keeps no cookies, leaves bodies as they arrive and ignores the proxies of the environment.
    Call it inside the event loop, and close the session there.

    Raises:
        RuntimeError: the proxy is a SOCKS proxy, and the library for that is not installed.
    """
    is_socks = proxy is not None and urlsplit(proxy).scheme in SOCKS
    connector = (
        _socks_connector(proxy, connections)
        if proxy is not None and is_socks
        else aiohttp.TCPConnector(limit=connections)
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        proxy=None if is_socks else proxy,
        read_bufsize=READ_BUFFER,
    )


def without_address(error: Exception) -> Exception:
    """Return a network error that is safe to chain: itself, or a copy without its text if that may
    contain the address, and with it the token or a password.
    """
    if isinstance(error, TimeoutError):
        return type(error)("too late")
    harmless = aiohttp.ClientConnectionError | aiohttp.ClientPayloadError
    if isinstance(error, aiohttp.ClientError) and not isinstance(error, harmless):
        return aiohttp.ClientError(type(error).__name__)
    return error


def _socks_connector(proxy: str, connections: int) -> aiohttp.BaseConnector:
    try:
        # An optional dependency, which few need.
        from aiohttp_socks import (
            ProxyConnectionError,
            ProxyConnector,
            ProxyError,
            ProxyTimeoutError,
        )
    except ImportError as error:
        raise RuntimeError(
            "telegram.proxy: SOCKS needs the extra of that name: file-relay-bot[socks]"
        ) from error
    failures = (ProxyConnectionError, ProxyError, ProxyTimeoutError)

    class Connector(ProxyConnector):
        async def connect(self, *args: Any, **kwargs: Any) -> aiohttp.connector.Connection:
            try:
                return await super().connect(*args, **kwargs)
            except (*failures, EOFError, ValueError) as error:
                # Of no type that callers know: neither of aiohttp nor of the system.
                kind = type(error).__name__
                raise ConnectionRefusedError(f"the proxy cannot connect: {kind}") from error

    # Names are resolved by the proxy, which may know hosts that must not be looked up on our side;
    # that is the meaning of the h in "socks5h", and the library knows only the plain word.
    url = proxy.replace("socks5h://", "socks5://", 1)
    return Connector.from_url(url, limit=connections, rdns=True)


POOL: Final = 64
"""Calls at the same time; further ones wait for a connection, at most `pool_timeout`."""

Answered = Callable[[str, int], None]
"""Called after every call with its method and the HTTP status of its answer, 0 without one."""

_DEFAULT: Final = BaseRequest.DEFAULT_NONE


class AiohttpRequest(BaseRequest):
    """PTB's interface for HTTP clients over aiohttp; sends and behaves as PTB's own client does.

    Time-outs are seconds: `connect_timeout` for a connection, `pool_timeout` for a free place in
    the pool, `read_timeout` between bytes of an answer. There is no time-out for writing, because
    aiohttp has none; the bot's requests fit into the buffers of the system.

    Raises `TimedOut` and `NetworkError`; neither they nor their causes contain the address,
    because it includes the token. A cause of the type `aiohttp.ClientConnectorError` or
    `aiohttp.ConnectionTimeoutError` means that nothing was sent.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        connections: int = POOL,
        read_timeout: float | None = 20.0,
        connect_timeout: float | None = 10.0,
        pool_timeout: float | None = 20.0,
        answered: Answered = lambda _method, _status: None,
    ) -> None:
        self._proxy = proxy
        self._connections = connections
        self._read = read_timeout
        self._connect = connect_timeout
        self._pool = pool_timeout
        self._answered = answered
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"AiohttpRequest(connections={self._connections}, read_timeout={self._read})"

    @property
    def read_timeout(self) -> float | None:
        """Default of the seconds without data before a call fails."""
        return self._read

    async def initialize(self) -> None:
        """Open the session; does nothing if it is open.

        Raises:
            RuntimeError: the proxy is a SOCKS proxy, and the library for that is not installed.
        """
        if self._session is None or self._session.closed:
            self._session = open_session(proxy=self._proxy, connections=self._connections)

    async def shutdown(self) -> None:
        """Close every connection; does nothing if they are closed."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def do_request(  # noqa: PLR0913, PLR0917 - the library's signature.
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: ODVInput[float] = _DEFAULT,
        write_timeout: ODVInput[float] = _DEFAULT,  # noqa: ARG002 - the library's signature.
        connect_timeout: ODVInput[float] = _DEFAULT,
        pool_timeout: ODVInput[float] = _DEFAULT,
    ) -> tuple[int, bytes]:
        """Send one request and return status and body of the answer, whether it succeeded or
        not. An answer of something that is not the Bot API is a `NetworkError`.
        """
        timeout = _timeout(
            read=_given(read_timeout, self._read),
            connect=_given(connect_timeout, self._connect),
            pool=_given(pool_timeout, self._pool),
        )
        status = 0
        try:
            status, kind, body = await self._send(url, method, request_data, timeout)
        except aiohttp.ConnectionTimeoutError as error:
            raise TimedOut("Timed out: no connection") from without_address(error)
        except TimeoutError as error:
            raise TimedOut("Timed out: no answer") from without_address(error)
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkError(f"aiohttp.{type(error).__name__}") from without_address(error)
        finally:
            # The rest of the URL contains the token.
            self._answered(url.rpartition("/")[2], status)
        if not _is_answer(status, body):
            raise ForeignAnswer(status, kind)
        return status, body

    async def _send(
        self,
        url: str,
        method: str,
        request_data: RequestData | None,
        timeout: aiohttp.ClientTimeout,
    ) -> tuple[int, str, bytes]:
        if self._session is None:
            raise RuntimeError("this request is not initialized")
        headers = {"User-Agent": self.USER_AGENT}
        body = _body(request_data, headers)
        async with self._session.request(
            method,
            url,
            data=body,
            headers=headers,
            # aiohttp names a type of an empty body too.
            skip_auto_headers=("Content-Type",) if body is None else None,
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            return response.status, response.content_type, await response.read()

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Parse the answer of a call. PTB's own function logs what it cannot parse, which may be a
        page of any length, with a traceback.
        """
        try:
            parsed: dict[str, Any] = json.loads(payload.decode(errors="replace"))
        except ValueError:
            raise TelegramError("Invalid server response") from None
        return parsed


class ForeignAnswer(NetworkError):
    """Something that is not the Bot API answered, such as a proxy. The text contains nothing of
    its body.
    """

    def __init__(self, status: int, content_type: str) -> None:
        kind = content_type[:40] if content_type.isprintable() else "of no type"
        super().__init__(f"something that is not Telegram answered: HTTP {status}, {kind}")


_JSON: Final = re.compile(rb'\s*[\[{"\-0-9tfn]')
"""The begin of any JSON."""


def _is_answer(status: int, body: bytes) -> bool:
    """Return whether a body may be of the Bot API. Errors are looked at whole, because PTB quotes
    a body that it cannot parse.
    """
    if not _JSON.match(body):
        return False
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return True
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def _given(value: ODVInput[float], default: float | None) -> float | None:
    return default if isinstance(value, DefaultValue) else value


def _timeout(
    *, read: float | None, connect: float | None, pool: float | None
) -> aiohttp.ClientTimeout:
    # aiohttp's `connect` covers both the wait for a free connection and establishing one.
    turn = None if connect is None or pool is None else connect + pool
    return aiohttp.ClientTimeout(total=None, connect=turn, sock_connect=connect, sock_read=read)


def _body(
    request_data: RequestData | None, headers: dict[str, str]
) -> aiohttp.FormData | bytes | None:
    """Encode the parameters as PTB's own client does: as a form, with files among them as
    multipart, and as no body where there are none.

    Telegram takes JSON too; emulators and proxies often do not (source: python-telegram-bot 22.8,
    `telegram/request/_httpxrequest.py`, `do_request`).
    """
    if request_data is None or not request_data.parameters:
        return None
    if not request_data.contains_files:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return encode_form(request_data.json_parameters)
    # Names of files as they are: the server does not decode percent signs.
    form = aiohttp.FormData(quote_fields=False)
    for name, value in request_data.json_parameters.items():
        form.add_field(name, value)
    for name, (filename, content, mime_type) in request_data.multipart_data.items():
        form.add_field(name, content, filename=filename, content_type=mime_type)
    return form


_RESERVED: Final = {char: f"%{ord(char):02X}" for char in "!$'()*,/:?@"}
"""What a URL may have in its query as it is, and `urllib.parse.urlencode` quotes."""


def encode_form(parameters: Mapping[str, str]) -> bytes:
    """Encode parameters as `urllib.parse.urlencode` does, in a twentieth of its time, which is a
    millisecond for a message with a link. Half characters (surrogates) are left out.
    """
    query = URL.build(query=parameters).raw_query_string
    for char, quoted in _RESERVED.items():
        query = query.replace(char, quoted)
    return query.encode()


class RelayBot(ExtBot[None]):
    """PTB's bot, with calls that return the answer as it came. PTB reads an answer only where
    every field that its own version of the Bot API requires is there, and answers of older servers
    lack some.

    The calls raise PTB's errors; `do_api_request` warns of methods that PTB knows.
    """

    async def get_raw_updates(
        self, *, offset: int, timeout: int, allowed_updates: Sequence[str], read_timeout: float
    ) -> Any:
        """Call `getUpdates`: one update that PTB cannot read would cost the whole batch."""
        parameters = {"offset": offset, "timeout": timeout, "allowed_updates": allowed_updates}
        return await self._post("getUpdates", parameters, read_timeout=read_timeout)

    async def get_raw_chat_member(self, chat_id: int, user_id: int) -> Any:
        """Call `getChatMember`: older servers lack rights that PTB requires (`can_edit_tag`, Bot
        API 9.5).
        """
        return await self._post("getChatMember", {"chat_id": chat_id, "user_id": user_id})

    async def place_message(
        self, parameters: dict[str, Any], *, read_timeout: float, method: str = "sendMessage"
    ) -> int:
        """Call `sendMessage`, or `sendPhoto`, and return the id of the message; all else of the
        answer, which holds the message that is replied to, stays unread.
        """
        answer = await self._post(method, parameters, read_timeout=read_timeout)
        message_id = answer.get("message_id") if isinstance(answer, dict) else None
        if not isinstance(message_id, int):
            raise UnreadableAnswer(f"{method}: no message")
        return message_id


class TokenRefused(Exception):
    """Telegram does not know the token (any more)."""

    def __init__(self) -> None:
        super().__init__("Telegram refuses telegram.token; @BotFather shows the current one")


# The library reads JSON without checking it: a missing field or one of another type causes any of
# these errors, deep inside. Other servers than Telegram's own, and proxies, send such answers.
UNREADABLE: Final = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,  # OverflowError, from a date; OSError likewise.
    OSError,
    RecursionError,
)


class UnreadableAnswer(TelegramError):
    """The library could not read an answer; whether the call was applied is unknown. The text
    contains nothing of the answer.
    """


@contextmanager
def readable_answers() -> Iterator[None]:
    """Translate errors of the library while it reads an answer into `UnreadableAnswer`.

    Errors that do not come from inside the library are defects of ours and propagate unchanged.
    """
    try:
        yield
    except UNREADABLE as error:
        if not _came_from_library(error):
            raise
        raise UnreadableAnswer(f"unreadable answer: {type(error).__name__}") from error


def _came_from_library(error: BaseException) -> bool:
    modules = (
        frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)
    )
    return any(module.partition(".")[0] == "telegram" for module in modules)


LONGEST_WAIT: Final = 30.0


def wait_after(error: TelegramError, troubles: int) -> float:
    """Return the seconds to wait after failure number `troubles` (from 1) in a row: as long as
    Telegram asks, but at least one, or twice as long each time.
    """
    if isinstance(error, RetryAfter):
        wait = error.retry_after
        # A proxy may ask for none at all.
        return max(1.0, wait.total_seconds() if isinstance(wait, timedelta) else float(wait))
    return min(LONGEST_WAIT, 2.0 ** min(troubles - 1, 6))
