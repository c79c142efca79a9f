"""The way of a file from the upload to the end of its link, walked once with a test object."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.etree.ElementTree import ParseError, fromstring

from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import OssConnection
from bot.adapters.oss.errors import translated
from bot.core.links import SAFE_CONTENT_TYPE, LinkMode, content_disposition
from bot.core.ports.store import LinkSigner, ObjectMeta
from bot.transfer.body import BLOCK

HALF: Final = 512 << 10
"""Bytes of each of the two parts; OSS takes none below 100 KB but the last."""


@dataclass(frozen=True, slots=True)
class AnonymousAnswer:
    """What a stranger got: HTTP status, the error code of a refusal ("" if none), the disposition
    of a download, and whether the bytes are those that were stored.
    """

    status: int
    code: str
    disposition: str
    equal: bool


@dataclass(frozen=True, slots=True)
class RoundTripResult:
    """What happened on the way. `plain` is the answer to a URL without a signature while the
    object was there, `after` that to the link once it had been deleted.
    """

    link: AnonymousAnswer
    plain: AnonymousAnswer
    after: AnonymousAnswer
    object_left: bool
    uploads_left: int


class RoundTripCheck:
    """Walks the way below `prefix`; blocks for about a dozen requests."""

    def __init__(
        self, connection: OssConnection, store: OssBucket, signer: LinkSigner, mode: LinkMode
    ) -> None:
        self._connection = connection
        self._store = store
        self._signer = signer
        self._is_public = mode is LinkMode.PUBLIC

    def go(self, prefix: str, link_ends: Callable[[], datetime]) -> RoundTripResult:
        """Store 1 MiB in two parts, open it as a stranger, delete it, try once more.

        Leaves nothing behind, also where it fails, as far as the store lets it.

        Raises:
            StoreError: a step was refused, or a link did not lead to anything that answers.
        """
        key = f"{prefix}doctor-{secrets.token_urlsafe(16)}/test.bin"
        content = secrets.token_bytes(2 * HALF)
        try:
            self._upload(key, content)
            url = self._signer.link(key, expires_at=link_ends(), now=self._connection.time.local())
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
        limits = self._connection.limits
        timeout = (limits.connect_timeout, limits.answer_timeout)
        with (
            translated(self._connection.address.public_host),
            self._connection.session.get(url, timeout=timeout, allow_redirects=False) as answer,
        ):
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
    """A body that is in memory already."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __len__(self) -> int:
        return len(self._content)

    def __iter__(self) -> Iterator[bytes]:
        for offset in range(0, len(self._content), BLOCK):
            yield self._content[offset : offset + BLOCK]
