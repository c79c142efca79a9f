"""What to do about a failure of OSS, by its class."""

from typing import Final

from bot.cli.doctor.doctor import Row, broken
from bot.core.errors import (
    AccountOverdue,
    BucketMissing,
    ClockSkewed,
    StoreError,
    StoreForbidden,
    StoreKeyRefused,
    StoreThrottled,
    StoreUnavailable,
    WrongRegion,
)

RAM_REMEDY: Final = "attach the RAM policy that relay-bot setup prints to the RAM user of the key"

_ADVICE: Final[tuple[tuple[type[StoreError], str, str], ...]] = (
    (
        StoreKeyRefused,
        "OSS key",
        "check oss.access_key_id and oss.access_key_secret: in the RAM console the key must exist"
        " and be enabled; a wrong oss.region looks the same",
    ),
    (BucketMissing, "OSS bucket", "check oss.bucket, or let relay-bot setup create it"),
    (
        WrongRegion,
        "OSS region",
        "set oss.region (and oss.endpoint, if it is set) to where the bucket is",
    ),
    (
        AccountOverdue,
        "OSS account",
        "the account is overdue or frozen: top it up, and read the console's message centre",
    ),
    (ClockSkewed, "clock and OSS", "set the clock, best by NTP: timedatectl set-ntp true"),
    (StoreForbidden, "OSS rights", RAM_REMEDY),
    (StoreThrottled, "OSS", "OSS asks to slow down: lower transfer.connections"),
    (
        StoreUnavailable,
        "OSS",
        "check the network, oss.endpoint, oss.upload_endpoint, link.domain and oss.proxy; an"
        " internal endpoint works inside its region only",
    ),
)


def failure_row(error: StoreError) -> Row:
    """Return the row about a call to OSS that failed."""
    for kind, name, remedy in _ADVICE:
        if isinstance(error, kind):
            return broken(name, str(error), remedy)
    return broken("OSS", str(error), "look the code and the EC up in the documentation of OSS")
