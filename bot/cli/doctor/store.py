"""Rows about OSS: the key, the bucket and how it is configured, and one trip there and back."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from bot.adapters.oss.administration import BucketAdministration, BucketInfo
from bot.adapters.oss.anonymous_access import anonymous_listing_possible
from bot.cli.doctor import bucket
from bot.cli.doctor.advice import RAM_REMEDY, failure_row
from bot.cli.doctor.doctor import Row, Verdict, broken, ok, warning
from bot.cli.doctor.telegram import clock_row
from bot.cli.doctor.trip import examine_trip
from bot.cli.line import StoreAccess, open_line
from bot.core.errors import StoreError, StoreForbidden
from bot.core.ports.clock import Clock
from bot.settings import Settings

T = TypeVar("T")


async def examine_store(settings: Settings, clock: Clock) -> list[Row]:
    """Look at the bucket as its owner, as the bot and as a stranger; what follows from a failure
    is left out.
    """
    try:
        async with open_line(settings, clock) as line:
            return await _Examination(settings, clock, line).rows()
    except StoreError as error:
        return [failure_row(error)]


class _Examination:
    def __init__(self, settings: Settings, clock: Clock, line: StoreAccess) -> None:
        self._settings = settings
        self._clock = clock
        self._line = line
        self._administration = BucketAdministration(line.oss)

    async def rows(self) -> list[Row]:
        """Return everything about OSS; raises the `StoreError` of the very first call."""
        rows = [*endpoint_rows(self._settings)]
        try:
            info = await self._call(self._administration.info)
        except StoreForbidden as error:
            meaning = f"it may not look at the bucket, so the rest is not known: {error}"
            rows += [warning("OSS key", meaning, RAM_REMEDY)]
        else:
            if info is None:
                name = self._settings.oss.bucket
                remedy = "check oss.bucket, or let relay-bot setup create it"
                return [*rows, broken("OSS bucket", f"there is no bucket {name}", remedy)]
            rows += [self._key(info), *await self._configuration(info)]
        rows.append(clock_row("clock and OSS", self._line.oss.time.offset))
        return rows + await self._from_outside(rows)

    def _key(self, info: BucketInfo) -> Row:
        if self._line.oss.credentials_are_temporary:
            return warning(
                "OSS key",
                "it is temporary: a signed link ends with it, if that is before its deadline",
                'use the key of a RAM user, or link.mode = "public"',
            )
        return ok("OSS key", f"known, bucket {self._settings.oss.bucket} in {info.region}")

    async def _configuration(self, info: BucketInfo) -> list[Row]:
        asked = self._administration
        mode, prefix = self._settings.link.mode, bucket.prefix_of(self._settings)
        rows = [bucket.acl_row(info, mode), bucket.versioning_row(info)]
        for name, ask in (
            ("public access", lambda: bucket.block_row(asked, mode)),
            ("bucket policy", lambda: bucket.policy_row(asked, self._settings.oss.bucket)),
            ("lifecycle", lambda: bucket.lifecycle_row(asked, prefix)),
        ):
            try:
                rows.append(await self._call(ask))
            except StoreForbidden as error:
                meaning = f"not known, the key may not look: {error}"
                rows.append(warning(name, meaning, RAM_REMEDY))
        return rows

    async def _from_outside(self, so_far: Sequence[Row]) -> list[Row]:
        try:
            listing = await self._call(lambda: anonymous_listing_possible(self._line.oss))
            if any(
                row.name == "public access" and row.verdict is Verdict.BROKEN for row in so_far
            ):
                # OSS would refuse to store anything public, and seem to mean the key.
                return [_listing(possible=listing)]
            trip = await examine_trip(self._settings, self._line, self._clock)
        except StoreError as error:
            return [failure_row(error)]
        return [_listing(possible=listing), *trip]

    async def _call(self, work: Callable[[], T]) -> T:
        return await self._line.threads.call(work)


def _listing(*, possible: bool) -> Row:
    name = "anonymous listing"
    if possible:
        return broken(
            name,
            "anybody can list the bucket, and so find every link",
            "set the bucket's ACL to private (relay-bot setup does), and remove bucket policies"
            " that let everybody list",
        )
    return ok(name, "refused")


def endpoint_rows(settings: Settings) -> list[Row]:
    """Return what is wrong with the endpoints as they are written, and what the platform will not
    do through them.
    """
    rows = []
    region = settings.oss.region
    for name in ("endpoint", "upload_endpoint"):
        host: str = urlsplit(getattr(settings.oss, name) or "").hostname or ""
        if host.endswith(".aliyuncs.com") and region not in host and "accelerate" not in host:
            meaning = f"oss.{name} is {host}, and oss.region {region}"
            rows.append(broken("OSS endpoint", meaning, "let both name the bucket's region"))
    if settings.link.domain:
        own = urlsplit(settings.link.domain).hostname
        return [*rows, ok("link domain", f"{own}, which serves every kind of file")]
    if region.startswith("cn-") and region != "cn-hongkong":
        return [
            *rows,
            warning(
                "link domain",
                "on the default domains of mainland China, accounts opened since 2025-03-20 cannot"
                " serve files (PublicEndpointForbidden)",
                "bind a domain with an ICP filing and a certificate, and set link.domain; or use a"
                " bucket elsewhere, such as in cn-hongkong",
            ),
        ]
    meaning = "OSS's own: .apk and .ipa keep their name in the download, and are stored without it"
    return [*rows, ok("link domain", meaning)]
