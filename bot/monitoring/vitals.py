"""What is known of how the two services far away do, from the calls that are made anyway."""

import threading
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

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
