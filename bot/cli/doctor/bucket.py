"""Checks of the bucket's configuration. Those that call OSS block and raise `StoreError`."""

from typing import Final

from bot.adapters.oss.administration import PRIVATE, BucketAdministration, BucketInfo
from bot.adapters.oss.policies import is_public, net_below, parse_policy, users_granted
from bot.cli.common import Row, broken, ok, warning
from bot.cli.setup.plan import ACCOUNT_BLOCK
from bot.core.errors import StoreForbidden
from bot.core.files import LinkMode, key_prefix
from bot.settings import Settings

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
