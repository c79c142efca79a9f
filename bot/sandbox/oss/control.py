"""The control side over HTTP, for other processes: JSON below `/__control/`, loopback only.

It does what tests in the same process do with the objects themselves: look at the state, move the
clock, write faults into the script, change the shape. It is no part of the OSS protocol.
"""

import ipaddress
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from bot.sandbox.faults import Effect, Fault, FaultScript
from bot.sandbox.memory import Recorded, RequestLog
from bot.sandbox.oss.errors import OssError
from bot.sandbox.oss.model import Bucket, Pending, Stored
from bot.sandbox.oss.transmission import Pace
from bot.sandbox.oss.world import World

PREFIX = "/__control/"
_LONGEST_WAIT = 60.0
"""Seconds that one call may wait for a request."""

Body = Mapping[str, Any]


@dataclass
class Control:
    """Carries out control calls; one for each server."""

    world: World
    log: RequestLog
    faults: FaultScript
    pace: Pace
    _added: list[Fault] = field(default_factory=list)

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one call: 200 with JSON, 400 with a sentence, or 404 for an unknown verb."""
        verb = http.path.removeprefix(PREFIX)
        action = self._verbs().get(verb)
        if action is None or not _is_loopback(http):
            return web.json_response({"error": f"no such verb: {verb}"}, status=404)
        try:
            body = await _body(http)
            result = await action(body)
        except (ValueError, TypeError, KeyError, OssError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response(result)

    def _verbs(self) -> dict[str, Callable[[Body], Awaitable[object]]]:
        return {
            "stats": self._stats,
            "log": self._read_log,
            "faults": self._read_faults,
            "add_fault": self._add_fault,
            "clear_faults": self._clear_faults,
            "shape": self._shape,
            "objects": self._objects,
            "uploads": self._uploads,
            "clock": self._clock,
            "add_key": self._add_key,
            "add_bucket": self._add_bucket,
            "add_domain": self._add_domain,
        }

    async def _stats(self, _: Body) -> object:
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

    async def _read_log(self, body: Body) -> object:
        """Return requests, oldest first, after waiting until there are `at_least` so many of
        `operation` (answered or not), for at most `timeout` seconds.
        """
        operation = body.get("operation")

        def found() -> list[Recorded]:
            return [e for e in self.log if operation in {None, e.operation}]

        wait = min(float(body.get("timeout", 0)), _LONGEST_WAIT)
        at_least = int(body.get("at_least", 0))
        with suppress(TimeoutError):
            await self.log.wait_for(lambda: len(found()) >= at_least, timeout=wait)
        return [{**asdict(entry), "at": entry.at.isoformat()} for entry in found()]

    async def _read_faults(self, _: Body) -> object:
        return [asdict(fault) for fault in self._added]

    async def _add_fault(self, body: Body) -> object:
        fault = Fault(**{**body, "effect": Effect(body["effect"])})
        self._added.append(self.faults.add(fault))
        return asdict(fault)

    async def _clear_faults(self, _: Body) -> object:
        self.faults.clear()
        self._added.clear()
        return {}

    async def _shape(self, body: Body) -> object:
        """Change what is given, leave the rest, and return the whole."""
        known = {item.name for item in fields(self.pace.shape)}
        if unknown := set(body) - known:
            raise ValueError(f"a shape has no {', '.join(sorted(unknown))}")
        for name, value in body.items():
            setattr(self.pace.shape, name, value)
        return asdict(self.pace.shape)

    async def _objects(self, body: Body) -> object:
        return [_object(stored) for stored in self._bucket(body).objects.values()]

    async def _uploads(self, body: Body) -> object:
        return [_upload(pending) for pending in self._bucket(body).uploads.values()]

    def _bucket(self, body: Body) -> Bucket:
        return self.world.bucket(body["bucket"])

    async def _clock(self, body: Body) -> object:
        """Move the clock by `advance` seconds, set the service's `skew` in seconds, tell both."""
        if "skew" in body:
            self.world.clock_skew = timedelta(seconds=float(body["skew"]))
        self.world.clock.advance(timedelta(seconds=float(body.get("advance", 0))))
        return {
            "now": self.world.clock.now().isoformat(),
            "skew": self.world.clock_skew.total_seconds(),
        }

    async def _add_key(self, body: Body) -> object:
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

    async def _add_bucket(self, body: Body) -> object:
        bucket = self.world.add_bucket(**body)
        return {"name": bucket.name, "acl": bucket.acl, "region": bucket.region}

    async def _add_domain(self, body: Body) -> object:
        self.world.domains[body["domain"]] = body["bucket"]
        return {}


def _is_loopback(http: web.BaseRequest) -> bool:
    """Refuse pages that reach us through a name of their own (DNS rebinding)."""
    name = http.host.rsplit(":", 1)[0]
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def _body(http: web.BaseRequest) -> Body:
    text = await http.text()
    body = json.loads(text) if text else {}
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body


def _object(stored: Stored) -> dict[str, object]:
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


def _upload(pending: Pending) -> dict[str, object]:
    return {
        "key": pending.key,
        "upload_id": pending.upload_id,
        "initiated_at": pending.initiated_at.isoformat(),
        "parts": [
            {"number": part.number, "size": part.size, "crc64": part.crc64, "etag": part.etag}
            for part in sorted(pending.parts.values(), key=lambda part: part.number)
        ],
    }
