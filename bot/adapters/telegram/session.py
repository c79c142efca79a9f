"""HTTP sessions towards Telegram, with the proxy that the settings ask for and no other."""

from typing import Final
from urllib.parse import urlsplit

import aiohttp

SOCKS: Final = ("socks4", "socks5", "socks5h")

READ_BUFFER: Final = 256 << 10
"""Bytes that a connection reads ahead; twice as many may wait in it before it is paused."""


def open_session(*, proxy: str | None, connections: int) -> aiohttp.ClientSession:
    """Open a session of its own connections, at most `connections` of them (0: any number).

    It keeps no cookies, leaves bodies as they arrive and ignores the proxies of the environment.
    Call it inside the event loop, and close the session there.

    Raises:
        RuntimeError: the proxy speaks SOCKS, and the library for that is not installed.
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
    """Return an error of the network as it may be chained: itself, or one like it where its text
    may have the address, and that the token or a password.
    """
    if isinstance(error, TimeoutError):
        return type(error)("too late")
    harmless = aiohttp.ClientConnectionError | aiohttp.ClientPayloadError
    if isinstance(error, aiohttp.ClientError) and not isinstance(error, harmless):
        return aiohttp.ClientError(type(error).__name__)
    return error


def _socks_connector(proxy: str, connections: int) -> aiohttp.BaseConnector:
    try:
        # An extra, for those few who need it.
        from aiohttp_socks import ProxyConnector
    except ImportError as error:
        raise RuntimeError(
            "telegram.proxy: SOCKS needs the extra of that name: file-relay-bot[socks]"
        ) from error
    # Names are resolved by the proxy, whose side may know hosts that ours must not even ask for;
    # that is what the h in "socks5h" means, and the library knows only the plain word.
    url = proxy.replace("socks5h://", "socks5://", 1)
    return ProxyConnector.from_url(url, limit=connections, rdns=True)
