"""Checks of OSS: the key, the bucket, its configuration, and the round trip of a test object."""

from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Final, TypeVar
from urllib.parse import urlsplit

from bot.adapters.oss.access_checks import (
    LIFE,
    AnonymousAnswer,
    RoundTripCheck,
    RoundTripResult,
    anonymous_listing_possible,
    anonymous_writing_possible,
)
from bot.adapters.oss.administration import PRIVATE, BucketAdministration, BucketInfo
from bot.adapters.oss.bucket import STORAGE_CLASS, OssLinkSigner
from bot.adapters.oss.policies import is_public, net_below, parse_policy, users_granted
from bot.cli.common import Row, Verdict, broken, ok, say, warning
from bot.cli.doctor.telegram import CLOCK_REMEDY, clock_row
from bot.cli.setup.plan import ACCOUNT_BLOCK
from bot.core.errors import (
    AccountOverdue,
    BucketMissing,
    CertificateRefused,
    ClockSkewed,
    ObjectArchived,
    ObjectRetained,
    PublicAccessBlocked,
    RefererRefused,
    StoreError,
    StoreForbidden,
    StoreKeyRefused,
    StoreThrottled,
    StoreUnavailable,
    WrongRegion,
)
from bot.core.files import LinkMode, key_prefix
from bot.core.ports import Clock
from bot.settings import Settings, endpoint_problems
from bot.wiring.resources import StoreAccess, open_store_access

T = TypeVar("T")

RAM_REMEDY: Final = "doctor-ram-remedy"
REFERER_REMEDY: Final = "doctor-referer-remedy"
ARCHIVE_REMEDY: Final = "doctor-archive-remedy"
RETENTION_REMEDY: Final = "doctor-retention-remedy"

_ADVICE: Final[tuple[tuple[type[StoreError], str, str], ...]] = (
    (StoreKeyRefused, "OSS key", "doctor-advice-key"),
    (BucketMissing, "OSS bucket", "doctor-advice-bucket"),
    (WrongRegion, "OSS region", "doctor-advice-region"),
    (AccountOverdue, "OSS account", "doctor-advice-account"),
    (ObjectRetained, "retention", RETENTION_REMEDY),
    (ObjectArchived, "storage class", ARCHIVE_REMEDY),
    (RefererRefused, "referer whitelist", REFERER_REMEDY),
    (PublicAccessBlocked, "public access", "doctor-advice-public-access"),
    (CertificateRefused, "certificate", "doctor-advice-certificate"),
    (ClockSkewed, "clock and OSS", CLOCK_REMEDY),
    (StoreForbidden, "OSS rights", RAM_REMEDY),
    (StoreThrottled, "OSS", "doctor-advice-throttled"),
    (StoreUnavailable, "OSS", "doctor-advice-unavailable"),
)
"""A kind of error, the name of its row, and the message of the remedy."""


def failure_row(error: StoreError) -> Row:
    """Return the row about a failed call to OSS."""
    for kind, name, remedy in _ADVICE:
        if isinstance(error, kind):
            return broken(name, str(error), say(remedy))
    return broken("OSS", str(error), say("doctor-advice-other"))


_REFUSALS: Final = {
    "PublicEndpointForbidden": (
        "doctor-link-public-endpoint",
        "doctor-link-public-endpoint-remedy",
    ),
    "ApkDownloadForbidden": ("doctor-link-apk", "doctor-link-apk-remedy"),
    "SignatureDoesNotMatch": ("doctor-link-signature", "doctor-link-signature-remedy"),
    "AccessDenied": ("doctor-link-denied", "doctor-link-denied-remedy"),
    "NoSuchBucket": ("doctor-link-no-bucket", "doctor-link-no-bucket-remedy"),
    "InvalidObjectState": ("doctor-link-archived", ARCHIVE_REMEDY),
}
"""Codes of OSS, with the messages of meaning and remedy."""
_REFERER: Final = "bucket referer policy"
"""In the message of an AccessDenied (source: OSS documentation, "Hotlink protection")."""


def prefix_of(settings: Settings) -> str:
    """Return the prefix of the bot's objects in the bucket."""
    return key_prefix(settings.telegram.bot_id)


def acl_row(info: BucketInfo, mode: LinkMode) -> Row:
    """Return the row about the bucket's ACL; objects have their own."""
    if info.acl == PRIVATE:
        return ok("bucket ACL", say("doctor-private"))
    if info.acl == "public-read-write":
        return broken("bucket ACL", say("doctor-acl-write"), say("doctor-set-private"))
    if mode.is_private:
        return broken(
            "bucket ACL", say("doctor-acl-listed", acl=info.acl), say("doctor-set-private")
        )
    return warning(
        "bucket ACL", say("doctor-acl-read", acl=info.acl), say("doctor-no-public-bucket")
    )


def versioning_row(info: BucketInfo) -> Row:
    """Return the row about versioning, which keeps deleted objects."""
    if info.versioning == "Enabled":
        return broken(
            "versioning",
            say("doctor-versioning-on"),
            say("doctor-versioning-remedy"),
        )
    return ok("versioning", info.versioning.lower() or say("doctor-off"))


def block_row(asked: BucketAdministration, mode: LinkMode) -> Row:
    """Return the row about the block of public access, of bucket and account."""
    name, blocked = "public access", asked.blocks_public_access()
    by_account = _blocked_by_account(asked)
    if mode.is_private:
        if blocked or by_account:
            return ok(name, say("doctor-blocked"))
        return warning(name, say("doctor-not-blocked"), say("doctor-block-it"))
    if by_account:
        return broken(
            name,
            say("doctor-account-blocks"),
            say("doctor-account-unblock", block=ACCOUNT_BLOCK),
        )
    if blocked:
        return broken(name, say("doctor-bucket-blocks"), say("doctor-allow-it"))
    return warning(
        name,
        say("doctor-public-allowed"),
        say("doctor-public-remedy"),
    )


def _blocked_by_account(asked: BucketAdministration) -> bool:
    try:
        return asked.account_blocks_public_access()
    except StoreForbidden:
        # The key of a RAM user seldom has this permission; the round trip shows whether links
        # open.
        return False


def policy_row(asked: BucketAdministration, bucket: str) -> Row:
    """Return the row about the bucket policy, and whether it makes the bucket public."""
    name, policy = "bucket policy", parse_policy(asked.policy())
    count = len(policy["Statement"])
    said = _judged_by_oss(asked) if count else False
    if said or any(map(is_public, policy["Statement"])):
        meaning, remedy = say("doctor-policy-public"), say("doctor-policy-remedy")
        if said is False:
            return warning(name, say("doctor-policy-doubt", meaning=meaning), remedy)
        return broken(name, meaning, remedy)
    users = users_granted(policy, bucket)
    statements = say("doctor-statements", number=count) if count else say("doctor-no-statements")
    if users:
        return ok(name, say("doctor-with-ours", statements=statements, users=", ".join(users)))
    return ok(name, statements)


def _judged_by_oss(asked: BucketAdministration) -> bool | None:
    """Return whether OSS calls the policy public, `None` where the key may not ask."""
    try:
        return asked.policy_is_public()
    except StoreForbidden:
        return None


def lifecycle_row(asked: BucketAdministration, prefix: str) -> Row:
    """Return the row about the lifecycle rule."""
    name, net = "lifecycle", net_below(asked.lifecycle(), prefix)
    if net.expires and net.aborts:
        return ok(name, say("doctor-lifecycle-ok"))
    if not net.expires and not net.aborts:
        missing = say("doctor-no-rule-both")
    else:
        missing = say("doctor-no-rule-aborts" if net.expires else "doctor-no-rule-expires")
    meaning = say("doctor-no-rule", missing=missing, prefix=prefix)
    return warning(name, meaning, say("doctor-add-rule"))


async def examine_trip(settings: Settings, line: StoreAccess) -> list[Row]:
    """Do one round trip of a test object. Raises `StoreError` if a step is refused."""
    mode = settings.link.mode
    walk = RoundTripCheck(line.oss, line.store, OssLinkSigner(line.oss, mode), mode)
    prefix = prefix_of(settings)
    result = await line.threads.call(
        lambda: walk.go(prefix, lambda: line.oss.link_clock.now() + LIFE)
    )
    rows = [_opened(result), _ended(result), _storage_class(result)]
    if mode.is_private:
        rows.append(_private(result))
    if result.link.equal:
        rows.append(_download(result))
    return rows


def _opened(result: RoundTripResult) -> Row:
    name = "round trip"
    if result.link.equal:
        return ok(name, say("doctor-trip-ok"))
    told = _told(result.link)
    if not result.link.from_oss or result.link.status == 200:
        return broken(name, say("doctor-not-oss", told=told), say("doctor-not-oss-remedy"))
    meaning, remedy = _REFUSALS.get(
        result.link.code, ("doctor-link-other", "doctor-link-other-remedy")
    )
    if _REFERER in result.link.message:
        meaning, remedy = "doctor-link-referer", REFERER_REMEDY
    return broken(name, f"{say(meaning)} ({told})", say(remedy))


def _told(answer: AnonymousAnswer) -> str:
    """Return status, code, message and EC of an answer."""
    code = f"{answer.code or say('doctor-no-code')}{': ' * bool(answer.message)}{answer.message}"
    return f"HTTP {answer.status}, {code}"


def _storage_class(result: RoundTripResult) -> Row:
    name, found = "storage class", result.storage_class
    if found == STORAGE_CLASS:
        return ok(name, say("doctor-class-ok", found=found))
    meaning = say("doctor-class-other", found=found, wanted=STORAGE_CLASS)
    return warning(name, meaning, say(ARCHIVE_REMEDY))


def _ended(result: RoundTripResult) -> Row:
    name = "end of a link"
    if result.after.equal:
        return broken(
            name,
            say("doctor-still-opens"),
            say("doctor-still-opens-remedy"),
        )
    if result.object_left or result.uploads_left:
        return broken(
            name,
            say("doctor-left"),
            say("doctor-left-remedy", retention=say(RETENTION_REMEDY)),
        )
    return ok(name, say("doctor-closed", status=result.after.status))


def _private(result: RoundTripResult) -> Row:
    name = "anonymous reading"
    if result.plain.equal:
        return broken(
            name,
            say("doctor-anonymous-read"),
            say("doctor-anonymous-read-remedy"),
        )
    return ok(name, say("doctor-unsigned-refused"))


def _download(result: RoundTripResult) -> Row:
    name = "download"
    if result.link.disposition.startswith("attachment"):
        return ok(name, say("doctor-download-ok"))
    return warning(
        name,
        say("doctor-download-page"),
        say("doctor-download-remedy"),
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
            meaning = say("doctor-key-blind", why=error)
            rows += [warning("OSS key", meaning, say(RAM_REMEDY))]
        else:
            if info is None:
                name = self._settings.oss.bucket
                meaning = say("doctor-no-such-bucket", bucket=name)
                return [*rows, broken("OSS bucket", meaning, say("doctor-advice-bucket"))]
            rows += [self._key(info), *await self._configuration(info)]
        rows.append(clock_row("clock and OSS", self._line.oss.time.offset))
        return rows + await self._from_outside(rows)

    def _key(self, info: BucketInfo) -> Row:
        keys = self._line.oss.keys
        if self._line.oss.credentials_are_temporary:
            ends_at = keys.current().expires_at
            until = f"{ends_at:%Y-%m-%d %H:%M} UTC" if ends_at else say("doctor-unknown-moment")
            if keys.is_renewable:
                by = self._settings.oss.credentials
                return ok("OSS key", say("doctor-key-renewed", by=by, until=until))
            return warning(
                "OSS key",
                say("doctor-key-temporary", until=until),
                say("doctor-key-temporary-remedy"),
            )
        where = {"bucket": self._settings.oss.bucket, "region": info.region}
        return ok("OSS key", say("doctor-key-ok", **where))

    async def _configuration(self, info: BucketInfo) -> list[Row]:
        asked = self._administration
        mode, prefix = self._settings.link.mode, prefix_of(self._settings)
        rows = [acl_row(info, mode), versioning_row(info)]
        for name, ask in (
            ("public access", lambda: block_row(asked, mode)),
            ("bucket policy", lambda: policy_row(asked, self._settings.oss.bucket)),
            ("lifecycle", lambda: lifecycle_row(asked, prefix)),
        ):
            try:
                rows.append(await self._call(ask))
            except StoreForbidden as error:
                meaning = say("doctor-not-known", why=error)
                rows.append(warning(name, meaning, say(RAM_REMEDY)))
        return rows

    async def _from_outside(self, so_far: Sequence[Row]) -> list[Row]:
        oss, store, prefix = self._line.oss, self._line.store, prefix_of(self._settings)
        rows = [
            await self._row(lambda: _listing(possible=anonymous_listing_possible(oss))),
            await self._row(
                lambda: _writing(possible=anonymous_writing_possible(oss, store, prefix))
            ),
        ]
        if any(row.name == "public access" and row.verdict is Verdict.BROKEN for row in so_far):
            # OSS would refuse to store anything public.
            return rows
        try:
            rows += await examine_trip(self._settings, self._line)
        except StoreError as error:
            rows.append(failure_row(error))
        return list(dict.fromkeys(rows))  # One that is out of reach is out of reach for each.

    async def _row(self, work: Callable[[], Row]) -> Row:
        try:
            return await self._call(work)
        except StoreError as error:
            return failure_row(error)

    async def _call(self, work: Callable[[], T]) -> T:
        # The language of the texts is part of the context, which a thread does not have.
        context = copy_context()
        return await self._line.threads.call(lambda: context.run(work))


def _listing(*, possible: bool) -> Row:
    name = "anonymous listing"
    if possible:
        return broken(
            name,
            say("doctor-listing"),
            say("doctor-listing-remedy"),
        )
    return ok(name, say("doctor-refused"))


def _writing(*, possible: bool) -> Row:
    name = "anonymous writing"
    if possible:
        return broken(
            name,
            say("doctor-writing"),
            say("doctor-writing-remedy"),
        )
    return ok(name, say("doctor-refused"))


def endpoint_rows(settings: Settings) -> list[Row]:
    """Return the problems with the configured endpoints, and the limits of the platform for
    them.
    """
    region = settings.oss.region
    found = endpoint_problems(settings)
    elsewhere = [line for line in found if line.startswith("oss.")]
    rows = []
    if elsewhere:
        rows.append(broken("OSS endpoint", "; ".join(elsewhere), say("doctor-endpoint-remedy")))
    if len(elsewhere) < len(found):
        return [*rows, warning("link domain", found[-1], say("doctor-domain-remedy"))]
    if settings.link.domain:
        own = urlsplit(settings.link.domain).hostname
        return [*rows, ok("link domain", say("doctor-domain-own", domain=own))]
    if region.startswith("cn-") and region != "cn-hongkong":
        return [
            *rows,
            warning(
                "link domain",
                say("doctor-domain-mainland"),
                say("doctor-domain-mainland-remedy"),
            ),
        ]
    return [*rows, ok("link domain", say("doctor-domain-default"))]
