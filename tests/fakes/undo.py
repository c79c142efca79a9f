"""Removes what an upload has left, as the reaper does for a job that was given up."""

import asyncio

from bot.core.ports.store import ObjectStore
from bot.transfer.pool import pending_of


async def undo(store: ObjectStore, key: str) -> None:
    """Abort every pending upload of `key`, and delete the object."""
    await asyncio.to_thread(_undo, store, key)


def _undo(store: ObjectStore, key: str) -> None:
    for upload_id in pending_of(store, key):
        store.abort(key, upload_id)
    store.delete([key])
