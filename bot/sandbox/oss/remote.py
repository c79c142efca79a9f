"""A client for the control side of a stand-in that runs in another process."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from bot.sandbox.control_client import ControlClient
from bot.sandbox.faults import Fault
from bot.sandbox.oss.control import PREFIX


class ControlRefused(Exception):
    """The stand-in did not accept a call; the text says why."""


class RemoteOss(ControlClient):
    """The verbs of `OssStandIn`, spoken over HTTP to the stand-in at `endpoint`.

    Use it as an async context manager. Every method raises `ControlRefused` for a call that the
    stand-in refuses and `aiohttp.ClientError` where it cannot be reached.
    """

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self.endpoint = self._url

    async def _call(self, verb: str, **body: object) -> Any:
        status, answer = await self._post(f"{PREFIX}{verb}", body)
        if status != 200:
            raise ControlRefused(answer["error"])
        return answer

    async def stats(self) -> dict[str, int]:
        """Return counts of requests, buckets, objects, bytes, uploads and parts."""
        stats: dict[str, int] = await self._call("stats")
        return stats

    async def log(
        self, operation: str | None = None, *, at_least: int = 0, timeout: float = 20.0
    ) -> list[dict[str, Any]]:
        """Return the requests so far (`at`, `operation`, `params`, `status`), oldest first.

        Waits until there are `at_least` so many of them or `timeout` seconds have passed.
        """
        entries: list[dict[str, Any]] = await self._call(
            "log", operation=operation, at_least=at_least, timeout=timeout
        )
        return entries

    async def add_fault(self, fault: Fault) -> None:
        """Append a line to the script of faults."""
        await self._call(
            "add_fault",
            operation=fault.operation,
            effect=fault.effect.value,
            times=fault.times,
            skip=fault.skip,
            where=fault.where,
            args=fault.args,
        )

    async def faults(self) -> list[dict[str, Any]]:
        """Return the faults that were added here, with their `hits`."""
        faults: list[dict[str, Any]] = await self._call("faults")
        return faults

    async def clear_faults(self) -> None:
        """Forget the script."""
        await self._call("clear_faults")

    async def set_shape(self, **changes: float | None) -> dict[str, float | None]:
        """Change fields of the shape and return the whole of it."""
        shape: dict[str, float | None] = await self._call("shape", **changes)
        return shape

    async def objects(self, bucket: str) -> list[dict[str, Any]]:
        """Return what a bucket holds: key, size, crc64, etag, acl, headers, paths of its files."""
        objects: list[dict[str, Any]] = await self._call("objects", bucket=bucket)
        return objects

    async def uploads(self, bucket: str) -> list[dict[str, Any]]:
        """Return the pending multipart uploads of a bucket, with their parts."""
        uploads: list[dict[str, Any]] = await self._call("uploads", bucket=bucket)
        return uploads

    async def advance(self, by: timedelta) -> datetime:
        """Move the stand-in's clock and return its new time."""
        answer = await self._call("clock", advance=by.total_seconds())
        return datetime.fromisoformat(answer["now"])

    async def set_clock_skew(self, skew: timedelta) -> None:
        """Let the service's own clock differ from `clock`."""
        await self._call("clock", skew=skew.total_seconds())

    async def add_key(
        self,
        key_id: str,
        secret: str,
        *,
        enabled: bool = True,
        allow: Iterable[str] | None = None,
    ) -> None:
        """Add or replace an access key."""
        allowed = None if allow is None else sorted(allow)
        await self._call("add_key", key_id=key_id, secret=secret, enabled=enabled, allow=allowed)

    async def add_bucket(
        self,
        name: str,
        acl: str = "private",
        *,
        region: str | None = None,
        blocks_public_access: bool = False,
    ) -> None:
        """Create a bucket."""
        await self._call(
            "add_bucket",
            name=name,
            acl=acl,
            region=region,
            blocks_public_access=blocks_public_access,
        )

    async def add_domain(self, domain: str, bucket: str) -> None:
        """Bind an own domain to a bucket."""
        await self._call("add_domain", domain=domain, bucket=bucket)
