"""Rows of the doctor's report, and the remedy for each failure of OSS."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

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


class Verdict(StrEnum):
    """How a thing stands, from good to bad. The values are stable: scripts read them."""

    OK = "ok"
    WARNING = "warning"
    """It works, and is worth a look."""
    BROKEN = "broken"
    """The bot cannot do its work, or cannot keep its promise."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was looked at: its stable name, what was found and what that means, and what
    to do about it (empty where it is in order).
    """

    name: str
    verdict: Verdict
    meaning: str
    remedy: str = ""


def ok(name: str, meaning: str) -> Row:
    """Return a row about something in order."""
    return Row(name, Verdict.OK, meaning)


def warning(name: str, meaning: str, remedy: str) -> Row:
    """Return a row about something worth a look."""
    return Row(name, Verdict.WARNING, meaning, remedy)


def broken(name: str, meaning: str, remedy: str) -> Row:
    """Return a row about something that keeps the bot from its work or its promise."""
    return Row(name, Verdict.BROKEN, meaning, remedy)


def worst(rows: Sequence[Row]) -> Verdict:
    """Return the worst verdict of all; `OK` without any row."""
    order = list(Verdict)
    return max((row.verdict for row in rows), key=order.index, default=Verdict.OK)


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
