"""Plain data: buckets with objects and multipart uploads, access keys, callers, answers."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from bot.sandbox.oss.disk import ObjectData, Segment
from bot.sandbox.oss.lifecycle import Lifecycle
from bot.sandbox.oss.policy import Policy

BUCKET_ACLS = ("private", "public-read", "public-read-write")
OBJECT_ACLS = ("default", *BUCKET_ACLS)


@dataclass(eq=False)
class StoredObject:
    """An object. `etag` is without quotes; `headers` are those that a download returns."""

    key: str
    data: ObjectData
    size: int
    crc64: int
    etag: str
    last_modified: datetime
    acl: str = "default"
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "Normal"
    version_id: str = ""

    @property
    def is_marker(self) -> bool:
        """Whether this is a delete marker."""
        return self.kind == "DeleteMarker"

    @property
    def paths(self) -> list[Path]:
        """The files that hold the content, in order; one for each part."""
        return [segment.path for segment in self.data.segments]

    def read_bytes(self) -> bytes:
        """Return the content. Blocks; for tests."""
        return self.data.read_all()


@dataclass(eq=False)
class Part:
    """One uploaded part. `etag` is without quotes."""

    number: int
    segment: Segment
    uploaded_at: datetime

    @property
    def size(self) -> int:
        """Bytes of the part."""
        return self.segment.size

    @property
    def crc64(self) -> int:
        """CRC-64/XZ of the part."""
        return self.segment.crc64

    @property
    def etag(self) -> str:
        """The MD5 of the part, in upper-case hex."""
        return self.segment.md5


@dataclass(eq=False)
class MultipartUpload:
    """A multipart upload that was initiated and neither completed nor aborted."""

    key: str
    upload_id: str
    initiated_at: datetime
    headers: dict[str, str]
    acl: str = "default"
    forbids_overwrite: bool = False
    parts: dict[int, Part] = field(default_factory=dict)


@dataclass(eq=False)
class Bucket:
    """A bucket and everything in it. `owner` is the account's id.

    `versioning` is empty, `Enabled` or `Suspended`; `older` holds noncurrent versions and delete
    markers, oldest first.
    """

    name: str
    acl: str
    owner: str
    region: str
    created_at: datetime
    objects: dict[str, StoredObject] = field(default_factory=dict)
    uploads: dict[str, MultipartUpload] = field(default_factory=dict)
    versioning: str = ""
    older: dict[str, list[StoredObject]] = field(default_factory=dict)
    blocks_public_access: bool = False
    policy: Policy | None = None
    lifecycle: Lifecycle | None = None
    is_disabled: bool = False
    storage_class: str = "Standard"
    redundancy: str = "LRS"
    retains: bool = False
    """Whether a retention policy (WORM) is in force, and no object is old enough."""
    refuses_empty_referer: bool = False


@dataclass(eq=False)
class AccessKey:
    """An access key. `allow` holds RAM actions (`oss:PutObject`, `oss:List*`); `None` allows all.

    `user` is the RAM user's id, as a bucket policy names it. A `token` makes it temporary:
    requests must carry it, and from `expires_at` on it is refused.
    """

    key_id: str
    secret: str = field(repr=False)
    owner: str
    user: str = ""
    enabled: bool = True
    allow: frozenset[str] | None = None
    token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


class AuthMethod(StrEnum):
    """Where a request carries its signature."""

    HEADER = "header"
    QUERY = "query"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class Caller:
    """The sender of a request; `key` is `None` for anonymous ones."""

    auth: AuthMethod
    key: AccessKey | None = None


@dataclass
class Answer:
    """What a handler answers: a body of bytes, or `count` bytes of `data` from `start`.

    `limit` is the rate that the client asked for, bytes per second.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    data: ObjectData | None = None
    start: int = 0
    count: int = 0
    limit: float | None = None


def xml_answer(body: bytes) -> Answer:
    """Return a 200 with a document."""
    return Answer(200, {"Content-Type": "application/xml"}, body)
