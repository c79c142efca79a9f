"""The request that a handler carries out, with its body."""

import base64
import binascii
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from bot.sandbox.oss.disk import ObjectData, Segment
from bot.sandbox.oss.errors import OssError, invalid_digest, too_large
from bot.sandbox.oss.model import Bucket, Caller, StoredObject
from bot.sandbox.oss.operations import Operation
from bot.sandbox.oss.request import OssRequest
from bot.sandbox.oss.versions import find_version
from bot.sandbox.oss.world import World

MAX_BODY = 5 * 1024**3
"""Bytes of one PutObject or one part (OSS documentation, "Limits")."""
MAX_DOCUMENT = 4 * 1024**2
"""Bytes of an XML body; ten thousand parts need about one million."""


class BodySource(Protocol):
    """The bytes of a request body, at the rate that the shape allows."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body, once."""


@dataclass
class Call:
    """A request that has been authenticated and allowed; the keys in `kept` cannot be deleted."""

    world: World
    request: OssRequest
    operation: Operation
    caller: Caller
    source: BodySource
    kept: frozenset[str] = frozenset()

    @property
    def bucket(self) -> Bucket:
        """The bucket that the request names."""
        return self.world.bucket(self.request.bucket)

    @property
    def key(self) -> str:
        """The key that the request names."""
        return self.request.key

    def stored(self) -> StoredObject:
        """Return the object that the request names, in the version that it names.

        Raises:
            OssError: NoSuchKey, NoSuchVersion.
        """
        return find_version(self.bucket, self.key, self.request.query("versionId"))

    async def receive(self) -> Segment:
        """Store the body as a file, checked against Content-Length and Content-MD5.

        Raises:
            OssError: no length, too large, cut short, or a wrong digest.
        """
        announced = self._announced()
        segment = await self.world.storage.receive(self._limited())
        try:
            _check_length(segment, announced)
            self._check_digest(bytes.fromhex(segment.md5))
        except OssError:
            self.world.storage.discard(ObjectData([segment]))
            raise
        return segment

    def _announced(self) -> int | None:
        length = self.request.length
        if length is None and "transfer-encoding" not in self.request.headers:
            message = "You must provide the Content-Length HTTP header."
            raise OssError(411, "MissingContentLength", message)
        if length is not None and length > MAX_BODY:
            raise too_large(MAX_BODY, length)
        return length

    async def _limited(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self.source.chunks():
            size += len(chunk)
            if size > MAX_BODY:
                raise too_large(MAX_BODY, size)
            yield chunk

    def _check_digest(self, md5: bytes) -> None:
        given = self.request.header("content-md5")
        if not given:
            return
        try:
            wanted = base64.b64decode(given, validate=True)
        except binascii.Error as error:
            raise invalid_digest(given) from error
        if wanted != md5:
            raise invalid_digest(given)

    async def read_document(self) -> bytes:
        """Read a small body into memory.

        Raises:
            OssError: too large, or its Content-MD5 does not match.
        """
        body = bytearray()
        async for chunk in self.source.chunks():
            body += chunk
            if len(body) > MAX_DOCUMENT:
                raise too_large(MAX_DOCUMENT, len(body))
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        self._check_digest(digest)
        return bytes(body)


def _check_length(segment: Segment, announced: int | None) -> None:
    if announced is not None and segment.size != announced:
        message = "The request body is shorter than its Content-Length."
        raise OssError(400, "IncompleteBody", message)
