"""Logs: `event key=value` on a terminal, one JSON object per line elsewhere, and no secret in
either.

The program logs through `structlog.get_logger(__name__)`; libraries log through the standard
library. Both end in one handler, behind the same processors.
"""

import logging
import re
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final, Literal, TextIO
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN: Final = "<hidden>"

SHORTEST_SECRET: Final = 4
"""Characters of a secret that is redacted; a shorter one would match half of every line."""

_PARAMETERS: Final = "|".join(
    [
        r"x-oss-signature",
        r"x-oss-credential",
        r"x-oss-security-token",
        r"security-token",
        r"securitytoken",
        r"ossaccesskeyid",
        r"credential",
        r"signature",
    ]
)
_SHAPES: Final = [
    # A Telegram token, also where the colon is percent-encoded. Source: Bot API, "Authorizing".
    (re.compile(r"\d+(?::|%3[Aa])[A-Za-z0-9_-]{30,}"), HIDDEN),
    # Parameters of a signed URL and headers of a signed request, V4 and V1 (source: OSS API
    # reference, "Include signatures in a URL" and "in the Authorization header").
    (
        re.compile(
            rf"(?i)(?<![A-Za-z])({_PARAMETERS})(['\"]?\s*(?:=|:|%3d)\s*['\"]?)[^&\s\"'<>,;)\]}}]+"
        ),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"\b(OSS\s+[^\s:,'\"]+:)[A-Za-z0-9+/=]{20,}"), rf"\1{HIDDEN}"),
    # Name and password in a URL, such as that of a proxy.
    (re.compile(r"(://)[^/\s@'\"]+@"), rf"\1{HIDDEN}@"),
    # The random part of an object key: in public mode it is enough to open the link.
    (re.compile(r"(relay(?:/|%2F)\d+(?:/|%2F)[A-Za-z0-9_-]{4})[A-Za-z0-9_-]{18}"), r"\1…"),
]


RENEWED_KNOWN: Final = 16
"""Secrets that replace one another; those of some hours are enough, since the older ones have
expired.
"""


def _any_of(secrets: Iterable[str]) -> re.Pattern[str] | None:
    known = {secret for secret in secrets if len(secret) >= SHORTEST_SECRET}
    known |= {quote(secret, safe="") for secret in known}
    # Longest first, or a secret that contains another would lose only its middle.
    alternatives = "|".join(re.escape(s) for s in sorted(known, key=len, reverse=True))
    return re.compile(alternatives) if alternatives else None


class Redactor:
    """Redacts secrets in text. Thread-safe."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._always = tuple(secrets)
        self._renewed: tuple[str, ...] = ()
        self._known = _any_of(self._always)

    def __repr__(self) -> str:
        return "Redactor(<hidden>)"

    def add_renewed(self, secrets: Iterable[str]) -> None:
        """Know these too; of those of earlier calls only the last ones stay known."""
        self._renewed = (*self._renewed, *secrets)[-RENEWED_KNOWN:]
        self._known = _any_of(self._always + self._renewed)

    def redact(self, text: str) -> str:
        """Return `text` with every secret in it replaced."""
        if (known := self._known) is not None:
            text = known.sub(HIDDEN, text)
        for pattern, replacement in _SHAPES:
            text = pattern.sub(replacement, text)
        return text

    def process(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """Redact a whole line; a structlog processor, to stand directly before the renderer."""
        return {key: self._clean(value) for key, value in event.items()}

    def _clean(self, value: object) -> object:
        if isinstance(value, str):
            return self.redact(value)
        if value is None or isinstance(value, int | float):
            return value
        if isinstance(value, Mapping):
            return {self._clean(key): self._clean(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(inner) for inner in value]
        # A renderer shows any other value by its repr: a URL, an exception, a request.
        text = repr(value)
        clean = self.redact(text)
        return value if clean == text else clean


class RedactingFilter(logging.Filter):
    """Redacts records of the standard library before any formatter sees them, traceback included.

    Attach it to a handler, because a logger's filter does not apply to records of its children.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self.redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, with its secrets redacted."""
        # A dictionary is a line of structlog; the processor does it.
        if not isinstance(record.msg, dict):
            record.msg = self.redactor.redact(_message(record))
            record.args = ()
        if record.exc_info and record.exc_info[1] is not None:
            text = "".join(traceback.format_exception(record.exc_info[1]))
            record.exc_text = self.redactor.redact(text.rstrip("\n"))
        return True


MOST_ALIKE: Final = 100
"""Lines of one kind in a window that are written."""
WINDOW: Final = 60.0
"""Seconds (real)."""
MOST_KINDS: Final = 1000


class FloodFilter(logging.Filter):
    """Bounds warnings and errors of one kind: the same logger, level and event. The first line of
    the next window says how many were left out. Thread-safe.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._lock = threading.Lock()
        self._kinds: OrderedDict[tuple[str, int, str], tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a line pass unless there were too many like it."""
        if record.levelno < logging.WARNING:
            return True
        ours = record.msg if isinstance(record.msg, dict) else None
        event = str(record.msg if ours is None else ours.get("event"))
        with self._lock:
            passes, left_out = self._count((record.name, record.levelno, event))
        if left_out and ours is not None:
            ours["left_out"] = left_out
        elif left_out:
            record.msg, record.args = f"{_message(record)} (left out: {left_out})", ()
        return passes

    def _count(self, kind: tuple[str, int, str]) -> tuple[bool, int]:
        """Count a line; return whether it passes, and how many were left out before."""
        now, left_out = self._now(), 0
        since, count = self._kinds.pop(kind, (now, 0))
        if now - since >= WINDOW:
            left_out = max(0, count - MOST_ALIKE)
            since, count = now, 0
        self._kinds[kind] = (since, count + 1)
        if len(self._kinds) > MOST_KINDS:
            self._kinds.popitem(last=False)
        return count < MOST_ALIKE, left_out


class NoTracebacks(logging.Filter):
    """Takes tracebacks off records of the standard library; the kind of the error stays."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without its traceback."""
        if record.exc_info and record.exc_info[0] is not None:
            if not isinstance(record.msg, dict):
                record.msg = f"{_message(record)} ({record.exc_info[0].__name__})"
                record.args = ()
            record.exc_info = record.exc_text = None
        return True


def _without_traceback(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
    return event


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        # A faulty logging call in a library; its text is worth more than its format.
        return f"{record.msg} {record.args}"


Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "pretty", "json"]

TALKATIVE: Final = ("httpx", "httpcore", "urllib3", "alembic")
"""Libraries with INFO and DEBUG lines that do not help an operator; some write whole URLs."""


def configure(
    level: Level,
    format: Format = "auto",
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
    tracebacks: bool = True,
) -> None:
    """Send everything that this process logs to `stream` (default: standard output). Without
    `tracebacks` a line has only the kind of an error.

    `secrets` are values that must never appear, besides what is recognized by its shape. Call it
    once at the start; a second call replaces the first. Only lines of `level` or above are
    written.
    """
    target = stream or sys.stdout
    redactor = Redactor(secrets)
    handler = RelayHandler(target)
    shared = _shared() if tracebacks else [_without_traceback, *_shared()]
    handler.setFormatter(_formatter(redactor, target, format, shared))
    handler.addFilter(FloodFilter())
    if not tracebacks:
        handler.addFilter(NoTracebacks())
    handler.addFilter(RedactingFilter(redactor))
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, RelayHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # Loggers made before this call must follow it, and so must a second call.
        cache_logger_on_first_use=False,
    )


def hide(secrets: Iterable[str]) -> None:
    """Let secrets that are known only now, such as a renewed key, not appear from now on."""
    for handler in logging.getLogger().handlers:
        for found in handler.filters if isinstance(handler, RelayHandler) else ():
            if isinstance(found, RedactingFilter):
                found.redactor.add_renewed(secrets)


class RelayHandler(logging.StreamHandler[TextIO]):
    """The handler that `configure` puts on the root logger; its type identifies it later."""

    def __init__(self, target: TextIO) -> None:
        super().__init__(target)
        self._is_told = self._has_failed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; one that cannot be written is lost."""
        self._has_failed = False
        super().emit(record)
        self._is_told = self._has_failed and self._is_told

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- the library's name.
        """Say on standard error why the log cannot be written, once until it can. The library
        would print a traceback for each line, and the line without its redaction.
        """
        del record
        self._has_failed = True
        if self._is_told:
            return
        self._is_told = True
        error = sys.exception()
        why = error.strerror if isinstance(error, OSError) else type(error).__name__
        # It is `None` where the process was started without one.
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(f"relay-bot: the log cannot be written: {why}\n")


def _shared() -> list[Processor]:
    """Return the processors of every line, from structlog or not. Tracebacks become text here, so
    that the redaction after them covers them.
    """
    return [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def _formatter(
    redactor: Redactor, target: TextIO, format: Format, shared: list[Processor]
) -> logging.Formatter:
    is_pretty = format == "pretty" or (format == "auto" and target.isatty())
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=target.isatty(),
            # The default prints the local variables of every frame, secrets included.
            exception_formatter=structlog.dev.plain_traceback,
        )
        if is_pretty
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redactor.process,
            renderer,
        ],
    )
