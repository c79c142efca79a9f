"""Uploads that were initiated without anybody learning of it."""

from functools import partial

from bot.transfer.line import StoreLine


async def abort_strays(line: StoreLine, key: str, *, known: str | None) -> int:
    """Abort every pending upload of exactly `key` but `known`; return how many there were.

    An `initiate` whose answer was lost leaves such an upload behind.
    """

    def find() -> list[str]:
        pending = line.store.list_uploads(key)
        return [one.upload_id for one in pending if one.key == key and one.upload_id != known]

    strays = await line.call(find)
    for stray in strays:
        await line.call(partial(line.store.abort, key, stray))
    return len(strays)
