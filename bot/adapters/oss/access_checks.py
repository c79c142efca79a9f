"""Checks by unsigned requests: whether strangers can list, read or write, whether the bucket
serves and gives up what the bot stores, and one round trip of a test object to the end of its
link.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from xml.etree.ElementTree import ParseError, fromstring

import requests

from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import REQUEST_ID, OssConnection
from bot.core.errors import PublicAccessBlocked, StoreError, StoreIntercepted, StoreUnavailable
from bot.core.files import SAFE_CONTENT_TYPE, LinkMode, content_disposition
from bot.core.ports.store import LinkSigner, ObjectMeta, ObjectStore
from bot.transfer.body import BLOCK

HALF: Final = 512 << 10
"""Bytes of each of the two parts; OSS accepts only the last below 100 KB."""
PROBE_SIZE: Final = 32
"""Bytes of an object that is only opened; random, so that no other page has them."""
LIFE: Final = timedelta(minutes=5)
"""Lifetime of the link to a test object, which is deleted in seconds."""
_START: Final = 4096
"""Bytes of a listing that show what it is."""


@dataclass(frozen=True, slots=True)
class AnonymousAnswer:
    """The answer to an anonymous request: HTTP status, code and message of a refusal ("" if none),
    the disposition of a download, whether the bytes are those that were stored, and whether OSS
    itself answered.
    """

    status: int
    code: str
    message: str
    disposition: str
    equal: bool
    from_oss: bool


def open_anonymously(connection: OssConnection, url: str, content: bytes) -> AnonymousAnswer:
    """Open a URL without a signature, and compare what comes with `content`. Blocks.

    Raises:
        StoreUnavailable: no answer came.
    """
    with connection.open_as_stranger(url, size=len(content)) as answer:
        code, message = _refusal(answer) if answer.status_code >= 300 else ("", "")
        return AnonymousAnswer(
            answer.status_code,
            code,
            message,
            answer.headers.get("Content-Disposition", ""),
            answer.status_code == HTTPStatus.OK and _start(answer, len(content) + 1) == content,
            bool(answer.headers.get(REQUEST_ID)),
        )


def _start(answer: requests.Response, size: int) -> bytes:
    """Return the first `size` bytes of an answer: a page of any length may come in place of OSS's
    own.
    """
    found = b""
    for block in answer.iter_content(size):
        found += block
        if len(found) >= size:
            break
    return found[:size]


def _refusal(answer: requests.Response) -> tuple[str, str]:
    """Return code and message, with the EC, of an error document."""
    try:
        document = fromstring(_start(answer, 64 << 10))  # noqa: S314 - small, and only two texts count.
    except ParseError:
        return "", ""
    message, ec = document.findtext("Message") or "", document.findtext("EC")
    return document.findtext("Code") or "", f"{message} (EC {ec})" if ec else message


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
    storage_class: str


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
            link = open_anonymously(self._connection, url, content)
            plain = _open_everywhere(self._connection, key, content)
            storage_class = self._store.storage_class(key)
        finally:
            self._store.delete([key])
        return RoundTripResult(
            link=link,
            plain=plain,
            after=open_anonymously(self._connection, url, content),
            object_left=self._store.head(key) is not None,
            uploads_left=len(list(self._store.list_uploads(key))),
            storage_class=storage_class,
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


class _Bytes:
    """A body in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __len__(self) -> int:
        return len(self._content)

    def __iter__(self) -> Iterator[bytes]:
        for offset in range(0, len(self._content), BLOCK):
            yield self._content[offset : offset + BLOCK]


def _open_everywhere(connection: OssConnection, key: str, content: bytes) -> AnonymousAnswer:
    """Open the plain URLs of an object; return the first answer that gives its bytes, or else the
    first at all.

    Raises:
        StoreUnavailable: no answer came from one of them, and none gives the bytes.
    """
    answers, errors = list[AnonymousAnswer](), list[StoreUnavailable]()
    for url in connection.address.object_urls(key):
        try:
            answers.append(open_anonymously(connection, url, content))
        except StoreUnavailable as error:
            errors.append(error)
    opened = next((answer for answer in answers if answer.equal), None)
    if opened is None and errors:
        raise errors[0]
    return opened or answers[0]


class BucketUnfit(Exception):
    """No file may be put into the bucket; the text has the reason."""


class BucketExposed(BucketUnfit):
    """Private objects can be read anonymously: a bucket policy, or a bucket of another kind, opens
    them.
    """


class BucketUnusable(BucketUnfit):
    """Objects in the bucket cannot be opened by a link, or not be deleted."""


def assert_private(connection: OssConnection, store: ObjectStore, prefix: str) -> None:
    """Store a private object below `prefix`, request it anonymously, delete it. Blocks.

    Raises:
        BucketExposed: the anonymous request gave its bytes.
        StoreError: it could not be stored or requested.
    """
    key, content = _probe(prefix)
    store.put_object(key, _Bytes(content), _probe_meta(public=False))
    try:
        _assert_unreadable(connection, key, content)
    finally:
        store.delete([key])


def _probe(prefix: str) -> tuple[str, bytes]:
    return f"{prefix}probe-{secrets.token_urlsafe(16)}", secrets.token_bytes(PROBE_SIZE)


def _probe_meta(*, public: bool) -> ObjectMeta:
    return ObjectMeta(SAFE_CONTENT_TYPE, "attachment", public=public)


def _assert_unreadable(connection: OssConnection, key: str, content: bytes) -> None:
    # Only the bytes prove it: a parked domain or a page of a CDN answers everything with 200.
    if _open_everywhere(connection, key, content).equal:
        raise BucketExposed(
            f"private objects of the bucket {connection.address.bucket} can be read anonymously;"
            " a bucket policy allows it"
        )


class BucketProbe:
    """Checks that the bucket does with an object what the bot promises. Every method blocks."""

    def __init__(
        self, connection: OssConnection, store: ObjectStore, signer: LinkSigner, mode: LinkMode
    ) -> None:
        self._connection = connection
        self._store = store
        self._signer = signer
        self._is_public = mode is LinkMode.PUBLIC
        self._left: str | None = None
        """An object that could not be deleted; as long as it is there, no other joins it."""

    def check(self, prefix: str) -> None:
        """Store a small object below `prefix`, open its link, delete it.

        Raises:
            BucketExposed: it can be read without a signature, and should not.
            BucketUnusable: OSS refuses to store it as public, to serve its link, or to delete it.
            StoreError: this could not be found out.
        """
        if self._left is not None:
            self._delete(self._left)
        key, content = _probe(prefix)
        try:
            meta = _probe_meta(public=self._is_public)
            self._store.put_object(key, _Bytes(content), meta)
        except PublicAccessBlocked as error:
            raise self._unusable("does not take public objects", error) from error
        try:
            if not self._is_public:
                _assert_unreadable(self._connection, key, content)
            self._assert_opens(key, content)
        finally:
            self._delete(key)

    def _assert_opens(self, key: str, content: bytes) -> None:
        ends_at = self._connection.link_clock.now() + LIFE
        url = self._signer.link(key, expires_at=ends_at, now=self._connection.time.now())
        answer = open_anonymously(self._connection, url, content)
        if answer.equal:
            return
        told = f"HTTP {answer.status} {answer.code} {answer.message}".rstrip()
        where = self._connection.address.name_of(url)
        if not answer.from_oss:
            raise StoreIntercepted(f"{where}: what answers is not OSS ({told})")
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise StoreUnavailable(f"{where}: {told}")
        raise self._unusable("does not serve links", told)

    def _delete(self, key: str) -> None:
        self._left = key
        try:
            self._store.delete([key])
        except StoreError as error:
            if error.permanent:
                raise self._unusable("does not let the bot delete", error) from error
            raise
        self._left = None

    def _unusable(self, what: str, why: object) -> BucketUnusable:
        bucket = self._connection.address.bucket
        return BucketUnusable(f"the bucket {bucket} {what}, so no file may be put there: {why}")


def anonymous_listing_possible(connection: OssConnection) -> bool:
    """Return whether an unsigned request can list the bucket. Blocks.

    Raises:
        StoreUnavailable: no answer came.
    """
    return any(_is_listed(connection, url) for url in connection.address.object_urls(""))


def _is_listed(connection: OssConnection, url: str) -> bool:
    with connection.open_as_stranger(url, params={"list-type": "2", "max-keys": "1"}) as answer:
        is_ok = answer.status_code == HTTPStatus.OK
        return is_ok and b"<ListBucketResult" in _start(answer, _START)


def anonymous_writing_possible(connection: OssConnection, store: ObjectStore, prefix: str) -> bool:
    """Return whether an unsigned request can store an object; what it stored is deleted. Blocks.

    Raises:
        StoreError: no answer came, or it could not be deleted.
    """
    key, content = _probe(prefix)
    # Not at a domain, which may lead to a CDN that takes no uploads.
    url = connection.address.object_urls(key)[-1]
    try:
        with connection.open_as_stranger(url, body=content) as answer:
            is_refused = answer.status_code != HTTPStatus.OK
    except StoreUnavailable:
        store.delete([key])
        raise
    if is_refused:
        return False
    # A page in between stores nothing.
    is_stored = store.head(key) is not None
    store.delete([key])
    return is_stored


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
