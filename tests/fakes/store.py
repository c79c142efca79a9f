"""A bucket in memory that refuses as OSS does, remembers every call and fails when told to."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from bot.core.errors import Corrupted, ObjectGone, StoreError, StoreRefused, UploadGone
from bot.core.jobs import SMALLEST_PART, Part
from bot.core.ports.store import ObjectMeta, ObjectStat, PartBody, PartReceipt, PendingUpload
from bot.transfer.body import crc64

T = TypeVar("T")

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Call:
    """One call: the name of the method, the key, and the part number where there is one."""

    name: str
    key: str
    part_number: int | None = None


@dataclass
class Trouble:
    """What happens to the calls named `name` (and to one part number, if given).

    The first `skip` pass, then `times` are hit (0 = all). `act` runs in the thread of the call and
    may block or raise; `lost` applies the call first, so that raising loses its answer.
    """

    name: str
    act: Callable[[], None]
    part_number: int | None = None
    skip: int = 0
    times: int = 1
    lost: bool = False
    hits: int = 0


@dataclass
class StoredObject:
    """What an object is made of."""

    data: bytes
    meta: ObjectMeta


@dataclass
class _Upload:
    key: str
    meta: ObjectMeta
    parts: dict[int, bytes] = field(default_factory=dict)


class FakeStore:
    """Fulfils the `ObjectStore` port; thread-safe."""

    def __init__(self) -> None:
        self.objects: dict[str, StoredObject] = {}
        self.calls: list[Call] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.wrong_crc_for: set[int] = set()
        """Part numbers (0 for whole objects) that get a wrong CRC-64 next."""
        self.stuck: dict[str, StoreError] = {}
        """Keys that cannot be deleted, and why."""
        self.refuses_whole = False
        """Whether one of these makes the whole request fail, and how often that happened."""
        self.refusals = 0
        self.proves_nothing = False
        """Whether an answer to `complete` has no CRC-64."""
        self._uploads: dict[str, _Upload] = {}
        self._troubles: list[Trouble] = []
        self._lock = threading.RLock()
        self._next_id = 0

    def trouble(self, trouble: Trouble) -> Trouble:
        """Add a trouble and return it; its `hits` tell later how often it struck."""
        self._troubles.append(trouble)
        return trouble

    def trouble_first(self, trouble: Trouble) -> None:
        """Add a trouble before those that are there."""
        self._troubles.insert(0, trouble)

    def count(self, name: str) -> int:
        """Return how many calls of this name there were."""
        return sum(call.name == name for call in self.calls)

    @property
    def upload_ids(self) -> list[str]:
        """Uploads that are pending."""
        return list(self._uploads)

    def forget_upload(self, upload_id: str) -> None:
        """Lose an upload, as a lifecycle rule does."""
        del self._uploads[upload_id]

    def put_object(self, key: str, body: PartBody, meta: ObjectMeta) -> int | None:
        """Store a whole object."""

        def apply() -> int:
            data = b"".join(body)
            with self._lock:
                self.objects[key] = StoredObject(data, meta)
            return self._told(crc64(data), 0)

        return self._do(Call("put_object", key), apply)

    def initiate(self, key: str, meta: ObjectMeta) -> str:
        """Begin an upload."""

        def apply() -> str:
            with self._lock:
                self._next_id += 1
                upload_id = f"upload-{self._next_id}"
                self._uploads[upload_id] = _Upload(key, meta)
                return upload_id

        return self._do(Call("initiate", key), apply)

    def upload_part(
        self, key: str, upload_id: str, part_number: int, body: PartBody
    ) -> PartReceipt:
        """Take one part; like a server, read all of the body before judging the upload id."""

        def apply() -> PartReceipt:
            data = b"".join(body)
            if len(data) != len(body):
                raise StoreRefused("IncompleteBody")
            with self._lock:
                self._pending(key, upload_id).parts[part_number] = data
            told = self._told(crc64(data), part_number)
            return PartReceipt(part_number, _etag(data), len(data), told)

        return self._do(Call("upload_part", key, part_number), apply)

    def complete(
        self, key: str, upload_id: str, parts: Sequence[PartReceipt], meta: ObjectMeta
    ) -> int | None:
        """Put the object together, if the parts are those that were sent."""

        def apply() -> int | None:
            with self._lock:
                upload = self._pending(key, upload_id)
                data = _join(upload, parts)
                self.objects[key] = StoredObject(data, meta)
                del self._uploads[upload_id]
            return None if self.proves_nothing else self._told(crc64(data), 0)

        return self._do(Call("complete", key), apply)

    def copy_object(self, source: str, key: str, meta: ObjectMeta) -> int | None:
        """Copy an object that is there."""

        def apply() -> int:
            data = self._source(source)
            self.objects[key] = StoredObject(data, meta)
            return self._told(crc64(data), 0)

        return self._do(Call("copy_object", key), apply)

    def copy_part(self, source: str, key: str, upload_id: str, part: Part) -> PartReceipt:
        """Copy a stretch of an object that is there."""

        def apply() -> PartReceipt:
            data = self._source(source)[part.offset : part.end]
            with self._lock:
                self._pending(key, upload_id).parts[part.number] = data
            return PartReceipt(part.number, _etag(data), len(data), None)

        return self._do(Call("copy_part", key, part.number), apply)

    def _source(self, key: str) -> bytes:
        stored = self.objects.get(key)
        if stored is None:
            raise ObjectGone("NoSuchKey")
        return stored.data

    def abort(self, key: str, upload_id: str) -> None:
        """Forget an upload."""
        self._do(Call("abort", key), lambda: self._uploads.pop(upload_id, None))

    def head(self, key: str) -> ObjectStat | None:
        """Look at an object."""
        return self._do(Call("head", key), lambda: self._stat(key, with_crc=True))

    def list_parts(self, key: str, upload_id: str) -> list[PartReceipt]:
        """List the parts that have arrived."""

        def apply() -> list[PartReceipt]:
            with self._lock:
                parts = sorted(self._pending(key, upload_id).parts.items())
            return [PartReceipt(n, _etag(data), len(data), crc64(data)) for n, data in parts]

        return self._do(Call("list_parts", key), apply)

    def delete(self, keys: Sequence[str]) -> dict[str, StoreError]:
        """Delete objects, but those that are `stuck`; a single one of them raises."""
        left = {key: self.stuck[key] for key in keys if key in self.stuck}
        if left and (len(keys) == 1 or self.refuses_whole):
            self.refusals += 1
            raise next(iter(left.values()))
        for key in keys:
            self._do(Call("delete", key), partial(self._delete, key))
        return left

    def _delete(self, key: str) -> None:
        if key not in self.stuck:
            self.objects.pop(key, None)

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        """Walk objects by key."""
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        for key in self._do(Call("list_objects", prefix), lambda: keys):
            stat = self._stat(key, with_crc=False)
            if stat:
                yield stat

    def list_uploads(self, prefix: str) -> Iterator[PendingUpload]:
        """Walk pending uploads by key and id."""

        def apply() -> list[PendingUpload]:
            with self._lock:
                found = [(u.key, i) for i, u in self._uploads.items() if u.key.startswith(prefix)]
            return [PendingUpload(key, upload_id, LONG_AGO) for key, upload_id in sorted(found)]

        yield from self._do(Call("list_uploads", prefix), apply)

    def _do(self, call: Call, apply: Callable[[], T]) -> T:
        with self._lock:
            self.calls.append(call)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            trouble = self._next_trouble(call)
        try:
            if trouble and not trouble.lost:
                trouble.act()
            result = apply()
            if trouble and trouble.lost:
                trouble.act()
            return result
        finally:
            with self._lock:
                self.in_flight -= 1

    def _next_trouble(self, call: Call) -> Trouble | None:
        for trouble in self._troubles:
            if trouble.name != call.name or trouble.part_number not in {None, call.part_number}:
                continue
            if trouble.skip > 0:
                trouble.skip -= 1
            elif not trouble.times or trouble.hits < trouble.times:
                trouble.hits += 1
                return trouble
        return None

    def _pending(self, key: str, upload_id: str) -> _Upload:
        upload = self._uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise UploadGone("NoSuchUpload")
        return upload

    def _stat(self, key: str, *, with_crc: bool) -> ObjectStat | None:
        stored = self.objects.get(key)
        if stored is None:
            return None
        crc = crc64(stored.data) if with_crc else None
        return ObjectStat(key, len(stored.data), LONG_AGO, crc)

    def _told(self, crc: int, number: int) -> int:
        if number in self.wrong_crc_for:
            self.wrong_crc_for.discard(number)
            return crc ^ 1
        return crc


def _etag(data: bytes) -> str:
    return f'"{crc64(data):016X}"'


def _join(upload: _Upload, parts: Sequence[PartReceipt]) -> bytes:
    numbers = [part.part_number for part in parts]
    if not numbers or numbers != sorted(set(numbers)):
        raise StoreRefused("InvalidPartOrder")
    for part in parts:
        data = upload.parts.get(part.part_number)
        if data is None or _etag(data) != part.etag:
            raise Corrupted(f"InvalidPart: {part.part_number}")
        if len(data) < SMALLEST_PART and part is not parts[-1]:
            raise StoreRefused(f"EntityTooSmall: {part.part_number}")
    return b"".join(upload.parts[number] for number in numbers)
