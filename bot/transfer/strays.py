"""Uploads that were initiated without anybody learning of it."""

from functools import partial

from bot.core.ports.store import ObjectStore
from bot.transfer.line import StoreCaller


async def abort_strays(line: StoreCaller, key: str, *, known: str | None) -> int:
    """Abort every pending upload of exactly `key` but `known`; return how many there were.

    An `initiate` whose answer was lost leaves such an upload behind.
    """

    pending = await line.call(lambda: pending_of(line.store, key))
    strays = [upload_id for upload_id in pending if upload_id != known]
    for stray in strays:
        await line.call(partial(line.store.abort, key, stray))
    return len(strays)


def pending_of(store: ObjectStore, key: str) -> list[str]:
    """Return the ids of the pending uploads of exactly `key`. Blocks; raises `StoreError`."""
    return [upload.upload_id for upload in store.list_uploads(key) if upload.key == key]
