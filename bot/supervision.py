"""Supervision: the edge of a unit of work, where an unexpected error ends; loops that are
restarted; health and readiness.

A unit is one update, attempt, row of the outbox, answer, status message, deletion or deferred
request. An exception that nothing inside has handled ends its unit and nothing else: it is logged
once with its traceback, counted, and the unit fails. Each unit counts its tries in the ledger
before a call, so that its limit holds across crashes.
"""

import asyncio
import threading
from asyncio import sleep as pause
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, Self

import structlog

from bot.clock import is_asked_to_end
from bot.core.errors import LedgerClosed, LedgerLocked, leaf
from bot.core.ports import Clock
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
    PAGE = "page"
    """A request for a page or a file of one."""
    LOOP = "loop"
    """One run of a loop of the process, until it is restarted."""


LOOPS: Final = (
    "intake",
    "retries",
    "queue",
    "retention",
    "dispatcher",
    "page_news",
    "bot_name",
    "reaper",
    "link_guard",
    "ledger_watch",
    "pages",
    "runs",
    "run_news",
    "engine",
    "progress",
    "spool",
)
"""The loops of the process."""


class UnitEdge:
    """Turns an unexpected error into the failure of one unit."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self._metrics = metrics or NoMetrics()

    def failed(self, unit: Unit, unit_id: int | str, error: BaseException) -> None:
        """Log and count an unexpected error of a unit. Call it once for each error."""
        cause = leaf(error) if isinstance(error, ExceptionGroup) else error
        kind = type(cause).__name__
        if isinstance(cause, LedgerLocked):
            # No defect: this process stood still, and ends as soon as its lease is looked at.
            log.warning("left to the process that took over", unit=unit.value, id=unit_id)
            return
        if isinstance(cause, LedgerClosed):
            log.warning("left to the next start", unit=unit.value, id=unit_id, why=cause.reason)
            return
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
                await self._run_once(name, run, state)
            finally:
                steady.cancel()
            wait = min(LONGEST_WAIT, self._first_wait * 2 ** min(state.failures, 20))
            state.failures += 1
            self._metrics.loop_restarted(name)
            log.warning("loop restarts", loop=name, failures=state.failures, seconds=wait)
            await pause(wait)

    async def _run_once(
        self, name: str, run: Callable[[], Coroutine[Any, Any, None]], state: _LoopState
    ) -> None:
        """Run a loop to its end; raise only a cancel of this task and what is fatal."""
        try:
            await run()
            state.error = "ended"
            log.error("loop ended", loop=name)
        except self._fatal:
            raise
        except asyncio.CancelledError as error:
            if is_asked_to_end():
                raise
            self._failed(name, state, error)
        except Exception as error:
            cause = leaf(error) if isinstance(error, ExceptionGroup) else error
            if isinstance(cause, self._fatal):
                raise cause from error
            self._failed(name, state, error)

    def _failed(self, name: str, state: _LoopState, error: BaseException) -> None:
        cause = leaf(error) if isinstance(error, ExceptionGroup) else error
        state.error = type(cause).__name__
        self._edge.failed(Unit.LOOP, name, error)

    async def trouble(self) -> str:
        """Return which loops keep failing and with what, or nothing."""
        return ", ".join(
            f"{name} has failed {state.failures} times in a row, last with {state.error}"
            for name, state in self._loops.items()
            if state.failures > 1
        )


def _forget(state: _LoopState) -> None:
    state.failures = 0


ANSWERS: Final = frozenset({"", "upload_gone", "object_gone", "corrupted"})
"""Codes of calls that show that OSS is reachable and accepts our key."""


TOKEN: Final = "telegram.token"  # noqa: S105 -- the name of a setting.
"""The obstacle of a token that Telegram refuses."""
BUCKET: Final = "oss.bucket"
"""The obstacle of a bucket that is exposed, or cannot be used."""
STANDBY: Final = "standby"
"""The obstacle of a process that waits for its turn, or for its version of the ledger."""
WORKER: Final = "worker"
"""The obstacle of a worker that takes no jobs."""
LEDGER: Final = "ledger"
"""The check of the ledger."""
CAUSES: Final = (
    *("bot", "telegram", "oss", TOKEN, BUCKET, STANDBY, WORKER),
    *(LEDGER, "links", "loops", "spool", "telegram.file_root", "workers", "engine"),
)
"""What can speak against readiness: the first words of reasons."""
POLL: Final = "getUpdates"


class ProcessPhase(StrEnum):
    """The phase of the process."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class DependencyHealth:
    """Health of a dependency: the last success, and `failing_since`, the first failure after it;
    `code` is that of the latest failure.
    """

    well_at: datetime | None = None
    failing_since: datetime | None = None
    code: str = ""

    def failed(self, now: datetime, code: str) -> Self:
        """Return the health after another failure."""
        return replace(self, failing_since=self.failing_since or now, code=code)


class HealthState:
    """Phase of the process and outcomes of its calls, which are counted in `metrics` too. Calls
    may be reported from any thread.
    """

    def __init__(self, clock: Clock, metrics: Metrics | None = None) -> None:
        self._clock = clock
        self._metrics = metrics or NoMetrics()
        self._lock = threading.Lock()
        self._oss = self._telegram = DependencyHealth()
        self.phase = ProcessPhase.STARTING
        self.since = clock.now()
        self.last_poll_at: datetime | None = None
        """Time when Telegram last answered a poll, or delivered to the webhook."""
        self.webhook_conflict = ""
        """What another program with the bot's token does to the webhook, again and again."""
        self.webhook_error = ""
        """The error of Telegram's deliveries to our webhook; empty without one, or when
        polling.
        """
        self.obstacles: dict[str, str] = {}
        """Why nothing is taken in although the process runs: a sentence for each cause."""

    @property
    def oss(self) -> DependencyHealth:
        """Return the health of OSS."""
        return self._oss

    @property
    def telegram(self) -> DependencyHealth:
        """Return the health of the Bot API."""
        return self._telegram

    def begin(self, phase: ProcessPhase) -> None:
        """Enter a phase."""
        self.phase, self.since = phase, self._clock.now()

    def obstruct(self, name: str, error: Exception) -> None:
        """Record and log why nothing is taken in, while links are ended."""
        self.obstacles[name] = str(error)
        log.error("nothing is taken in, links are ended", cause=name, why=str(error))

    def poll_answered(self) -> None:
        """Record that Telegram has answered a poll, or delivered to the webhook."""
        self.last_poll_at = self._clock.now()

    def telegram_answered(self, method: str, status: int) -> None:
        """Record a call of the Bot API; `status` is 0 without an answer."""
        self._metrics.telegram_answered(method, status)
        if status == HTTPStatus.OK:
            # The token is known (again).
            self.obstacles.pop(TOKEN, None)
            if method == POLL:
                self.poll_answered()
        # A refusal is an answer too; 5xx may come from something in between.
        is_answer = 0 < status < HTTPStatus.INTERNAL_SERVER_ERROR
        now, code = self._clock.now(), f"HTTP {status}" if status else "no answer"
        self._telegram = DependencyHealth(now) if is_answer else self._telegram.failed(now, code)

    def oss_answered(self, operation: str, code: str) -> None:
        """Record the outcome of a call of OSS; an empty code is a success."""
        self._metrics.oss_answered(operation, code)
        now = self._clock.now()
        with self._lock:
            if code in ANSWERS:
                self._oss = DependencyHealth(well_at=now)
            else:
                self._oss = self._oss.failed(now, code)


LOOK_AGAIN_AFTER: Final = timedelta(seconds=30)
"""Between two tries with a token that was refused, or a bucket that was exposed."""


async def run_despite(
    refusal: type[Exception],
    run: Callable[[], Coroutine[Any, Any, None]],
    health_state: HealthState,
    clock: Clock,
) -> None:
    """Run a loop with the token of Telegram until cancelled: again after a while whenever it has
    ended with `refusal`, which is recorded.
    """
    while True:
        try:
            await run()
        except refusal as error:
            health_state.obstruct(TOKEN, error)
        await clock.sleep_until(clock.now() + LOOK_AGAIN_AFTER)


SILENT_AFTER: Final = timedelta(seconds=90)
"""A poll is answered within 30 s, and one that failed is repeated within 30 more."""
FAILING_AFTER: Final = timedelta(seconds=60)
"""A single failed call is normal; calls are retried."""
LONGEST_CHECK: Final = 5.0
"""Seconds (real) that a check of the ledger or the disk may take."""

Check = Callable[[], Coroutine[Any, Any, str]]
"""Returns the problem, or "" without one."""


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """The result of a readiness check. `reasons` has one sentence each; the bot is ready without
    any.
    """

    phase: ProcessPhase
    reasons: tuple[str, ...]
    last_poll_at: datetime | None
    oss_well_at: datetime | None

    @property
    def ready(self) -> bool:
        """Whether there is no reason against readiness."""
        return not self.reasons

    @property
    def causes(self) -> frozenset[str]:
        """The first word of each reason, such as "oss" or "spool"."""
        return frozenset(reason.partition(":")[0] for reason in self.reasons)


class Readiness:
    """Checks readiness on request. `checks` are added once their subjects exist."""

    def __init__(self, health_state: HealthState, clock: Clock, *, polls: bool) -> None:
        self._health_state = health_state
        self._clock = clock
        self._polls = polls
        self._checks: dict[str, Check] = {}
        self._ledger_away_at: datetime | None = None
        self._looks: dict[str, asyncio.Task[str]] = {}

    def add(self, checks: Mapping[str, Check]) -> None:
        """Add checks; the key is the first word of the reason."""
        self._checks.update(checks)

    async def report(self) -> ReadinessReport:
        """Run all checks."""
        health_state = self._health_state
        reasons = [f"{name}: {why}" for name, why in health_state.obstacles.items()]
        # A copy, because checks may be added meanwhile.
        checks = list(self._checks.items())
        found = {name: await self._look(name, check) for name, check in checks}
        if found.get(LEDGER):
            self._ledger_away_at = self._clock.now()
        reasons += [self._process(), self._telegram(), self._oss(), *found.values()]
        return ReadinessReport(
            phase=health_state.phase,
            reasons=tuple(reason for reason in reasons if reason),
            last_poll_at=health_state.last_poll_at,
            oss_well_at=health_state.oss.well_at,
        )

    def _process(self) -> str:
        phase, since = self._health_state.phase, self._health_state.since
        if phase is ProcessPhase.RUNNING:
            return ""
        return f"bot: {phase.value} since {_moment(since)}"

    def _telegram(self) -> str:
        health_state = self._health_state
        if health_state.webhook_conflict:
            return f"telegram: {health_state.webhook_conflict}"
        if health_state.webhook_error:
            return f"telegram: {health_state.webhook_error}"
        if unanswered := self._unanswered():
            return unanswered
        if not self._polls or health_state.phase is not ProcessPhase.RUNNING:
            return ""
        since = health_state.since
        # What Telegram has sent waits for the ledger, and the next poll for that.
        last = max(since, health_state.last_poll_at or since, self._ledger_away_at or since)
        if self._clock.now() - last < SILENT_AFTER:
            return ""
        return f"telegram: no poll was answered since {_moment(last)}"

    def _unanswered(self) -> str:
        telegram, is_starting = (
            self._health_state.telegram,
            self._health_state.phase is ProcessPhase.STARTING,
        )
        since = telegram.failing_since
        # The start waits for the first call, so that its failure is the reason at once.
        if since is None or not (is_starting or self._clock.now() - since >= FAILING_AFTER):
            return ""
        return f"telegram: every call has failed since {_moment(since)}, last with {telegram.code}"

    def _oss(self) -> str:
        oss = self._health_state.oss
        since = oss.failing_since
        if since is None or self._clock.now() - since < FAILING_AFTER:
            return ""
        return f"oss: every call has failed since {_moment(since)}, last with {oss.code}"

    async def _look(self, name: str, check: Check) -> str:
        # A hanging check continues alone, because a write that waits for its lock cannot be
        # cancelled; until it ends no second one is started.
        look = self._looks.get(name) or asyncio.ensure_future(check())
        self._looks[name] = look
        done, _ = await asyncio.wait({look}, timeout=LONGEST_CHECK)
        if not done:
            return f"{name}: does not answer within {LONGEST_CHECK:.0f} s"
        self._looks.pop(name, None)
        if (error := look.exception()) is not None:
            log.error("check failed", check=name, exc_info=error)
            return f"{name}: cannot be checked, {type(error).__name__}"
        found = look.result()
        return f"{name}: {found}" if found else ""


def _moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
