"""The way to OSS that every command opens and closes again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import OssConnection
from bot.core.ports.clock import Clock
from bot.settings import Settings
from bot.transfer.line import StoreLine
from bot.transfer.pool import TransferPool
from bot.wiring.resources import ADMINISTRATIVE_RETRIES, ADMINISTRATIVE_THREADS, open_oss


@dataclass(frozen=True)
class Line:
    """A connection to OSS, the bucket behind it, and threads for calls that block."""

    oss: OssConnection
    store: OssBucket
    threads: StoreLine


@asynccontextmanager
async def open_line(settings: Settings, clock: Clock) -> AsyncIterator[Line]:
    """Open the connection that the settings describe; nothing is sent yet.

    Raises:
        StoreKeyRefused: there is no access key at all.
    """
    oss = open_oss(settings, clock)
    try:
        async with TransferPool(ADMINISTRATIVE_THREADS) as pool:
            store = OssBucket(oss)
            yield Line(oss, store, StoreLine(store, pool, ADMINISTRATIVE_RETRIES))
    finally:
        oss.close()
