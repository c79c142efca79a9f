"""One bucket: the `ObjectStore` port, and the links to its objects."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import urlsplit

import alibabacloud_oss_v2 as oss
from alibabacloud_oss_v2.types import HttpRequest, SigningContext

from bot.adapters.oss.client import PRODUCT, BucketAddress, OssConnection
from bot.adapters.oss.connections import translated
from bot.adapters.oss.errors import ObjectMissing
from bot.adapters.oss.keys import with_second_try
from bot.core.errors import ObjectGone, StoreError, StoreUnavailable, UploadGone
from bot.core.files import LinkMode, is_open
from bot.core.jobs import Part, Placement, StoredObject
from bot.core.limits import BoundedMap
from bot.core.ports.store import ObjectMeta, ObjectStat, PartBody, PartReceipt, PendingUpload

INLINE: Final = "response-content-disposition=inline"
"""In a signed URL; OSS answers with this disposition instead of the stored one (source: OSS API
reference, "GetObject").
"""


SECOND: Final = timedelta(seconds=1)


class OssLinkSigner:
    """Implements the ports `LinkSigner` and `DownloadSigner`; pure computation, about 0.1 ms, from
    any thread.

    The file name and type are stored with the object, so the URL need not repeat them. With an STS
    token a signed link expires with the token: see `end_of`.
    """

    def __init__(self, connection: OssConnection, mode: LinkMode) -> None:
        self._connection = connection
        self._mode = mode
        self._signed: BoundedMap[tuple[object, ...], str] = BoundedMap(64)
        self._origins: BoundedMap[Placement, str] = BoundedMap(64)

    @property
    def credentials_are_temporary(self) -> bool:
        """Whether signed links may end before `expires_at`, because an STS token signs them."""
        return self._connection.credentials_are_temporary

    def end_of(self, expires_at: datetime, placement: Placement = Placement()) -> datetime:  # noqa: B008 -- frozen.
        """Return when a link made now stops working: with the token that signs it, at the
        latest.
        """
        if (placement.mode or self._mode) is LinkMode.PUBLIC:
            return expires_at
        return self._connection.signable_until(expires_at)

    def link(
        self,
        key: str,
        *,
        expires_at: datetime,
        now: datetime,
        placement: Placement = Placement(),  # noqa: B008 -- frozen.
    ) -> str:
        """Return the URL of `key`; both moments are by OSS's clock.

        Signed: the link ends at `expires_at`, in whole seconds, rounded down. Public: the plain
        URL, which only deleting the object ends.

        Raises:
            ValueError: the link is not open at `now`, see `core.links.is_open` (signed mode).
        """
        address = self._connection.address.of(placement.bucket, placement.region)
        if (placement.mode or self._mode) is LinkMode.PUBLIC:
            return address.object_url(key)
        request = HttpRequest("GET", address.object_url(key))
        return self._sign(address, key, request, expires_at, now)

    def download_url(
        self,
        stored: StoredObject,
        *,
        expires_at: datetime,
        now: datetime,
        method: str = "GET",
        inline: bool = False,
    ) -> str:
        """Return a URL of a private object for one method; OSS refuses others with it. Not from
        several threads at once.
        """
        placement = stored.placement
        # Signatures are by the second: those who ask in the same one get the same URL.
        second = now.replace(microsecond=0)
        what = (stored.key, placement, method, inline, second, (expires_at - now) // SECOND)
        if (known := self._signed.get(what)) is not None:
            return known
        address = self._connection.address.of(placement.bucket, placement.region)
        url = address.object_url(stored.key)
        request = HttpRequest(method, f"{url}?{INLINE}" if inline else url)
        signed = self._sign(address, stored.key, request, expires_at, now)
        self._signed.set(what, signed)
        return signed

    def origin_of(self, placement: Placement) -> str:
        """Return scheme and host of such URLs."""
        if (known := self._origins.get(placement)) is not None:
            return known
        address = self._connection.address.of(placement.bucket, placement.region)
        parts = urlsplit(address.object_url(""))
        origin = f"{parts.scheme}://{parts.netloc}"
        self._origins.set(placement, origin)
        return origin

    def shows_inline(self, placement: Placement) -> bool:
        """Return whether they have a domain of the operator: on others OSS forces a download
        (source: OSS help 0048-00000101).
        """
        address = self._connection.address.of(placement.bucket, placement.region)
        return address.link_domain is not None

    def _sign(
        self,
        address: BucketAddress,
        key: str,
        request: HttpRequest,
        expires_at: datetime,
        now: datetime,
    ) -> str:
        if not is_open(expires_at, now):
            raise ValueError("a link must have at least a second to live")
        context = SigningContext(
            product=PRODUCT,
            region=address.region,
            bucket=address.bucket,
            key=key,
            request=request,
            credentials=self._connection.keys.current().for_sdk(),
            signing_time=now,
        )
        # Signed by hand and not with Client.presign, which reads the system's clock.
        context.auth_method_query = True
        # Counted from the moment of signing, or the link would outlive its end.
        context.expiration_time = now + timedelta(
            seconds=(expires_at - now) // timedelta(seconds=1)
        )
        self._connection.signer.sign(context)
        return request.url


P = TypeVar("P")

STORAGE_CLASS: Final = "Standard"
"""Always sent, because the default is the class of the bucket: others bill at least 30 days, and
archives cannot be read (source: OSS documentation, "Storage classes").
"""

DELETED_AT_ONCE: Final = 1000
"""Keys in one DeleteMultipleObjects (source: OSS API reference)."""
LISTED_AT_ONCE: Final = 250
"""Entries of a page: about 100 kB, which come within the deadline of a call on the slowest line
that counts as one.
"""
KEY_IN_ANSWER: Final = 300
"""Bytes that the answer to a deletion has for each key, and the request too, at most."""


Answered = Callable[[str, str], None]
"""Called with the operation and the error code ("" after a success) of every call, in its
thread.
"""


def unnoted(_operation: str, _code: str) -> None:
    """Ignore the outcome of a call."""


@contextmanager
def noted(operation: str, answered: Answered) -> Iterator[None]:
    """Report the outcome of the block, which is one call of the `ObjectStore` port.

    A cancelled call shows nothing about the store and is not reported.
    """
    try:
        yield
    except StoreError as error:
        answered(operation, error.code)
        raise
    answered(operation, "")


class OssBucket:
    """Implements the `ObjectStore` port through the SDK's synchronous client. Thread-safe.

    `answered` is called after every call of the port that was not cancelled.
    """

    def __init__(self, connection: OssConnection, answered: Answered = unnoted) -> None:
        self._client = connection.client
        self._keys = connection.keys
        self._answered = answered
        self._bucket = connection.address.bucket
        self._limits = connection.limits
        self._move_deadline = connection.limits.complete_timeout

    def put_object(self, key: str, body: PartBody, meta: ObjectMeta) -> int | None:
        """Store a whole object."""
        request = oss.PutObjectRequest(
            bucket=self._bucket,
            key=key,
            body=body,
            acl=_acl(meta),
            content_type=meta.content_type,
            content_disposition=meta.content_disposition,
            cache_control=meta.cache_control,
            storage_class=STORAGE_CLASS,
        )
        with self._call("put_object"):
            return _crc64(self._client.put_object(request).hash_crc64)

    def initiate(self, key: str, meta: ObjectMeta) -> str:
        """Initiate a multipart upload. The ACL is set by Complete, where OSS accepts it."""
        request = oss.InitiateMultipartUploadRequest(
            bucket=self._bucket,
            key=key,
            content_type=meta.content_type,
            content_disposition=meta.content_disposition,
            cache_control=meta.cache_control,
            storage_class=STORAGE_CLASS,
        )
        with self._call("initiate"):
            result = self._client.initiate_multipart_upload(request)
            if not result.upload_id:
                raise StoreUnavailable("InitiateMultipartUpload: the answer has no upload id")
            return result.upload_id

    def upload_part(
        self, key: str, upload_id: str, part_number: int, body: PartBody
    ) -> PartReceipt:
        """Upload one part."""
        request = oss.UploadPartRequest(
            bucket=self._bucket,
            key=key,
            upload_id=upload_id,
            part_number=part_number,
            body=body,
        )
        with self._call("upload_part"):
            result = self._client.upload_part(request)
        return PartReceipt(part_number, result.etag or "", len(body), _crc64(result.hash_crc64))

    def complete(
        self, key: str, upload_id: str, parts: Sequence[PartReceipt], meta: ObjectMeta
    ) -> int | None:
        """Complete the upload."""
        listed = [oss.UploadPart(part_number=p.part_number, etag=p.etag) for p in parts]
        request = oss.CompleteMultipartUploadRequest(
            bucket=self._bucket,
            key=key,
            upload_id=upload_id,
            acl=_acl(meta),
            complete_multipart_upload=oss.CompleteMultipartUpload(parts=listed),
        )
        with self._call("complete"):
            result = self._client.complete_multipart_upload(
                request, readwrite_timeout=self._move_deadline
            )
        # Without its ETag it is not the answer that is documented: nothing in it is believed.
        return _crc64(result.hash_crc64) if result.etag else None

    def copy_object(self, source: str, key: str, meta: ObjectMeta) -> int | None:
        """Copy an object inside OSS; names, type and ACL are those of `meta`."""
        request = oss.CopyObjectRequest(
            bucket=self._bucket,
            key=key,
            source_bucket=self._bucket,
            source_key=source,
            acl=_acl(meta),
            metadata_directive="REPLACE",
            content_type=meta.content_type,
            content_disposition=meta.content_disposition,
            cache_control=meta.cache_control,
            storage_class=STORAGE_CLASS,
        )
        with self._call("copy_object"), _source_may_be_gone(source), translated():
            result = self._client.copy_object(request, readwrite_timeout=self._move_deadline)
        return _crc64(result.hash_crc64)

    def copy_part(self, source: str, key: str, upload_id: str, part: Part) -> PartReceipt:
        """Copy a range of an object as a part."""
        request = oss.UploadPartCopyRequest(
            bucket=self._bucket,
            key=key,
            upload_id=upload_id,
            part_number=part.number,
            source_bucket=self._bucket,
            source_key=source,
            source_range=f"bytes={part.offset}-{part.end - 1}",
        )
        with self._call("copy_part"), _source_may_be_gone(source), translated():
            result = self._client.upload_part_copy(request, readwrite_timeout=self._move_deadline)
        return PartReceipt(part.number, result.etag or "", part.size, None)

    def abort(self, key: str, upload_id: str) -> None:
        """Abort the upload; one that is gone is no error."""
        request = oss.AbortMultipartUploadRequest(
            bucket=self._bucket, key=key, upload_id=upload_id
        )
        with self._call("abort"), suppress(UploadGone), translated():
            self._client.abort_multipart_upload(request)

    def head(self, key: str) -> ObjectStat | None:
        """Return the object, or `None` if there is none."""
        request = oss.HeadObjectRequest(bucket=self._bucket, key=key)
        with self._call("head"), suppress(ObjectMissing), translated():
            result = self._client.head_object(request)
            return ObjectStat(
                key=key,
                size=result.content_length or 0,
                last_modified=_utc(result.last_modified),
                crc64=_crc64(result.hash_crc64),
            )
        return None

    def storage_class(self, key: str) -> str:
        """Return the storage class of an object; `ObjectGone` without one."""
        with self._call("head"), _source_may_be_gone(key), translated():
            head = self._client.head_object(oss.HeadObjectRequest(bucket=self._bucket, key=key))
            # Absent in the answers of servers that have no classes.
            return head.storage_class or STORAGE_CLASS

    def list_parts(self, key: str, upload_id: str) -> list[PartReceipt]:
        """Return every part that OSS has."""
        request = oss.ListPartsRequest(
            bucket=self._bucket, key=key, upload_id=upload_id, max_parts=LISTED_AT_ONCE
        )
        pages = self._client.list_parts_paginator().iter_page(request)
        with self._call("list_parts"):
            return [
                PartReceipt(
                    part_number=int(part.part_number or 0),
                    etag=part.etag or "",
                    size=int(part.size or 0),
                    crc64=_crc64(part.hash_crc64),
                )
                for page in pages
                for part in page.parts or []
            ]

    def delete(self, keys: Sequence[str]) -> dict[str, StoreError]:
        """Delete objects; a single one by the cheaper call."""
        with self._call("delete"):
            if len(keys) == 1:
                self._client.delete_object(
                    oss.DeleteObjectRequest(bucket=self._bucket, key=keys[0])
                )
                return {}
            left: dict[str, StoreError] = {}
            for first in range(0, len(keys), DELETED_AT_ONCE):
                left |= self._delete_batch(keys[first : first + DELETED_AT_ONCE])
            return left

    def _delete_batch(self, keys: Sequence[str]) -> dict[str, StoreError]:
        # Verbose, because a quiet answer is empty: only a verbose one lists the deleted keys.
        listed = [oss.ObjectIdentifier(key=key) for key in keys]
        request = oss.DeleteMultipleObjectsRequest(
            bucket=self._bucket, encoding_type="url", delete=oss.Delete(objects=listed)
        )
        deadline = self._limits.deadline_for(2 * KEY_IN_ANSWER * len(keys))
        result = self._client.delete_multiple_objects(request, readwrite_timeout=deadline)
        gone = {deleted.key for deleted in result.deleted_objects or []}
        why = StoreUnavailable("DeleteMultipleObjects: the answer does not name the key")
        return {key: why for key in keys if key not in gone}

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        """Walk objects, page by page."""
        request = oss.ListObjectsV2Request(
            bucket=self._bucket, prefix=prefix, encoding_type="url", max_keys=LISTED_AT_ONCE
        )
        pages = self._client.list_objects_v2_paginator().iter_page(request)
        with noted("list_objects", self._answered):
            for page in _each(pages):
                for found in page.contents or []:
                    yield ObjectStat(
                        str(found.key), int(found.size or 0), _utc(found.last_modified)
                    )

    def list_uploads(self, prefix: str) -> Iterator[PendingUpload]:
        """Walk pending uploads, page by page."""
        request = oss.ListMultipartUploadsRequest(
            bucket=self._bucket, prefix=prefix, encoding_type="url", max_uploads=LISTED_AT_ONCE
        )
        pages = self._client.list_multipart_uploads_paginator().iter_page(request)
        with noted("list_uploads", self._answered):
            for page in _each(pages):
                for found in page.uploads or []:
                    yield PendingUpload(
                        str(found.key), str(found.upload_id), _utc(found.initiated)
                    )

    @contextmanager
    def _call(self, operation: str) -> Iterator[None]:
        with noted(operation, self._answered), with_second_try(self._keys), translated():
            yield


class OssStores:
    """The store of each bucket that objects are in: that of the settings, and earlier ones, which
    the same key opens as far as it may. Thread-safe.
    """

    def __init__(
        self, connection: OssConnection, store: OssBucket, answered: Answered = unnoted
    ) -> None:
        self._connection = connection
        self._store = store
        self._answered = answered
        self._others: dict[tuple[str, str], tuple[OssConnection, OssBucket]] = {}
        self._lock = threading.Lock()

    def of(self, placement: Placement) -> OssBucket:
        """Return the store in which an object of this placement is: the same for each bucket."""
        place = placement.bucket, placement.region
        with self._lock:
            if place not in self._others:
                connection = self._connection.of(*place)
                if connection is self._connection:
                    return self._store
                self._others[place] = connection, OssBucket(connection, self._answered)
            return self._others[place][1]

    def close(self) -> None:
        """Close the connections to earlier buckets."""
        for connection, _ in self._others.values():
            connection.close()


@contextmanager
def _source_may_be_gone(source: str) -> Iterator[None]:
    try:
        yield
    except ObjectMissing as error:
        raise ObjectGone(f"{source} is gone") from error


def _each(pages: Iterator[P]) -> Iterator[P]:
    # Only errors of the request are translated, not those of the caller's loop body.
    while True:
        with translated():
            page = next(pages, None)
        if page is None:
            return
        yield page


def _acl(meta: ObjectMeta) -> str:
    return "public-read" if meta.public else "private"


def _crc64(text: str | None) -> int | None:
    return int(text) if text else None


def _utc(at: datetime | None) -> datetime:
    # OSS always sends it; without it the object counts as new, which no clean-up touches.
    return at.astimezone(UTC) if at else datetime.now(UTC)
