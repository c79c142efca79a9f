"""Checks of OSS: the key, the bucket, its configuration, and the round trip of a test object."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, TypeVar
from urllib.parse import urlsplit

from bot.adapters.oss.access_checks import (
    RoundTripCheck,
    RoundTripResult,
    anonymous_listing_possible,
)
from bot.adapters.oss.administration import BucketAdministration, BucketInfo
from bot.adapters.oss.bucket import OssLinkSigner
from bot.cli.common import RAM_REMEDY, Row, Verdict, broken, failure_row, ok, warning
from bot.cli.doctor import bucket
from bot.cli.doctor.bucket import prefix_of
from bot.cli.doctor.telegram import clock_row
from bot.core.errors import StoreError, StoreForbidden
from bot.core.files import LinkMode
from bot.core.ports.clock import Clock
from bot.settings import Settings
from bot.wiring.resources import StoreAccess, open_store_access

T = TypeVar("T")

LIFE: Final = timedelta(minutes=5)
"""Lifetime of the link to the test object, which is deleted in seconds."""

_REFUSALS: Final = {
    "PublicEndpointForbidden": (
        "this account may not serve files on the default domain of a mainland region",
        "bind a domain to the bucket and set link.domain, or use a bucket in cn-hongkong",
    ),
    "ApkDownloadForbidden": (
        "OSS does not serve apps on its own domains",
        "bind a domain to the bucket and set link.domain",
    ),
    "SignatureDoesNotMatch": (
        "something between here and OSS changes the link",
        "check link.domain: it must be bound to this bucket, and nothing may rewrite requests",
    ),
    "AccessDenied": (
        "OSS refuses the link",
        "check that public access is not blocked (public links), that no bucket policy denies it,"
        " and that the key may read objects",
    ),
    "NoSuchBucket": (
        "the link leads to no bucket",
        "check link.domain: it must be bound to this bucket",
    ),
}


async def examine_trip(settings: Settings, line: StoreAccess) -> list[Row]:
    """Do one round trip of a test object. Raises `StoreError` if a step is refused."""
    mode = settings.link.mode
    walk = RoundTripCheck(line.oss, line.store, OssLinkSigner(line.oss, mode), mode)
    prefix = prefix_of(settings)
    result = await line.threads.call(
        lambda: walk.go(prefix, lambda: line.oss.link_clock.now() + LIFE)
    )
    rows = [_opened(result), _ended(result)]
    if mode is LinkMode.SIGNED:
        rows.append(_private(result))
    if result.link.equal:
        rows.append(_download(result))
    return rows


def _opened(result: RoundTripResult) -> Row:
    name = "round trip"
    if result.link.equal:
        return ok(name, "1 MiB in two parts is stored, and its link gives the same bytes")
    if result.link.status == 200:
        meaning = "the link answers, and not with the bytes that were stored"
        return broken(name, meaning, "check link.domain: something else answers there")
    meaning, remedy = _REFUSALS.get(
        result.link.code,
        ("the link cannot be opened", "check oss.endpoint and link.domain; look the code up"),
    )
    told = result.link.code or "no code"
    return broken(name, f"{meaning} (HTTP {result.link.status}, {told})", remedy)


def _ended(result: RoundTripResult) -> Row:
    name = "end of a link"
    if result.after.status == 200:
        return broken(
            name,
            "a deleted file can still be opened by its link",
            "switch off the cache of link.domain (CDN): it must honour Cache-Control: no-store",
        )
    if result.object_left or result.uploads_left:
        return broken(
            name,
            "a deleted object or an upload is still there",
            "look for a retention policy (WORM) or versioning of the bucket, and switch it off",
        )
    return ok(name, f"refused after the deletion (HTTP {result.after.status}), nothing is left")


def _private(result: RoundTripResult) -> Row:
    name = "anonymous reading"
    if result.plain.status == 200:
        return broken(
            name,
            "anybody can read private objects without a signature, after the link's end too;"
            " the bot refuses to run",
            "remove the statement for everybody (Principal *) from the bucket policy",
        )
    return ok(name, "refused without a signature")


def _download(result: RoundTripResult) -> Row:
    name = "download"
    if result.link.disposition.startswith("attachment"):
        return ok(name, "browsers save the file under its name")
    return warning(
        name,
        "the name of the file does not arrive, so browsers may show it as a page",
        "check what answers at link.domain: it must pass Content-Disposition on",
    )


async def examine_store(settings: Settings, clock: Clock) -> list[Row]:
    """Check the bucket by the key's own calls, by a round trip and by anonymous requests; skip
    checks that depend on a failed one.
    """
    try:
        async with open_store_access(settings, clock) as line:
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
        """Return all rows about OSS; raises the `StoreError` of the very first call."""
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
        keys = self._line.oss.keys
        if self._line.oss.credentials_are_temporary:
            ends_at = keys.current().expires_at
            until = f"{ends_at:%Y-%m-%d %H:%M} UTC" if ends_at else "an unknown moment"
            if keys.is_renewable:
                by = self._settings.oss.credentials
                meaning = f"renewed by {by}, latest until {until}; a signed link ends with it"
                return ok("OSS key", meaning)
            return warning(
                "OSS key",
                f"it is temporary: it, and each link, ends at {until}",
                "use the key of a RAM user, or one that is renewed (oss.credentials)",
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
                # OSS would refuse to store anything public, with an error that seems to concern
                # the key.
                return [_listing(possible=listing)]
            result = await examine_trip(self._settings, self._line)
        except StoreError as error:
            return [failure_row(error)]
        return [_listing(possible=listing), *result]

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
    """Return the problems with the configured endpoints, and the limits of the platform for
    them.
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
