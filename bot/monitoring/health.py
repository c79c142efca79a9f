"""Health of the process and of its two dependencies, noted from the calls that are made anyway,
and readiness.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from bot.core.ports.clock import Clock

ANSWERS: Final = frozenset({"", "upload_gone", "object_gone", "corrupted"})
"""Codes of calls after which OSS is known to be there, and to accept us."""


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
    """Notes from every side, in any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._oss = DependencyHealth()
        self.life = ProcessPhase.STARTING
        self.since = clock.now()
        self.heard_at: datetime | None = None
        self.deaf = ""
        """Why Telegram cannot reach our webhook; empty where it can, or where we poll."""

    @property
    def oss(self) -> DependencyHealth:
        """How OSS does."""
        return self._oss

    def begin(self, life: ProcessPhase) -> None:
        """Note that the process has come so far."""
        self.life, self.since = life, self._clock.now()

    def heard(self) -> None:
        """Note that Telegram has answered a poll, or delivered to the webhook."""
        self.heard_at = self._clock.now()

    def oss_answered(self, code: str) -> None:
        """Note the outcome of a call of OSS; an empty code is a success."""
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

    life: ProcessPhase
    reasons: tuple[str, ...]
    telegram_heard_at: datetime | None
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
        reasons = [self._life(), self._telegram(), self._oss()]
        reasons += [await self._look(name, check) for name, check in self._checks.items()]
        return ReadinessReport(
            life=health_state.life,
            reasons=tuple(reason for reason in reasons if reason),
            telegram_heard_at=health_state.heard_at,
            oss_well_at=health_state.oss.well_at,
        )

    def _life(self) -> str:
        life, since = self._health_state.life, self._health_state.since
        return "" if life is ProcessPhase.RUNNING else f"bot: {life.value} since {_moment(since)}"

    def _telegram(self) -> str:
        health_state = self._health_state
        if health_state.deaf:
            return f"telegram: {health_state.deaf}"
        if not self._polls or health_state.life is not ProcessPhase.RUNNING:
            return ""
        last = max(health_state.heard_at or health_state.since, health_state.since)
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
