"""Faults on request: a script checked at every request, and ways to break a connection."""

import asyncio
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import responses
from socket import SO_LINGER, SOL_SOCKET

from aiohttp import web


class Effect(StrEnum):
    """The kinds of faults, each with the `args` it reads, in seconds and bytes."""

    ERROR = "error"
    """Refuse with an error of the stand-in's own kind: `status`, `code` or `description`, further
    fields.
    """
    HTML = "html"
    """Answer as a proxy in between does, with `status` (default 502) and `body` (default: HTML).

    Of OSS: further fields are headers, and with `applied` the request is carried out first.
    """
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
    DRIP = "drip"
    """Apply the request, then answer with `bytes` (default 1) every `seconds` (default 1): the
    body, or the head of an answer without one. Of OSS only.
    """
    WITHOUT = "without"
    """Apply the request, but leave `name`, a header or XML elements, out of the answer of OSS."""
    UNDELETED = "undeleted"
    """Do not delete `key`: DeleteMultipleObjects does not name it, DeleteObject refuses."""
    WRONG_CRC = "wrong_crc"
    """Apply the request, but answer with a CRC that does not match the bytes."""
    ODD = "odd"
    """Apply the request, then answer 200 with `result` (a text, JSON) instead of its own, or with
    `body` (a text) in place of the whole answer.
    """
    CHANGED = "changed"
    """Apply the request, then change its answer at `path` (a text, a JSON array of keys and
    indices) to `value` (a text, JSON); without `value` the key is dropped. Of the Bot API only.
    """
    TWICE = "twice"
    """Deliver the same update a second time."""


@dataclass
class Fault:
    """One fault of the script.

    `operation` is the name of the call as its documentation spells it (`UploadPart`,
    `sendMessage`, `file`), or `*`. `where` must be a subset of the request's parameters, compared
    as text. The first `skip` matching requests pass; the next `times` get the fault (0: all).
    With `seconds` it ends so long after the first hit (time of the service), and `times` does not
    count.
    """

    operation: str
    effect: Effect
    times: int = 1
    skip: int = 0
    where: dict[str, str] = field(default_factory=dict)
    args: dict[str, str | int | float] = field(default_factory=dict)
    hits: int = 0
    seconds: float | None = None
    ends_at: float | None = None

    def matches(self, operation: str, params: Mapping[str, object]) -> bool:
        """Return whether this fault is meant for the request, without regard to its counters."""
        return self.operation in {operation, "*"} and all(
            str(params.get(name)) == wanted for name, wanted in self.where.items()
        )

    def is_over(self, now: float) -> bool:
        """Return whether it has happened as often, or for as long, as it shall.

        `now` is a POSIX timestamp (s); the span of `seconds` starts at the first call.
        """
        if self.seconds is None:
            return 0 < self.times <= self.hits
        if self.ends_at is None:
            self.ends_at = now + self.seconds
        return now >= self.ends_at


class FaultScript:
    """The faults that are still to happen, in the order in which they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self.now: Callable[[], float] = time.time
        """The time of the service, a POSIX timestamp (s)."""

    def add(self, fault: Fault) -> Fault:
        """Append a fault and return it; its `hits` count how often it was applied."""
        self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Remove one fault; does nothing when it is not there."""
        self._faults = [other for other in self._faults if other is not fault]

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def take(self, operation: str, params: Mapping[str, object]) -> Fault | None:
        """Return the fault for this request, if any, and count the hit."""
        for fault in self._faults:
            if not fault.matches(operation, params):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.is_over(self.now()):
                continue
            fault.hits += 1
            return fault
        return None


def reset_connection(request: web.BaseRequest) -> web.Response:
    """Send RST, as a crash does. The response returned never reaches the client."""
    transport = request.transport
    if transport is not None:
        socket = transport.get_extra_info("socket")
        if socket is not None:
            # Lingering for 0 s makes the kernel send RST instead of FIN.
            socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
    return web.Response(status=500)


def close_connection(request: web.BaseRequest) -> web.Response:
    """Close after what has been written. The response returned never reaches the client."""
    if request.transport is not None:
        request.transport.close()
    return web.Response(status=500)


def proxy_page(status: int) -> str:
    """Return the HTML page of a proxy between client and server."""
    title = f"{status} {responses.get(status, 'Error')}"
    return f"<html><head><title>{title}</title></head><body>nginx</body></html>"
