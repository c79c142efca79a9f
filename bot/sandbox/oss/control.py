"""Control verbs of the OSS stand-in: its buckets, keys and uploads, and its clock."""

from datetime import datetime, timedelta
from typing import Any

from bot.sandbox.control import Body, Control, Verb
from bot.sandbox.faults import FaultScript
from bot.sandbox.oss.errors import OssError
from bot.sandbox.oss.model import Bucket, MultipartUpload, StoredObject
from bot.sandbox.oss.world import World
from bot.sandbox.request_log import RequestLog
from bot.sandbox.shaping import Bandwidth

PREFIX = "/__control/"


class OssControl(Control):
    """The shared verbs and those of OSS."""

    prefix = PREFIX
    refusals = (*Control.refusals, OssError)

    def __init__(
        self,
        world: World,
        log: RequestLog,
        faults: FaultScript,
        bandwidth: Bandwidth,
    ) -> None:
        super().__init__(world.clock, log, faults, bandwidth)
        self.world = world

    def verbs(self) -> dict[str, Verb]:
        """Return the verbs by name."""
        return {
            **super().verbs(),
            "stats": self._stats,
            "objects": self._objects,
            "uploads": self._uploads,
            "clock": self._change_clock,
            "add_key": self._add_key,
            "add_bucket": self._add_bucket,
            "add_domain": self._add_domain,
        }

    async def _stats(self, _: Body) -> Any:
        buckets = self.world.buckets.values()
        objects = [stored for bucket in buckets for stored in bucket.objects.values()]
        uploads = [pending for bucket in buckets for pending in bucket.uploads.values()]
        return {
            "requests": len(self.log),
            "buckets": len(self.world.buckets),
            "objects": len(objects),
            "bytes": sum(stored.size for stored in objects),
            "uploads": len(uploads),
            "parts": sum(len(pending.parts) for pending in uploads),
        }

    async def _objects(self, body: Body) -> Any:
        return [_object(stored) for stored in self._bucket(body).objects.values()]

    async def _uploads(self, body: Body) -> Any:
        return [_upload(pending) for pending in self._bucket(body).uploads.values()]

    def _bucket(self, body: Body) -> Bucket:
        return self.world.bucket(body["bucket"])

    async def _change_clock(self, body: Body) -> Any:
        """Move the clock by `advance` seconds, set the service's `skew` in seconds."""
        if "skew" in body:
            self.world.clock_skew = timedelta(seconds=float(body["skew"]))
        return {
            "now": await self._advance_clock(body),
            "skew": self.world.clock_skew.total_seconds(),
        }

    async def _add_key(self, body: Body) -> Any:
        allow = body.get("allow")
        expires = body.get("expires_at")
        key = self.world.add_key(
            body["key_id"],
            body["secret"],
            enabled=bool(body.get("enabled", True)),
            allow=None if allow is None else list(allow),
            token=body.get("token"),
            expires_at=datetime.fromisoformat(expires) if expires else None,
        )
        return {"key_id": key.key_id}

    async def _add_bucket(self, body: Body) -> Any:
        bucket = self.world.add_bucket(**body)
        return {"name": bucket.name, "acl": bucket.acl, "region": bucket.region}

    async def _add_domain(self, body: Body) -> Any:
        self.world.domains[body["domain"]] = body["bucket"]
        return {}


def _object(stored: StoredObject) -> dict[str, object]:
    return {
        "key": stored.key,
        "size": stored.size,
        "crc64": stored.crc64,
        "etag": stored.etag,
        "acl": stored.acl,
        "headers": stored.headers,
        "last_modified": stored.last_modified.isoformat(),
        "paths": [str(path) for path in stored.paths],
    }


def _upload(pending: MultipartUpload) -> dict[str, object]:
    return {
        "key": pending.key,
        "upload_id": pending.upload_id,
        "initiated_at": pending.initiated_at.isoformat(),
        "parts": [
            {"number": part.number, "size": part.size, "crc64": part.crc64, "etag": part.etag}
            for part in sorted(pending.parts.values(), key=lambda part: part.number)
        ],
    }
