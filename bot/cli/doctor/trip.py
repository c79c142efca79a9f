"""Rows about one trip there and back: a test object is stored, opened, deleted."""

from datetime import timedelta
from typing import Final

from bot.adapters.oss.round_trip import RoundTripCheck, RoundTripResult
from bot.adapters.oss.signer import OssLinkSigner
from bot.cli.doctor.bucket import prefix_of
from bot.cli.doctor.doctor import Row, broken, ok, warning
from bot.cli.line import StoreAccess
from bot.core.links import LinkMode
from bot.core.ports.clock import Clock
from bot.settings import Settings

LIFE: Final = timedelta(minutes=5)
"""Of the link to the test object, which is deleted in seconds."""

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


async def examine_trip(settings: Settings, line: StoreAccess, clock: Clock) -> list[Row]:
    """Walk the way of a file once. Raises `StoreError` where a step is refused."""
    mode = settings.link.mode
    walk = RoundTripCheck(line.oss, line.store, OssLinkSigner(line.oss, mode), mode)
    prefix = prefix_of(settings)
    trip = await line.threads.call(lambda: walk.go(prefix, lambda: clock.now() + LIFE))
    rows = [_opened(trip), _ended(trip)]
    if mode is LinkMode.SIGNED:
        rows.append(_private(trip))
    if trip.link.equal:
        rows.append(_download(trip))
    return rows


def _opened(trip: RoundTripResult) -> Row:
    name = "round trip"
    if trip.link.equal:
        return ok(name, "1 MiB in two parts is stored, and its link gives the same bytes")
    if trip.link.status == 200:
        meaning = "the link answers, and not with the bytes that were stored"
        return broken(name, meaning, "check link.domain: something else answers there")
    meaning, remedy = _REFUSALS.get(
        trip.link.code,
        ("the link cannot be opened", "check oss.endpoint and link.domain; look the code up"),
    )
    told = trip.link.code or "no code"
    return broken(name, f"{meaning} (HTTP {trip.link.status}, {told})", remedy)


def _ended(trip: RoundTripResult) -> Row:
    name = "end of a link"
    if trip.after.status == 200:
        return broken(
            name,
            "a deleted file can still be opened by its link",
            "switch off the cache of link.domain (CDN): it must honour Cache-Control: no-store",
        )
    if trip.object_left or trip.uploads_left:
        return broken(
            name,
            "a deleted object or an upload is still there",
            "look for a retention policy (WORM) or versioning of the bucket, and switch it off",
        )
    return ok(name, f"refused after the deletion (HTTP {trip.after.status}), nothing is left")


def _private(trip: RoundTripResult) -> Row:
    name = "anonymous reading"
    if trip.plain.status == 200:
        return broken(
            name,
            "anybody can read private objects without a signature, after the link's end too;"
            " the bot refuses to run",
            "remove the statement for everybody (Principal *) from the bucket policy",
        )
    return ok(name, "refused without a signature")


def _download(trip: RoundTripResult) -> Row:
    name = "download"
    if trip.link.disposition.startswith("attachment"):
        return ok(name, "browsers save the file under its name")
    return warning(
        name,
        "the name of the file does not arrive, so browsers may show it as a page",
        "check what answers at link.domain: it must pass Content-Disposition on",
    )
