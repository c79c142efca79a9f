"""Faults on request: a script that the stand-ins consult at every request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Effect(StrEnum):
    """What goes wrong. Which `args` an effect reads is said behind it; seconds and bytes."""

    ERROR = "error"
    """Refuse with an error of the stand-in's own kind: `status`, `code` or `description`, further
    fields.
    """
    HTML = "html"
    """Answer `status` (default 502) with a page of HTML, as a proxy in between does."""
    RESET = "reset"
    """Break the connection before anything is applied, after `bytes` of the body if given."""
    LOST = "lost"
    """Apply the request, then break the connection instead of answering."""
    LATE = "late"
    """Apply the request, then hold the answer back for `seconds`."""
    HELD = "held"
    """Apply the request only after `seconds` of the clock; of calls of the Bot API only."""
    STALL = "stall"
    """Stop reading the body after `bytes`, do nothing for `seconds`, then break the connection."""
    TRUNCATE = "truncate"
    """Send only `bytes` of the body that the headers promise, then break the connection."""
    WRONG_CRC = "wrong_crc"
    """Apply the request, but tell a CRC that is not that of the bytes."""
    ODD = "odd"
    """Apply the request, then answer 200 with `result` (a text, JSON) instead of its own."""
    TWICE = "twice"
    """Deliver the same update a second time."""


@dataclass
class Fault:
    """One line of the script.

    `operation` is the name of the call as its documentation spells it (`UploadPart`,
    `sendMessage`, `file`), or `*`. `where` must be a subset of the request's parameters, compared
    as text. The first `skip` matching requests pass; then `times` of them are hit (0 = for ever).
    """

    operation: str
    effect: Effect
    times: int = 1
    skip: int = 0
    where: dict[str, str] = field(default_factory=dict)
    args: dict[str, str | int | float] = field(default_factory=dict)
    hits: int = 0

    def matches(self, operation: str, params: Mapping[str, object]) -> bool:
        """Say whether the request is one that this fault speaks of, whatever its counters are."""
        return self.operation in {operation, "*"} and all(
            str(params.get(name)) == wanted for name, wanted in self.where.items()
        )


class FaultScript:
    """The faults that are still to happen, in the order in which they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Append a line and return it; its `hits` tell later how often it struck."""
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Forget everything; the stand-in works again."""
        self._faults.clear()

    def take(self, operation: str, params: Mapping[str, object]) -> Fault | None:
        """Return the fault that strikes this request, if any, and count it."""
        for fault in self._faults:
            if not fault.matches(operation, params):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times and fault.hits >= fault.times:
                continue
            fault.hits += 1
            return fault
        return None
