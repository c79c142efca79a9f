"""What an examination says: one row for each thing that was looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


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
