"""The edge of a unit of work, and the supervisor of loops: where an unexpected error ends.

A unit is one update, attempt, row of the outbox, answer, status message, deletion or deferred
request. An exception that nothing inside has handled ends its unit and nothing else: it is logged
once with its traceback, counted, and the unit fails. Each unit counts its tries in the ledger
before a call, so that its limit holds across crashes.
"""

import asyncio
from asyncio import sleep as pause
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import structlog

from bot.core.errors import leaf
from bot.core.ports.metrics import Metrics, NoMetrics

log = structlog.stdlib.get_logger(__name__)


class Unit(StrEnum):
    """A kind of unit. The values are stable: they are labels of a metric."""

    UPDATE = "update"
    ATTEMPT = "attempt"
    """One attempt of a job."""
    OUTBOX = "outbox"
    """A reply, an answer to a press, or a reaction."""
    ANSWER = "answer"
    STATUS_MESSAGE = "status_message"
    DELETION = "deletion"
    REQUEST = "request"
    """A deferred request."""
    OFFER = "offer"
    """What one sender could send in a round of the dispatcher."""
    LOOP = "loop"
    """One run of a loop of the process, until it is restarted."""


LOOPS: Final = (
    "intake",
    "retries",
    "queue",
    "dispatcher",
    "bot_name",
    "reaper",
    "link_guard",
    "ledger_watch",
)
"""The loops of the process."""


class UnitEdge:
    """Turns an unexpected error into the failure of one unit."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self._metrics = metrics or NoMetrics()

    def failed(self, unit: Unit, unit_id: int | str, error: Exception) -> None:
        """Log and count an unexpected error of a unit. Call it once for each error."""
        cause = leaf(error) if isinstance(error, ExceptionGroup) else error
        kind = type(cause).__name__
        self._metrics.unexpected_error(unit.value, kind)
        log.error("unexpected error", unit=unit.value, id=unit_id, error=kind, exc_info=error)

    def unreadable(self, update_id: int, error: Exception) -> None:
        """Log and count an update that cannot be read. Only the kind of the error is logged: a
        traceback or the text could quote the message.
        """
        kind = type(error).__name__
        self._metrics.unexpected_error(Unit.UPDATE.value, kind)
        log.error("update set aside, unreadable", update=update_id, why=kind)

    @contextmanager
    def contain(self, unit: Unit, unit_id: int | str) -> Iterator[None]:
        """End an unexpected error of the block here: it is logged and counted, not raised."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 -- the edge of a unit.
            self.failed(unit, unit_id, error)


FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 30.0
"""Seconds (real) between the end of a loop and its restart: they double."""
STEADY_AFTER: Final = 60.0
"""Seconds (real) after which a loop that runs counts as well again."""


@dataclass
class _LoopState:
    """Failures of a loop since it last ran for `STEADY_AFTER`."""

    failures: int = 0
    error: str = ""


class Supervisor:
    """Restarts loops that raise. `fatal` are the errors that end the process instead."""

    def __init__(
        self,
        metrics: Metrics | None = None,
        *,
        fatal: tuple[type[Exception], ...] = (),
        first_wait: float = FIRST_WAIT,
    ) -> None:
        self._metrics = metrics or NoMetrics()
        self._edge = UnitEdge(metrics)
        self._fatal = fatal
        self._first_wait = first_wait
        self._loops: dict[str, _LoopState] = {}

    async def keep(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a loop, again whenever it has ended by itself, until cancelled.

        Raises:
            Exception: one of `fatal`.
        """
        state = self._loops.setdefault(name, _LoopState())
        while True:
            steady = asyncio.get_running_loop().call_later(STEADY_AFTER, _forget, state)
            try:
                await run()
                state.error = "ended"
                log.error("loop ended", loop=name)
            except self._fatal:
                raise
            except Exception as error:
                cause = leaf(error) if isinstance(error, ExceptionGroup) else error
                if isinstance(cause, self._fatal):
                    raise cause from error
                state.error = type(cause).__name__
                self._edge.failed(Unit.LOOP, name, error)
            finally:
                steady.cancel()
            wait = min(LONGEST_WAIT, self._first_wait * 2 ** min(state.failures, 20))
            state.failures += 1
            self._metrics.loop_restarted(name)
            log.warning("loop restarts", loop=name, failures=state.failures, seconds=wait)
            await pause(wait)

    async def trouble(self) -> str:
        """Return which loops keep failing and with what, or nothing."""
        return ", ".join(
            f"{name} has failed {state.failures} times in a row, last with {state.error}"
            for name, state in self._loops.items()
            if state.failures > 1
        )


def _forget(state: _LoopState) -> None:
    state.failures = 0
