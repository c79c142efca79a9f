"""A store whose every call is noted: what was asked, and how it ended."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bot.core.errors import StoreError
from bot.core.objects import Part
from bot.core.ports.store import (
    ObjectMeta,
    ObjectStat,
    ObjectStore,
    PartBody,
    PartReceipt,
    PendingUpload,
)

Note = Callable[[str, str], None]
"""Takes the operation and the error code, empty after a success; called in the call's thread."""


class WatchedStore:
    """Fulfils the `ObjectStore` port by handing every call on. Thread-safe as the store below.

    A call that we cancelled says nothing about the store, and is not noted.
    """

    def __init__(self, store: ObjectStore, note: Note) -> None:
        self._store = store
        self._note = note

    @contextmanager
    def _noted(self, operation: str) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            self._note(operation, error.code)
            raise
        self._note(operation, "")

    def put_object(self, key: str, body: PartBody, meta: ObjectMeta) -> int | None:
        """Store a whole object."""
        with self._noted("put_object"):
            return self._store.put_object(key, body, meta)

    def initiate(self, key: str, meta: ObjectMeta) -> str:
        """Initiate a multipart upload."""
        with self._noted("initiate"):
            return self._store.initiate(key, meta)

    def upload_part(
        self, key: str, upload_id: str, part_number: int, body: PartBody
    ) -> PartReceipt:
        """Upload one part."""
        with self._noted("upload_part"):
            return self._store.upload_part(key, upload_id, part_number, body)

    def complete(
        self, key: str, upload_id: str, parts: Sequence[PartReceipt], meta: ObjectMeta
    ) -> int | None:
        """Complete the upload."""
        with self._noted("complete"):
            return self._store.complete(key, upload_id, parts, meta)

    def copy_object(self, source: str, key: str, meta: ObjectMeta) -> int | None:
        """Copy an object inside OSS."""
        with self._noted("copy_object"):
            return self._store.copy_object(source, key, meta)

    def copy_part(self, source: str, key: str, upload_id: str, part: Part) -> PartReceipt:
        """Copy a stretch of an object as a part."""
        with self._noted("copy_part"):
            return self._store.copy_part(source, key, upload_id, part)

    def abort(self, key: str, upload_id: str) -> None:
        """Abort a multipart upload."""
        with self._noted("abort"):
            self._store.abort(key, upload_id)

    def head(self, key: str) -> ObjectStat | None:
        """Return the object, or `None`."""
        with self._noted("head"):
            return self._store.head(key)

    def list_parts(self, key: str, upload_id: str) -> list[PartReceipt]:
        """Return every part that OSS has."""
        with self._noted("list_parts"):
            return self._store.list_parts(key, upload_id)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects."""
        with self._noted("delete"):
            self._store.delete(keys)

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        """Walk all objects below `prefix`; the walk is noted at its end."""
        with self._noted("list_objects"):
            yield from self._store.list_objects(prefix)

    def list_uploads(self, prefix: str) -> Iterator[PendingUpload]:
        """Walk all pending uploads below `prefix`; the walk is noted at its end."""
        with self._noted("list_uploads"):
            yield from self._store.list_uploads(prefix)
