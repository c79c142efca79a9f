"""Connections to the stand-in, and strangers who open links."""

import asyncio
import http.client
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from bot.adapters.oss.client import AccessKey, BucketAddress, ConnectionLimits, OssConnection
from bot.sandbox.oss import OssStandIn

BUCKET: Final = "relay-sandbox"
QUICK: Final = ConnectionLimits(
    connections=16, minimum_rate=1 << 20, connect_timeout=5.0, answer_timeout=5.0
)
"""A stall is noticed after a quarter of a second, so that tests need not wait for it."""


def address_of(oss: OssStandIn, *, bucket: str = BUCKET) -> BucketAddress:
    """Return where a bucket of the stand-in is."""
    return BucketAddress(bucket=bucket, region=oss.region, endpoint=oss.endpoint)


def connect(
    oss: OssStandIn,
    *,
    key: AccessKey | None = None,
    limits: ConnectionLimits = QUICK,
    **changes: str,
) -> OssConnection:
    """Connect to the stand-in; `changes` replace fields of the address."""
    own = AccessKey(access_key_id=oss.access_key_id, access_key_secret=oss.access_key_secret)
    address = replace(address_of(oss), **changes)  # type: ignore[arg-type] # all are texts.
    return OssConnection(address, oss.clock, key=key or own, limits=limits)


async def open_link(url: str, *, via: str | None = None) -> tuple[int, dict[str, str], bytes]:
    """Open a URL as a stranger does; return status, headers (lower case) and body.

    `via` is the endpoint to connect to instead of the host that the URL names.
    """
    return await asyncio.to_thread(_open, url, via)


def _open(url: str, via: str | None) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(urlsplit(via or url).netloc, timeout=20)
    try:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request("GET", target, headers={"Host": parts.netloc})
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()
    finally:
        connection.close()
