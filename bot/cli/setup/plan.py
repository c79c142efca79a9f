"""Actual and desired configuration of the bucket, and the changes between them. Sends only
reads.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from bot.adapters.oss.administration import PRIVATE, PUBLIC_READ, BucketAdministration, BucketInfo
from bot.adapters.oss.policies import (
    Policy,
    PolicyGrant,
    has_foreign_rules,
    is_public,
    lacks_vpc,
    merge_rule,
    merge_statements,
    parse_policy,
    remove_rule,
    remove_statements,
    rule_id,
    users_granted,
)
from bot.cli.common import CommandFailed, say
from bot.core.errors import StoreForbidden
from bot.core.files import LinkMode, key_prefix
from bot.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """One change: its description, and the call that makes it.

    `ours` means that it affects only our prefix and our own statements; any other change needs
    consent first. `make` blocks and may raise `StoreError`; it may be repeated. `needs` are the
    changes without which OSS refuses this one, `remedy` is what to do if it is refused; `creates`
    marks the change that makes the bucket.
    """

    what: str
    before: str
    after: str
    ours: bool
    make: Callable[[BucketAdministration], None] = field(repr=False, compare=False)
    needs: tuple[str, ...] = ()
    remedy: str = field(default="", compare=False)
    creates: bool = False


@dataclass(frozen=True, slots=True)
class ActualBucket:
    """The bucket's actual configuration. `blocked` and `account_blocked` are `None` if the key may
    not read them; `policy` and `lifecycle` are the refusals to read them, then. A `fresh` bucket
    has just been created, or will be: it has no other users yet.
    """

    info: BucketInfo
    blocked: bool | None
    account_blocked: bool | None
    policy: Policy | StoreForbidden
    lifecycle: bytes | StoreForbidden | None
    fresh: bool = False


def look(administration: BucketAdministration) -> ActualBucket | None:
    """Return the bucket's configuration, `None` if there is none. Blocks; raises `StoreError`."""
    info = administration.info()
    if info is None:
        return None
    return ActualBucket(
        info=info,
        blocked=_known(administration.blocks_public_access),
        account_blocked=_known(administration.account_blocks_public_access),
        policy=_allowed(lambda: parse_policy(administration.policy())),
        lifecycle=_allowed(administration.lifecycle),
    )


def expect_new(administration: BucketAdministration, region: str) -> ActualBucket:
    """Return the expected configuration of a new bucket; those created through the API block
    public access (source: OSS documentation, "Block public access"). Blocks.
    """
    return ActualBucket(
        info=BucketInfo(region, "*", PRIVATE, "", "LRS"),
        blocked=True,
        account_blocked=_known(administration.account_blocks_public_access),
        policy=parse_policy(None),
        lifecycle=None,
        fresh=True,
    )


def _known(ask: Callable[[], bool]) -> bool | None:
    found = _allowed(ask)
    return None if isinstance(found, StoreForbidden) else found


def _allowed(ask: Callable[[], T]) -> T | StoreForbidden:
    """Return what is asked, or the refusal: it concerns one change, and not the others."""
    try:
        return ask()
    except StoreForbidden as error:
        return error


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredBucket:
    """The bucket configuration that one bot needs.

    `public_read` makes the whole bucket readable, the simplest way to public links; without it,
    objects have their own ACL and the bucket stays private. `user` is the id of the RAM user to
    grant access in the bucket policy; `None` leaves the policy alone.
    """

    bucket: str
    region: str
    prefix: str
    mode: LinkMode
    public_read: bool = False
    user: str | None = None

    @property
    def blocked(self) -> bool:
        """Whether to block public access: nothing is public in signed and page mode."""
        return self.mode.is_private

    @property
    def acl(self) -> str:
        """The ACL of the bucket itself."""
        return PUBLIC_READ if self.public_read else PRIVATE


def desired_for(
    settings: Settings, *, public_read: bool = False, user: str | None = None
) -> DesiredBucket:
    """Return the configuration that these settings need."""
    return DesiredBucket(
        bucket=settings.oss.bucket,
        region=settings.oss.region,
        prefix=key_prefix(settings.telegram.bot_id),
        mode=settings.link.mode,
        public_read=public_read,
        user=user,
    )


BLOCK: Final = "block public access"
LEND_A_KEY: Final = "setup-lend-a-key"
"""The message of the remedy of most refusals."""
ACCOUNT_BLOCK: Final = "https://oss.console.aliyun.com/public-access-block"


def plan_setup(actual: ActualBucket, desired: DesiredBucket) -> list[Change]:
    """Return the changes in the order in which they must be made; none if the bucket is as
    desired.

    Raises:
        OperationImpossible: the account blocks public access that the settings need.
    """
    if actual.account_blocked and not desired.blocked:
        raise CommandFailed(say("setup-account-blocks", block=ACCOUNT_BLOCK))
    block = list(_plan_block(actual, desired))
    others = [
        *_plan_acl(actual, desired),
        *_plan_policy(actual, desired),
        *_plan_rule(actual, desired),
    ]
    # While the block is on, OSS refuses every public ACL, and every policy that contains a public
    # statement, also a foreign one. So it is lifted first and set last.
    return [*others, *block] if desired.blocked else [*block, *others]


def plan_removal(actual: ActualBucket, desired: DesiredBucket) -> list[Change]:
    """Return the changes that remove our rule and our statements, and nothing else."""
    return [*_remove_rule(actual, desired), *_remove_statements(actual, desired)]


def plan_creation(desired: DesiredBucket) -> Change:
    """Return the change that creates the bucket."""
    return Change(
        "bucket",
        say("setup-there-is-none"),
        say("setup-new-bucket", bucket=desired.bucket, region=desired.region),
        ours=True,
        make=BucketAdministration.create,
        remedy=say("setup-lend-or-rename", lend=say(LEND_A_KEY)),
        creates=True,
    )


def _plan_block(actual: ActualBucket, desired: DesiredBucket) -> Iterator[Change]:
    if actual.blocked != desired.blocked:
        yield Change(
            BLOCK,
            say("setup-unknown") if actual.blocked is None else _on_or_off(on=actual.blocked),
            _on_or_off(on=desired.blocked),
            ours=actual.fresh,
            make=partial(BucketAdministration.set_public_access_block, blocked=desired.blocked),
            remedy=say(LEND_A_KEY),
        )


def _on_or_off(*, on: bool) -> str:
    return say("setup-on" if on else "setup-off")


def _plan_acl(actual: ActualBucket, desired: DesiredBucket) -> Iterator[Change]:
    if actual.info.acl != desired.acl:
        make = partial(BucketAdministration.set_acl, acl=desired.acl)
        yield Change(
            "bucket ACL",
            actual.info.acl,
            desired.acl,
            ours=actual.fresh,
            make=make,
            needs=(BLOCK,) if desired.public_read else (),
            remedy=say(LEND_A_KEY),
        )


def _plan_policy(actual: ActualBucket, desired: DesiredBucket) -> Iterator[Change]:
    if desired.user is None:
        return
    if isinstance(actual.policy, StoreForbidden):
        yield _unreadable("bucket policy", actual.policy)
        return
    grant = PolicyGrant(desired.bucket, actual.info.owner, (desired.user,))
    merged = merge_statements(actual.policy, grant)
    if merged is not None:
        yield Change(
            "bucket policy",
            _count(actual.policy),
            say("setup-grant", user=desired.user),
            ours=True,  # Other rules and statements stay unchanged.
            make=_putting(merged),
            remedy=_remedy_of(actual.policy),
        )


def _unreadable(what: str, error: StoreForbidden) -> Change:
    """Return a change that cannot be made, because what is there may not be read, and would be
    lost.
    """

    def refuse(_: BucketAdministration) -> None:
        raise error

    return Change(
        what,
        say("setup-unknown"),
        say("setup-with-ours"),
        ours=True,
        make=refuse,
        remedy=say(LEND_A_KEY),
    )


def _remedy_of(policy: Policy) -> str:
    """Return what to do where OSS refuses a policy with these statements of others in it."""
    if any(map(lacks_vpc, policy["Statement"])):
        return say("setup-lacks-vpc")
    if any(map(is_public, policy["Statement"])):
        return say("setup-public-statement")
    return say(LEND_A_KEY)


def _putting(policy: Policy) -> partial[None]:
    text = json.dumps(policy, ensure_ascii=False) if policy["Statement"] else None
    return partial(BucketAdministration.put_policy, text=text)


def _count(policy: Policy) -> str:
    count = len(policy["Statement"])
    return say("setup-statements", count=count) if count else say("setup-none")


def _plan_rule(actual: ActualBucket, desired: DesiredBucket) -> Iterator[Change]:
    versioned = actual.info.versioning in {"Enabled", "Suspended"}
    if isinstance(actual.lifecycle, StoreForbidden):
        yield _unreadable("lifecycle", actual.lifecycle)
        return
    merged = merge_rule(actual.lifecycle, desired.prefix, versioned=versioned)
    if merged is None:
        return
    foreign = has_foreign_rules(actual.lifecycle, desired.prefix)
    yield Change(
        "lifecycle",
        say("setup-foreign-rules" if foreign else "setup-no-rule"),
        say(
            "setup-rule-with-versions" if versioned else "setup-rule",
            rule=rule_id(desired.prefix),
        ),
        ours=True,  # Other rules and statements stay unchanged.
        make=partial(BucketAdministration.put_lifecycle, document=merged, overlaps=foreign),
        remedy=say("setup-rule-remedy" if foreign else LEND_A_KEY),
    )


def _remove_rule(actual: ActualBucket, desired: DesiredBucket) -> Iterator[Change]:
    if isinstance(actual.lifecycle, StoreForbidden):
        yield _unreadable("lifecycle", actual.lifecycle)
        return
    rest = remove_rule(actual.lifecycle, desired.prefix)
    if rest is not None:
        make = partial(
            BucketAdministration.put_lifecycle, document=rest or None, overlaps=bool(rest)
        )
        yield Change(
            "lifecycle",
            say("setup-the-rule", rule=rule_id(desired.prefix)),
            say("setup-removed"),
            ours=True,
            make=make,
            remedy=say(LEND_A_KEY),
        )


def _remove_statements(actual: ActualBucket, desired: DesiredBucket) -> Iterator[Change]:
    if isinstance(actual.policy, StoreForbidden):
        yield _unreadable("bucket policy", actual.policy)
        return
    rest = remove_statements(actual.policy, desired.bucket)
    if rest is not None:
        users = ", ".join(users_granted(actual.policy, desired.bucket))
        yield Change(
            "bucket policy",
            say("setup-our-statements", users=users),
            say("setup-removed"),
            ours=True,
            make=_putting(rest),
            remedy=_remedy_of(rest),
        )
