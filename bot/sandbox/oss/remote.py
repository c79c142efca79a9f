"""Client of the control verbs of an OSS stand-in in another process."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from bot.sandbox.oss.control import PREFIX
from bot.sandbox.remote import ControlRefused, RemoteStandIn

__all__ = ["ControlRefused", "RemoteOss"]


class RemoteOss(RemoteStandIn):
    """The verbs of `OssStandIn`, called over HTTP at `endpoint`."""

    prefix = PREFIX

    @property
    def endpoint(self) -> str:
        """Return the base URL of the service."""
        return self._url

    async def stats(self) -> dict[str, int]:
        """Return counts of requests, buckets, objects, bytes, uploads and parts."""
        stats: dict[str, int] = await self.ask("stats")
        return stats

    async def objects(self, bucket: str) -> list[dict[str, Any]]:
        """Return what a bucket holds: key, size, crc64, etag, acl, headers, paths of its files."""
        objects: list[dict[str, Any]] = await self.ask("objects", bucket=bucket)
        return objects

    async def uploads(self, bucket: str) -> list[dict[str, Any]]:
        """Return the pending multipart uploads of a bucket, with their parts."""
        uploads: list[dict[str, Any]] = await self.ask("uploads", bucket=bucket)
        return uploads

    async def advance(self, by: timedelta) -> datetime:
        """Move the stand-in's clock and return its new time."""
        answer = await self.ask("clock", advance=by.total_seconds())
        return datetime.fromisoformat(answer["now"])

    async def set_clock_skew(self, skew: timedelta) -> None:
        """Set how far the service's own clock is ahead of `clock`."""
        await self.ask("clock", skew=skew.total_seconds())

    async def add_key(
        self,
        key_id: str,
        secret: str,
        *,
        enabled: bool = True,
        allow: Iterable[str] | None = None,
        token: str | None = None,
        expires_at: datetime | None = None,
    ) -> None:
        """Add or replace an access key; a temporary one has a `token` and ends at `expires_at`, by
        the service's own clock.
        """
        await self.ask(
            "add_key",
            key_id=key_id,
            secret=secret,
            enabled=enabled,
            allow=None if allow is None else sorted(allow),
            token=token,
            expires_at=expires_at.isoformat() if expires_at else None,
        )

    async def add_bucket(
        self,
        name: str,
        acl: str = "private",
        *,
        region: str | None = None,
        blocks_public_access: bool = False,
    ) -> None:
        """Create a bucket."""
        await self.ask(
            "add_bucket",
            name=name,
            acl=acl,
            region=region,
            blocks_public_access=blocks_public_access,
        )

    async def add_domain(self, domain: str, bucket: str) -> None:
        """Bind a custom domain to a bucket."""
        await self.ask("add_domain", domain=domain, bucket=bucket)
