"""Object storage, as the uploader, the reaper and the link use it. Every method blocks: call it
from a pool thread.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from bot.core.errors import StoreError
from bot.core.jobs import Part, Placement, StoredObject

T = TypeVar("T")


class PartBody(Protocol):
    """The bytes of one request: restartable (each `iter()` starts at the beginning), of known
    length, no iterator.

    Source: facts of alibabacloud-oss-v2 1.4.1: such a body is sent with Content-Length and may be
    sent again; the SDK refuses to retry anything that has `__next__`.
    """

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class ObjectMeta:
    """Metadata stored with an object. `public` sets the object ACL: public-read, or private where
    false.
    """

    content_type: str
    content_disposition: str
    public: bool
    cache_control: str = "no-store"


@dataclass(frozen=True, slots=True)
class PartReceipt:
    """OSS's answer to one part. `crc64` is the CRC-64/XZ that OSS computed, `None` where it sent
    none.
    """

    part_number: int
    etag: str
    size: int
    crc64: int | None


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """An object as HeadObject or a listing shows it; a listing has no CRC."""

    key: str
    size: int
    last_modified: datetime
    crc64: int | None = None


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """A multipart upload that was initiated and neither completed nor aborted."""

    key: str
    upload_id: str
    initiated_at: datetime


class ObjectStore(Protocol):
    """One bucket. One call is one attempt: nothing is retried below this port.

    Every method may raise `StoreUnavailable`, `StoreThrottled`, `ClockSkewed` (transient) and
    `StoreForbidden`, `StoreKeyRefused`, `BucketMissing`, `WrongRegion`, `AccountOverdue`,
    `StoreRefused` (permanent). `StoreIntercepted`, a `StoreUnavailable`, is an answer that is not
    the store's own: nothing is gone or complete by it. `TransferCancelled` of a body comes out
    unchanged. Thread-safe.
    """

    def put_object(self, key: str, body: PartBody, meta: ObjectMeta) -> int | None:
        """Store a whole object in one request; return the CRC-64 that OSS computed."""

    def initiate(self, key: str, meta: ObjectMeta) -> str:
        """Initiate a multipart upload; return its upload id."""

    def upload_part(
        self, key: str, upload_id: str, part_number: int, body: PartBody
    ) -> PartReceipt:
        """Upload one part (a number sent twice replaces the part). Raises `UploadGone`."""

    def complete(
        self, key: str, upload_id: str, parts: Sequence[PartReceipt], meta: ObjectMeta
    ) -> int | None:
        """Complete the upload from `parts`, ascending by number; return the CRC-64 of the object,
        `None` where the answer does not prove that there is one.

        Waits long for the answer. Raises `UploadGone` when OSS does not know the upload, which
        after a repeated call also means that an earlier one succeeded.
        """

    def copy_object(self, source: str, key: str, meta: ObjectMeta) -> int | None:
        """Copy an object of this bucket, at most 1 GiB, inside OSS; return the CRC-64 of the copy
        if OSS sends it. `meta` is set anew. Raises `ObjectGone`.
        """

    def copy_part(self, source: str, key: str, upload_id: str, part: Part) -> PartReceipt:
        """Copy a range of an object of this bucket as a part of an upload; The receipt has no CRC.
        Raises `ObjectGone`, `UploadGone`.
        """

    def abort(self, key: str, upload_id: str) -> None:
        """Abort a multipart upload; one that is gone is no error. No part may be in flight."""

    def head(self, key: str) -> ObjectStat | None:
        """Return the object, or `None` if there is none."""

    def list_parts(self, key: str, upload_id: str) -> list[PartReceipt]:
        """Return every part that OSS has, ascending by number. Raises `UploadGone`."""

    def delete(self, keys: Sequence[str]) -> Mapping[str, StoreError]:
        """Delete objects, any number, in batches of 1,000; a key that is gone is no error.

        Returns the keys that are not certainly gone, each with the reason: what the store did not
        name as deleted counts as being there. Raises what made a whole request fail, and the
        reason of a single key.
        """

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        """Iterate over all objects below `prefix`, in the order of their keys."""

    def list_uploads(self, prefix: str) -> Iterator[PendingUpload]:
        """Iterate over all pending multipart uploads below `prefix`."""


class StoreTime(Protocol):
    """The store's clock, which alone decides about links: how far it is ahead of the system's, as
    the store's answers tell.
    """

    @property
    def offset(self) -> timedelta:
        """How much the store's clock is ahead."""

    @property
    def is_current(self) -> bool:
        """Whether an answer has told the time within the last minute."""

    @property
    def clock_was_set(self) -> bool:
        """Whether the system's clock was set since the last answer; the offset is wrong then."""


class LinkSigner(Protocol):
    """Makes links; pure computation, callable from the event loop."""

    def link(
        self, key: str, *, expires_at: datetime, now: datetime, placement: Placement = ...
    ) -> str:
        """Return the URL under which anyone can read `key` until `expires_at` (aware, by the
        clock of the store). `placement` says in which bucket it is, and how it is public.

        `now` is the moment for which the caller found the link open (`core.links.is_open`), so
        that the time that passes until the call cannot change the decision.

        In `signed` mode the URL carries its own end, never later than `expires_at`; in `public`
        mode it is plain.
        """

    def end_of(self, expires_at: datetime, placement: Placement = ...) -> datetime:
        """Return when a link made now with these arguments stops working: at `expires_at`, or
        with the token that signs it.
        """


class DownloadSigner(Protocol):
    """Makes the URLs to which downloads from a page are redirected; pure computation, callable
    from the event loop.
    """

    def download_url(
        self,
        stored: StoredObject,
        *,
        expires_at: datetime,
        now: datetime,
        method: str = "GET",
        inline: bool = False,
    ) -> str:
        """Return a URL of the object that works for `method` from `now` to `expires_at` (aware, by
        the clock of the store), for whose whole seconds it is signed. With `inline` browsers are
        to show the file and not to save it, which only a domain of one's own allows.

        Raises:
            ValueError: there is not a second left, see `core.files.is_open`.
            StoreUnavailable: there is no key that could sign.
        """

    def origin_of(self, placement: Placement) -> str:
        """Return scheme and host of such URLs."""

    def shows_inline(self, placement: Placement) -> bool:
        """Return whether browsers can show files from there."""


class LinkLimit(Protocol):
    """Says how long a link can live that is about to be promised."""

    async def latest_end(self, wanted: datetime) -> datetime:
        """Return `wanted`, or the moment at which the key ends that can sign now.

        Raises:
            StoreError: no key can sign now.
        """


class AnonymousAccessCheck(Protocol):
    """Checks by unsigned requests. Every method blocks, and raises `StoreError` if the check
    fails.
    """

    def listing_possible(self) -> bool:
        """Whether an unsigned request can list the bucket."""

    def reading_possible(self) -> bool:
        """Whether an unsigned request can read a private object."""


class Threads(Protocol):
    """Where blocking calls run."""

    async def call(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread and return what it returns."""
