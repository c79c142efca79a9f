"""Checks by unsigned requests: whether the bucket can be listed or read anonymously, and one round
trip of a test object from its upload to the end of its link.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final
from xml.etree.ElementTree import ParseError, fromstring

from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import OssConnection, assert_from_oss
from bot.core.files import SAFE_CONTENT_TYPE, LinkMode, content_disposition
from bot.core.ports.store import LinkSigner, ObjectMeta, ObjectStore
from bot.transfer.body import BLOCK

HALF: Final = 512 << 10
"""Bytes of each of the two parts; OSS accepts only the last below 100 KB."""


@dataclass(frozen=True, slots=True)
class AnonymousAnswer:
    """The answer to an anonymous request: HTTP status, the error code of a refusal ("" if none),
    the disposition of a download, and whether the bytes are those that were stored.
    """

    status: int
    code: str
    disposition: str
    equal: bool


@dataclass(frozen=True, slots=True)
class RoundTripResult:
    """The results of a round trip. `plain` is the answer to a URL without a signature while the
    object existed, `after` that to the link once the object had been deleted.
    """

    link: AnonymousAnswer
    plain: AnonymousAnswer
    after: AnonymousAnswer
    object_left: bool
    uploads_left: int


class RoundTripCheck:
    """Does a round trip below `prefix`; blocks for about a dozen requests."""

    def __init__(
        self, connection: OssConnection, store: OssBucket, signer: LinkSigner, mode: LinkMode
    ) -> None:
        self._connection = connection
        self._store = store
        self._signer = signer
        self._is_public = mode is LinkMode.PUBLIC

    def go(self, prefix: str, link_ends: Callable[[], datetime]) -> RoundTripResult:
        """Store 1 MiB in two parts, open it anonymously, delete it, and try to open it once more.

        Deletes the object also after a failure, if OSS allows it.

        Raises:
            StoreError: a step was refused, or a link had no answer.
        """
        key = f"{prefix}doctor-{secrets.token_urlsafe(16)}/test.bin"
        content = secrets.token_bytes(2 * HALF)
        try:
            self._upload(key, content)
            url = self._signer.link(key, expires_at=link_ends(), now=self._connection.time.now())
            link = self._open(url, content)
            plain = self._open(self._connection.address.object_url(key), content)
        finally:
            self._store.delete([key])
        return RoundTripResult(
            link=link,
            plain=plain,
            after=self._open(url, content),
            object_left=self._store.head(key) is not None,
            uploads_left=len(list(self._store.list_uploads(key))),
        )

    def _upload(self, key: str, content: bytes) -> None:
        disposition = content_disposition("test.bin")
        meta = ObjectMeta(SAFE_CONTENT_TYPE, disposition, public=self._is_public)
        upload_id = self._store.initiate(key, meta)
        try:
            halves = (content[:HALF], content[HALF:])
            receipts = [
                self._store.upload_part(key, upload_id, number, _Bytes(half))
                for number, half in enumerate(halves, start=1)
            ]
            self._store.complete(key, upload_id, receipts, meta)
        except BaseException:
            self._store.abort(key, upload_id)
            raise

    def _open(self, url: str, content: bytes) -> AnonymousAnswer:
        with self._connection.open_as_stranger(url, size=len(content)) as answer:
            disposition = answer.headers.get("Content-Disposition", "")
            code = _code(answer.content) if answer.status_code >= 300 else ""
            return AnonymousAnswer(
                answer.status_code, code, disposition, answer.content == content
            )


def _code(document: bytes) -> str:
    try:
        return fromstring(document).findtext("Code") or ""  # noqa: S314 - OSS's own answer.
    except ParseError:
        return ""


class _Bytes:
    """A body in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __len__(self) -> int:
        return len(self._content)

    def __iter__(self) -> Iterator[bytes]:
        for offset in range(0, len(self._content), BLOCK):
            yield self._content[offset : offset + BLOCK]


class BucketExposed(Exception):
    """Private objects can be read anonymously: a bucket policy, or a bucket of another kind, opens
    them.
    """


def anonymous_status(connection: OssConnection, key: str) -> int:
    """Return the HTTP status of an unsigned request for `key`. Blocks.

    200 means readable, 403 refused; 404 means that anonymous requests are allowed, and that there
    is no such object: a public-read bucket answers so, though its objects may be private.

    Raises:
        StoreUnavailable: no answer came.
    """
    # The status is enough; an object is not fetched.
    return _status(connection, connection.address.object_url(key))


def assert_private(connection: OssConnection, store: ObjectStore, prefix: str) -> None:
    """Store a private object below `prefix`, request it anonymously, delete it. Blocks.

    Raises:
        BucketExposed: the anonymous request succeeded.
        StoreError: it could not be stored or requested.
    """
    key = f"{prefix}probe-{secrets.token_urlsafe(16)}"
    meta = ObjectMeta(SAFE_CONTENT_TYPE, "attachment", public=False)
    store.put_object(key, _Probe(), meta)
    try:
        status = anonymous_status(connection, key)
    finally:
        store.delete([key])
    if status == HTTPStatus.OK:
        raise BucketExposed(
            f"private objects of the bucket {connection.address.bucket} can be read anonymously;"
            " a bucket policy allows it"
        )


def anonymous_listing_possible(connection: OssConnection) -> bool:
    """Return whether an unsigned request can list the bucket. Blocks.

    Raises:
        StoreUnavailable: no answer came.
    """
    url, params = connection.address.object_url(""), {"list-type": "2", "max-keys": "1"}
    return _status(connection, url, params) == HTTPStatus.OK


def _status(connection: OssConnection, url: str, params: Mapping[str, str] | None = None) -> int:
    with connection.open_as_stranger(url, params=params) as answer:
        if answer.status_code == HTTPStatus.OK:  # A portal's page exposes nothing.
            assert_from_oss(url, answer.status_code, answer.headers)
        return answer.status_code


class AnonymousAccess:
    """Checks of anonymous access to a bucket, by requests without a signature."""

    def __init__(self, connection: OssConnection, store: ObjectStore, prefix: str) -> None:
        self._connection = connection
        self._store = store
        self._prefix = prefix

    def listing_possible(self) -> bool:
        """Whether an unsigned request can list the bucket. Blocks; raises `StoreError`."""
        return anonymous_listing_possible(self._connection)

    def reading_possible(self) -> bool:
        """Whether an unsigned request can read a private object. Blocks; raises `StoreError`."""
        try:
            assert_private(self._connection, self._store, self._prefix)
        except BucketExposed:
            return True
        return False


class _Probe:
    """A body of one byte."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[bytes]:
        yield b"?"
