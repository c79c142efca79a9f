"""Health of the process and of its two dependencies, recorded from the calls of normal operation,
and readiness.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, Self

import structlog

from bot.core.ports.clock import Clock
from bot.core.ports.metrics import Metrics, NoMetrics

log = structlog.stdlib.get_logger(__name__)

ANSWERS: Final = frozenset({"", "upload_gone", "object_gone", "corrupted"})
"""Codes of calls that show that OSS is reachable and accepts our key."""


TOKEN: Final = "telegram.token"  # noqa: S105 -- the name of a setting.
"""The obstacle of a token that Telegram refuses."""
POLL: Final = "getupdates"
"""The method in lower case, as the intake writes it."""


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

    def poll_answered(self) -> None:
        """Record that Telegram has answered a poll, or delivered to the webhook."""
        self.last_poll_at = self._clock.now()

    def telegram_answered(self, method: str, status: int) -> None:
        """Record a call of the Bot API; `status` is 0 without an answer."""
        self._metrics.telegram_answered(method, status)
        if status == HTTPStatus.OK:
            # The token is known (again).
            self.obstacles.pop(TOKEN, None)
            if method.lower() == POLL:
                self.poll_answered()
        # Whatever it refuses, it answers; 5xx is said by it or by something in between.
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


class Readiness:
    """Checks readiness on request. `checks` are added once their subjects exist."""

    def __init__(self, health_state: HealthState, clock: Clock, *, polls: bool) -> None:
        self._health_state = health_state
        self._clock = clock
        self._polls = polls
        self._checks: dict[str, Check] = {}
        self._looks: dict[str, asyncio.Task[str]] = {}

    def add(self, checks: Mapping[str, Check]) -> None:
        """Add checks; the key is the first word of the reason."""
        self._checks.update(checks)

    async def report(self) -> ReadinessReport:
        """Run all checks."""
        health_state = self._health_state
        reasons = [f"{name}: {why}" for name, why in health_state.obstacles.items()]
        reasons += [self._process(), self._telegram(), self._oss()]
        # A copy, because checks may be added meanwhile.
        checks = list(self._checks.items())
        reasons += [await self._look(name, check) for name, check in checks]
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
        last = max(health_state.last_poll_at or health_state.since, health_state.since)
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
