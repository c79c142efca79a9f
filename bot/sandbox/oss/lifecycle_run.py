"""Apply the lifecycle rules of all buckets by the clock of the stand-in."""

from datetime import datetime, timedelta

from bot.sandbox.oss.lifecycle import AgeOrDate, Lifecycle
from bot.sandbox.oss.model import Bucket
from bot.sandbox.oss.versions import remove
from bot.sandbox.oss.world import World
from bot.sandbox.request_log import RequestLog

_EVERY = timedelta(hours=1)


def run_lifecycle(world: World, now: datetime) -> int:
    """Delete objects and abort uploads that are due; return how many."""
    return sum(
        _run_for_bucket(world, bucket, bucket.lifecycle, now)
        for bucket in list(world.buckets.values())
        if bucket.lifecycle is not None
    )


def _run_for_bucket(world: World, bucket: Bucket, lifecycle: Lifecycle, now: datetime) -> int:
    until = now - world.lifecycle_takes
    objects = [
        stored.key
        for stored in bucket.objects.values()
        for rule in lifecycle.rules
        if rule.covers(stored.key, stored.headers.get("x-oss-tagging", ""))
        and _is_due(lifecycle, rule.expiration, stored.last_modified, until)
    ]
    uploads = [
        pending.upload_id
        for pending in bucket.uploads.values()
        for rule in lifecycle.rules
        if not rule.tags
        and rule.covers(pending.key)
        and _is_due(lifecycle, rule.abort, pending.initiated_at, until)
    ]
    for key in dict.fromkeys(objects):
        remove(world, bucket, key)
    for upload_id in dict.fromkeys(uploads):
        world.drop_upload(bucket, upload_id, kept=frozenset())
    return len(objects) + len(uploads)


def _is_due(
    lifecycle: Lifecycle, limit: AgeOrDate | None, created_at: datetime, until: datetime
) -> bool:
    run_at = None if limit is None else lifecycle.run_at(limit, created_at)
    return run_at is not None and run_at <= until


async def run_lifecycle_hourly(world: World, log: RequestLog) -> None:
    """Apply the rules every hour of the clock until cancelled."""
    while True:
        await world.clock.sleep_until(world.clock.now() + _EVERY)
        if run_lifecycle(world, world.now()):
            await log.touch()
