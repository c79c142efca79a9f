"""The way to OSS that every command opens and closes again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import OssConnection
from bot.core.ports.clock import Clock
from bot.settings import Settings
from bot.transfer.line import StoreCaller
from bot.transfer.pool import TransferPool
from bot.wiring.resources import ADMINISTRATIVE_RETRIES, ADMINISTRATIVE_THREADS, open_oss


@dataclass(frozen=True)
class StoreAccess:
    """A connection to OSS, the bucket behind it, and threads for calls that block."""

    oss: OssConnection
    store: OssBucket
    threads: StoreCaller


@asynccontextmanager
async def open_line(settings: Settings, clock: Clock) -> AsyncIterator[StoreAccess]:
    """Open the connection that the settings describe; nothing is sent yet.

    Raises:
        StoreKeyRefused: there is no access key at all.
    """
    oss = open_oss(settings, clock)
    try:
        async with TransferPool(ADMINISTRATIVE_THREADS) as pool:
            store = OssBucket(oss)
            yield StoreAccess(oss, store, StoreCaller(store, pool, ADMINISTRATIVE_RETRIES))
    finally:
        oss.close()
