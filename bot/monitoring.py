"""Health of the process and of its two dependencies, noted from the calls that are made anyway,
and readiness.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from bot.core.ports.clock import Clock
from bot.core.ports.metrics import Metrics, NoMetrics

ANSWERS: Final = frozenset({"", "upload_gone", "object_gone", "corrupted"})
"""Codes of calls after which OSS is known to be there, and to accept us."""


TOKEN: Final = "telegram.token"  # noqa: S105 -- the name of a setting.
"""The obstacle of a token that Telegram refuses."""
POLL: Final = "getupdates"
"""The method in lower case, which is how the intake writes it."""


class ProcessPhase(StrEnum):
    """How far the process has come."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class DependencyHealth:
    """When something was well last, and since when it has not been: `failing_since` is the first
    failure after the last success, `code` the latest one's.
    """

    well_at: datetime | None = None
    failing_since: datetime | None = None
    code: str = ""


class HealthState:
    """Phase of the process and outcomes of its calls, which are counted in `metrics` too. Calls
    may be reported from any thread.
    """

    def __init__(self, clock: Clock, metrics: Metrics | None = None) -> None:
        self._clock = clock
        self._metrics = metrics or NoMetrics()
        self._lock = threading.Lock()
        self._oss = DependencyHealth()
        self.phase = ProcessPhase.STARTING
        self.since = clock.now()
        self.last_poll_at: datetime | None = None
        """When Telegram last answered a poll, or delivered to the webhook."""
        self.webhook_conflict = ""
        """What another program with the bot's token does to the webhook, again and again."""
        self.webhook_error = ""
        """Why Telegram cannot reach our webhook; empty where it can, or where we poll."""
        self.obstacles: dict[str, str] = {}
        """Why nothing is taken in although the process runs: a sentence for each cause."""

    @property
    def oss(self) -> DependencyHealth:
        """How OSS does."""
        return self._oss

    def begin(self, phase: ProcessPhase) -> None:
        """Enter a phase."""
        self.phase, self.since = phase, self._clock.now()

    def poll_answered(self) -> None:
        """Note that Telegram has answered a poll, or delivered to the webhook."""
        self.last_poll_at = self._clock.now()

    def telegram_answered(self, method: str, status: int) -> None:
        """Note a call of the Bot API; `status` is 0 where no answer came."""
        self._metrics.telegram_answered(method, status)
        if status == HTTPStatus.OK:
            # The token is known (again).
            self.obstacles.pop(TOKEN, None)
            if method.lower() == POLL:
                self.poll_answered()

    def oss_answered(self, operation: str, code: str) -> None:
        """Note the outcome of a call of OSS; an empty code is a success."""
        self._metrics.oss_answered(operation, code)
        now = self._clock.now()
        with self._lock:
            if code in ANSWERS:
                self._oss = DependencyHealth(well_at=now)
            else:
                since = self._oss.failing_since or now
                self._oss = replace(self._oss, failing_since=since, code=code)


SILENT_AFTER: Final = timedelta(seconds=90)
"""A poll is answered within 30 s, and one that failed is repeated within 30 more."""
FAILING_AFTER: Final = timedelta(seconds=60)
"""One call that failed is nothing; calls are repeated."""
LONGEST_CHECK: Final = 5.0
"""Seconds (real) that a look at the ledger or the disk may take."""

Check = Callable[[], Coroutine[Any, Any, str]]
"""Says what is wrong, or nothing."""


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """`reasons` says why the bot is not ready, one sentence each; without any, it is."""

    phase: ProcessPhase
    reasons: tuple[str, ...]
    last_poll_at: datetime | None
    oss_well_at: datetime | None

    @property
    def ready(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons


class Readiness:
    """Looks when it is asked. `checks` come when there is something to look at."""

    def __init__(self, health_state: HealthState, clock: Clock, *, polls: bool) -> None:
        self._health_state = health_state
        self._clock = clock
        self._polls = polls
        self._checks: dict[str, Check] = {}
        self._looks: dict[str, asyncio.Task[str]] = {}

    def add(self, checks: Mapping[str, Check]) -> None:
        """Look at more from now on; the key begins the reason."""
        self._checks.update(checks)

    async def report(self) -> ReadinessReport:
        """Look at everything."""
        health_state = self._health_state
        reasons = [f"{name}: {why}" for name, why in health_state.obstacles.items()]
        reasons += [self._process(), self._telegram(), self._oss()]
        reasons += [await self._look(name, check) for name, check in self._checks.items()]
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
        if not self._polls or health_state.phase is not ProcessPhase.RUNNING:
            return ""
        last = max(health_state.last_poll_at or health_state.since, health_state.since)
        if self._clock.now() - last < SILENT_AFTER:
            return ""
        return f"telegram: no poll was answered since {_moment(last)}"

    def _oss(self) -> str:
        oss = self._health_state.oss
        since = oss.failing_since
        if since is None or self._clock.now() - since < FAILING_AFTER:
            return ""
        return f"oss: every call has failed since {_moment(since)}, last with {oss.code}"

    async def _look(self, name: str, check: Check) -> str:
        # A look that hangs goes on alone, because a write that waits for its lock cannot be
        # cancelled; until it ends there is no second one.
        look = self._looks.get(name) or asyncio.ensure_future(check())
        self._looks[name] = look
        done, _ = await asyncio.wait({look}, timeout=LONGEST_CHECK)
        if not done:
            return f"{name}: does not answer within {LONGEST_CHECK:.0f} s"
        self._looks.pop(name, None)
        found = look.result()
        return f"{name}: {found}" if found else ""


def _moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
