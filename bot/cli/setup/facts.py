"""What the bucket is."""

from dataclasses import dataclass

from bot.adapters.oss.administration import PRIVATE, BucketAdministration, BucketInfo
from bot.adapters.oss.policies import Policy, parse_policy
from bot.core.errors import StoreForbidden


@dataclass(frozen=True, slots=True)
class ActualBucket:
    """What the bucket is. `account_blocked` is `None` where the key may not ask. A `fresh` bucket
    has just been made, or will be: nobody else uses it yet.
    """

    info: BucketInfo
    blocked: bool
    account_blocked: bool | None
    policy: Policy
    lifecycle: bytes | None
    fresh: bool = False


def look(administration: BucketAdministration) -> ActualBucket | None:
    """Return what the bucket is, `None` if there is none. Blocks; raises `StoreError`."""
    info = administration.info()
    if info is None:
        return None
    return ActualBucket(
        info=info,
        blocked=administration.blocks_public_access(),
        account_blocked=_account_blocked(administration),
        policy=parse_policy(administration.policy()),
        lifecycle=administration.lifecycle(),
    )


def expect_new(administration: BucketAdministration, region: str) -> ActualBucket:
    """Return what a new bucket will be; those made through the API block public access (source:
    OSS documentation, "Block public access"). Blocks.
    """
    return ActualBucket(
        info=BucketInfo(region, "*", PRIVATE, "", "LRS"),
        blocked=True,
        account_blocked=_account_blocked(administration),
        policy=parse_policy(None),
        lifecycle=None,
        fresh=True,
    )


def _account_blocked(administration: BucketAdministration) -> bool | None:
    try:
        return administration.account_blocks_public_access()
    except StoreForbidden:
        return None
