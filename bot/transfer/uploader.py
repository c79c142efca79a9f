"""A file on this machine becomes an object in the store, or leaves nothing behind."""

from bot.core.ports.source import Content
from bot.core.ports.store import ObjectStore
from bot.core.progress import ProgressMeter
from bot.transfer.multipart import ConcurrencyWindow
from bot.transfer.pool import TransferPool, to_the_end
from bot.transfer.store_caller import RetryPolicy, StoreCaller, abort_strays
from bot.transfer.upload_session import Target, Uploaded, UploadJournal, UploadSession

__all__ = ["RetryPolicy", "Target", "UploadJournal", "Uploaded", "Uploader"]


class Uploader:
    """Uploads files in parts, while they still arrive.

    `connections_per_file` bounds the parts in flight of one file, the pool those of all files
    together. Memory for one file: one block of 256 KiB for each part in flight and what its
    connection buffers, together below 1 MiB; nothing grows with the size of the file.
    """

    def __init__(
        self,
        store: ObjectStore,
        pool: TransferPool,
        *,
        connections_per_file: int = 8,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._store = store
        self._pool = pool
        self._connections = connections_per_file
        self._retry = retry or RetryPolicy()

    async def upload(
        self, content: Content, target: Target, meter: ProgressMeter, journal: UploadJournal
    ) -> Uploaded:
        """Upload `content` as `target.key`; return when the object is complete and verified.

        A file that is known to fit into one part is one PutObject, of which the journal hears
        nothing.

        On cancel every thread of this upload has ended when `CancelledError` leaves. Neither then
        nor on failure is anything undone here, because only the caller knows the reason: call
        `undo` where nothing shall remain, do nothing where the upload shall go on later. A cancel
        that comes after Complete was sent loses: if the object is there, it is returned as if
        nothing had happened (`Completion` holds the rule).

        Raises:
            FileEmpty: there is not one byte.
            SizeMismatch: the file turned out longer or shorter than `content.size`.
            StoreError: attempts are used up, or the error is permanent. A new try with the same
                target finds out by itself what is there and goes on from it.
            SourceError, DiskError: what `content.wait_for` raises.
        """
        passage = UploadSession(self._line(), content, target, meter, journal)
        return await passage.go(ConcurrencyWindow(self._connections))

    async def undo(self, key: str, upload_id: str | None) -> None:
        """Abort the upload and delete the object, whichever of them exist; no thread of the upload
        may run any more.

        Without an upload id every pending upload of `key` is aborted. Runs to its end however
        often it is cancelled meanwhile, and then raises `CancelledError`. A request whose answer
        never came may still be applied after this, so the key has to stay due for deletion.

        Raises:
            StoreError: all tries failed, or one was refused; both steps were tried.
        """
        await to_the_end(self._undo(key, upload_id))

    async def _undo(self, key: str, upload_id: str | None) -> None:
        line = self._line()
        try:
            if upload_id is None:
                await abort_strays(line, key, known=None)
            else:
                await line.call(lambda: self._store.abort(key, upload_id))
        finally:
            await line.call(lambda: self._store.delete([key]))

    async def abort_strays(self, key: str, *, known: str | None = None) -> int:
        """Abort every pending upload of exactly `key` but `known`; return how many there were.

        For an `initiate` whose answer was lost in a crash. Raises `StoreError`.
        """
        return await abort_strays(self._line(), key, known=known)

    def _line(self) -> StoreCaller:
        return StoreCaller(self._store, self._pool, self._retry)
