"""The state of one OSS stand-in: buckets, access keys, custom domains, clock, account status."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.sandbox.clock import SandboxClock
from bot.sandbox.oss.disk import ObjectData, Storage
from bot.sandbox.oss.errors import no_such_bucket
from bot.sandbox.oss.model import BUCKET_ACLS, AccessKey, Bucket
from bot.sandbox.oss.request import check_bucket_name


@dataclass
class World:
    """The state of the service; use it from one event loop.

    `blocks_public_access` is the switch of the account, above those of its buckets. `is_secure`
    makes policies see requests as HTTPS. `account_refusal` is the code with which every data call
    is refused (`UserDisable`, `InDebt`, …), `forbids_public_endpoint` the rule for mainland
    buckets. `lifecycle_takes` is how long the daily run of the lifecycle takes; the default is the
    longest that the documentation allows. `storage_class` replaces that of every new object, as a
    gateway in between does.
    """

    region: str
    owner: str
    clock: SandboxClock
    storage: Storage
    clock_skew: timedelta = timedelta(0)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    keys: dict[str, AccessKey] = field(default_factory=dict)
    domains: dict[str, str] = field(default_factory=dict)
    forces_download: bool = True
    blocks_public_access: bool = False
    is_secure: bool = False
    account_refusal: str = ""
    forbids_public_endpoint: bool = False
    storage_class: str = ""
    lifecycle_takes: timedelta = timedelta(hours=24)

    def now(self) -> datetime:
        """Return the service's own time."""
        return self.clock.now() + self.clock_skew

    def bucket(self, name: str) -> Bucket:
        """Return a bucket.

        Raises:
            OssError: NoSuchBucket.
        """
        if name not in self.buckets:
            raise no_such_bucket(name)
        return self.buckets[name]

    def blocks_public(self, bucket: Bucket) -> bool:
        """Return whether public access to a bucket is blocked, by itself or by the account."""
        return self.blocks_public_access or bucket.blocks_public_access

    def add_bucket(
        self,
        name: str,
        acl: str = "private",
        *,
        owner: str | None = None,
        region: str | None = None,
        blocks_public_access: bool = False,
    ) -> Bucket:
        """Create a bucket without the protocol.

        Raises:
            ValueError: no such ACL.
            OssError: no bucket can have this name.
        """
        check_bucket_name(name)
        if acl not in BUCKET_ACLS:
            raise ValueError(f"a bucket ACL is one of {', '.join(BUCKET_ACLS)}")
        bucket = Bucket(name, acl, owner or self.owner, region or self.region, self.now())
        bucket.blocks_public_access = blocks_public_access
        self.buckets[name] = bucket
        return bucket

    def add_key(  # noqa: PLR0913 - a key has these properties.
        self,
        key_id: str,
        secret: str,
        *,
        enabled: bool = True,
        allow: Iterable[str] | None = None,
        owner: str | None = None,
        user: str = "",
        token: str | None = None,
        expires_at: datetime | None = None,
    ) -> AccessKey:
        """Add or replace an access key."""
        allowed = None if allow is None else frozenset(allow)
        key = AccessKey(
            key_id,
            secret,
            owner or self.owner,
            user=user,
            enabled=enabled,
            allow=allowed,
            token=token,
            expires_at=expires_at,
        )
        self.keys[key_id] = key
        return key

    def drop_upload(self, bucket: Bucket, upload_id: str, *, kept: frozenset[int]) -> None:
        """Remove an upload and its parts, except the part numbers in `kept`."""
        pending = bucket.uploads.pop(upload_id)
        gone = [part.segment for part in pending.parts.values() if part.number not in kept]
        self.storage.discard(ObjectData(gone))


def new_id() -> str:
    """Return a new upload id: 32 hex digits, as OSS makes them."""
    return secrets.token_hex(16).upper()


def new_request_id() -> str:
    """Return a new request id: 24 hex digits."""
    return secrets.token_hex(12).upper()
