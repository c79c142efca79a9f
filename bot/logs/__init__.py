"""Logs: `event key=value` on a terminal, one JSON object per line elsewhere, and no secret in
either.

The program logs through `structlog.get_logger(__name__)`; libraries log through the standard
library. Both end in one handler, behind the same processors.
"""

import logging
import sys
from collections.abc import Iterable
from typing import Final, Literal, TextIO

import structlog
from structlog.typing import Processor

from bot.logs.redaction import RedactingFilter, Redactor

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "pretty", "json"]

TALKATIVE: Final = ("httpx", "httpcore", "urllib3", "alembic.runtime.migration")
"""Libraries whose INFO and DEBUG lines tell an operator nothing; some write whole URLs."""


def configure(
    level: Level,
    format: Format = "auto",
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Send everything that this process logs to `stream` (default: standard output).

    `secrets` are values that must never appear, besides what is recognized by its shape. Call it
    once at the start; a second call replaces the first. Only lines of `level` or above are
    written.
    """
    target = stream or sys.stdout
    redactor = Redactor(secrets)
    handler = RelayHandler(target)
    handler.setFormatter(_formatter(redactor, target, format))
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
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # Loggers made before this call must follow it, and so must a second call.
        cache_logger_on_first_use=False,
    )


class RelayHandler(logging.StreamHandler[TextIO]):
    """The handler that `configure` puts on the root logger, and knows again by its type."""


def _shared() -> list[Processor]:
    """What happens to every line, whoever wrote it. Tracebacks become text here, so that the
    redaction behind sees them.
    """
    return [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def _formatter(redactor: Redactor, target: TextIO, format: Format) -> logging.Formatter:
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
        foreign_pre_chain=_shared(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redactor.process,
            renderer,
        ],
    )
