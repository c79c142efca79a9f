"""What the bucket shall be."""

from dataclasses import dataclass

from bot.adapters.oss.administration import PRIVATE, PUBLIC_READ
from bot.core.links import LinkMode, key_prefix
from bot.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredBucket:
    """What the bucket shall be for one bot.

    `public_read` makes the whole bucket readable, as the plain recipe for public links has it;
    without it, objects carry their own ACL and the bucket stays private. `user` is the id of the
    RAM user whom the bucket policy shall serve; `None` leaves the policy alone.
    """

    bucket: str
    region: str
    prefix: str
    mode: LinkMode
    public_read: bool = False
    user: str | None = None

    @property
    def blocked(self) -> bool:
        """Whether public access shall be blocked: nothing is public in signed mode."""
        return self.mode is LinkMode.SIGNED

    @property
    def acl(self) -> str:
        """The ACL of the bucket itself."""
        return PUBLIC_READ if self.public_read else PRIVATE


def wish_of(
    settings: Settings, *, public_read: bool = False, user: str | None = None
) -> DesiredBucket:
    """Return what these settings need."""
    return DesiredBucket(
        bucket=settings.oss.bucket,
        region=settings.oss.region,
        prefix=key_prefix(settings.telegram.bot_id),
        mode=settings.link.mode,
        public_read=public_read,
        user=user,
    )
