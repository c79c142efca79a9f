"""Checks of OSS: the key, the bucket, its configuration, and the round trip of a test object."""

from collections.abc import Callable, Sequence
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
from bot.cli.common import (
    ARCHIVE_REMEDY,
    RAM_REMEDY,
    REFERER_REMEDY,
    RETENTION_REMEDY,
    Row,
    Verdict,
    broken,
    failure_row,
    ok,
    warning,
)
from bot.cli.doctor.telegram import clock_row
from bot.cli.setup.plan import ACCOUNT_BLOCK
from bot.core.errors import StoreError, StoreForbidden
from bot.core.files import LinkMode, key_prefix
from bot.core.ports.clock import Clock
from bot.settings import Settings, endpoint_problems
from bot.wiring.resources import StoreAccess, open_store_access

T = TypeVar("T")

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
    "InvalidObjectState": ("the object is archived, and cannot be read", ARCHIVE_REMEDY),
}
_REFERER: Final = "bucket referer policy"
"""In the message of an AccessDenied (source: OSS documentation, "Hotlink protection")."""


SETUP: Final = "relay-bot setup does it"


def prefix_of(settings: Settings) -> str:
    """Return the prefix of the bot's objects in the bucket."""
    return key_prefix(settings.telegram.bot_id)


def acl_row(info: BucketInfo, mode: LinkMode) -> Row:
    """Return the row about the bucket's ACL; objects have their own."""
    if info.acl == PRIVATE:
        return ok("bucket ACL", "private")
    if info.acl == "public-read-write":
        meaning = "public-read-write: anyone can store files here, at your cost"
        return broken("bucket ACL", meaning, f"set it to private: {SETUP}")
    if mode is LinkMode.SIGNED:
        meaning = f"{info.acl}: objects without an ACL of their own are public, and can be listed"
        return broken("bucket ACL", meaning, f"set it to private: {SETUP}")
    meaning = f"{info.acl}: everything in the bucket can be read, not only links of the bot"
    return warning("bucket ACL", meaning, f"public links need no public bucket: {SETUP}")


def versioning_row(info: BucketInfo) -> Row:
    """Return the row about versioning, which keeps deleted objects."""
    if info.versioning == "Enabled":
        return broken(
            "versioning",
            "on: deleted files stay as old versions, after their link's end too",
            "suspend versioning of the bucket, or give the bot a bucket of its own",
        )
    return ok("versioning", info.versioning.lower() or "off")


def block_row(asked: BucketAdministration, mode: LinkMode) -> Row:
    """Return the row about the block of public access, of bucket and account."""
    name, blocked = "public access", asked.blocks_public_access()
    by_account = _blocked_by_account(asked)
    if mode is LinkMode.SIGNED:
        if blocked or by_account:
            return ok(name, "blocked; signed links do not need it")
        return warning(name, "not blocked, and signed links do not need it", f"block it: {SETUP}")
    if by_account:
        return broken(
            name,
            "the whole account blocks it, overriding the bucket: public links cannot be opened",
            f'switch the account\'s block off at {ACCOUNT_BLOCK}, or set link.mode = "signed"',
        )
    if blocked:
        return broken(
            name, "the bucket blocks it: public links cannot be opened", f"allow it: {SETUP}"
        )
    return warning(
        name,
        "allowed: only the running bot ends public links; while it is down they stay open",
        "keep the bot running, or set link.mode to signed, where OSS itself ends them",
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
        meaning = "a statement grants access to everyone, which overrides the ACLs"
        remedy = (
            "in the console, bucket, permission control, bucket policy: remove the statement for"
            " everyone (Principal *, or none), or confine it to a VPC or an access key;"
            " acs:SecureTransport confines nothing"
        )
        if said is False:
            return warning(name, f"{meaning}; GetBucketPolicyStatus does not say so", remedy)
        return broken(name, meaning, remedy)
    users = users_granted(policy, bucket)
    ours = f", ours for RAM user {', '.join(users)} among them" if users else ""
    return ok(name, f"{count or 'no'} statements{ours}")


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
        return ok(name, "removes after 24 to 72 hours what the bot could not")
    missing = [
        word
        for word, there in (
            ("objects expire after a day", net.expires),
            ("multipart uploads are aborted after a day", net.aborts),
        )
        if not there
    ]
    return warning(
        name,
        f"no rule by which {' and '.join(missing)} below {prefix}: were the bot gone for good,"
        " they would stay, and cost, for ever",
        f"add the rule: {SETUP}",
    )


async def examine_trip(settings: Settings, line: StoreAccess) -> list[Row]:
    """Do one round trip of a test object. Raises `StoreError` if a step is refused."""
    mode = settings.link.mode
    walk = RoundTripCheck(line.oss, line.store, OssLinkSigner(line.oss, mode), mode)
    prefix = prefix_of(settings)
    result = await line.threads.call(
        lambda: walk.go(prefix, lambda: line.oss.link_clock.now() + LIFE)
    )
    rows = [_opened(result), _ended(result), _storage_class(result)]
    if mode is LinkMode.SIGNED:
        rows.append(_private(result))
    if result.link.equal:
        rows.append(_download(result))
    return rows


def _opened(result: RoundTripResult) -> Row:
    name = "round trip"
    if result.link.equal:
        return ok(name, "1 MiB in two parts is stored, and its link gives the same bytes")
    told = _told(result.link)
    if not result.link.from_oss or result.link.status == 200:
        meaning = f"what answers the link is not OSS ({told})"
        return broken(
            name, meaning, "check link.domain and oss.proxy: something else answers there"
        )
    meaning, remedy = _REFUSALS.get(
        result.link.code,
        ("the link cannot be opened", "check oss.endpoint and link.domain; look the code up"),
    )
    if _REFERER in result.link.message:
        meaning, remedy = "the referer whitelist of the bucket refuses the link", REFERER_REMEDY
    return broken(name, f"{meaning} ({told})", remedy)


def _told(answer: AnonymousAnswer) -> str:
    """Return status, code, message and EC of an answer."""
    code = f"{answer.code or 'no code'}{': ' * bool(answer.message)}{answer.message}"
    return f"HTTP {answer.status}, {code}"


def _storage_class(result: RoundTripResult) -> Row:
    name, found = "storage class", result.storage_class
    if found == STORAGE_CLASS:
        return ok(name, f"{found}, whatever the bucket's default")
    meaning = (
        f"new objects are {found}, though {STORAGE_CLASS} is asked for: each is billed for at"
        " least 30 days"
    )
    return warning(name, meaning, ARCHIVE_REMEDY)


def _ended(result: RoundTripResult) -> Row:
    name = "end of a link"
    if result.after.equal:
        return broken(
            name,
            "a deleted file can still be opened by its link",
            "switch off the cache of link.domain (CDN): it must honour Cache-Control: no-store",
        )
    if result.object_left or result.uploads_left:
        return broken(
            name,
            "a deleted object or an upload is still there",
            f"suspend versioning of the bucket; {RETENTION_REMEDY}",
        )
    return ok(name, f"closed after the deletion (HTTP {result.after.status}), nothing is left")


def _private(result: RoundTripResult) -> Row:
    name = "anonymous reading"
    if result.plain.equal:
        return broken(
            name,
            "anybody can read private objects without a signature, after the link's end too;"
            " the bot refuses to run",
            "remove the statement for everybody (Principal *, or none) from the bucket policy",
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
                meaning = f"not known, the key may not look: {error}"
                rows.append(warning(name, meaning, RAM_REMEDY))
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


def _writing(*, possible: bool) -> Row:
    name = "anonymous writing"
    if possible:
        return broken(
            name,
            "anybody can store files in the bucket, at your cost",
            "set the bucket's ACL to private (relay-bot setup does), and remove bucket policies"
            " that let everybody write",
        )
    return ok(name, "refused")


def endpoint_rows(settings: Settings) -> list[Row]:
    """Return the problems with the configured endpoints, and the limits of the platform for
    them.
    """
    region = settings.oss.region
    found = endpoint_problems(settings)
    elsewhere = [line for line in found if line.startswith("oss.")]
    rows = []
    if elsewhere:
        remedy = "name the public endpoint of the bucket's region, or leave it out"
        rows.append(broken("OSS endpoint", "; ".join(elsewhere), remedy))
    if len(elsewhere) < len(found):
        remedy = "leave link.domain out, or set a domain of yours that is bound to the bucket"
        return [*rows, warning("link domain", found[-1], remedy)]
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
