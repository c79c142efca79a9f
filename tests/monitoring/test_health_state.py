"""What the calls tell of the services."""

from datetime import timedelta

import pytest

from bot.monitoring import DependencyHealth, HealthState, ProcessPhase
from bot.sandbox.clock import SandboxClock
from tests.fakes.samples import NOW

SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> SandboxClock:
    """A clock that stands."""
    return SandboxClock(NOW, running=False)


def test_first_failure_stays(clock: SandboxClock) -> None:
    """Since when it fails is the first failure after the last success; the code is the latest."""
    health_state = HealthState(clock)
    health_state.oss_answered("head", "")
    for code in ("store_unavailable", "store_throttled"):
        clock.advance(SECOND)
        health_state.oss_answered("head", code)

    assert health_state.oss == DependencyHealth(NOW, NOW + SECOND, "store_throttled")


@pytest.mark.parametrize("code", ["", "upload_gone", "object_gone", "corrupted"])
def test_answers_are_signs_of_life(clock: SandboxClock, code: str) -> None:
    """An answer that is no news for us is a service that works all the same."""
    health_state = HealthState(clock)
    health_state.oss_answered("head", "store_unavailable")
    clock.advance(SECOND)
    health_state.oss_answered("head", code)

    assert health_state.oss == DependencyHealth(NOW + SECOND)


def test_life(clock: SandboxClock) -> None:
    """How far the process is, and since when."""
    health_state = HealthState(clock)
    first = (health_state.phase, health_state.since)
    clock.advance(SECOND)
    health_state.begin(ProcessPhase.RUNNING)

    assert first == (ProcessPhase.STARTING, NOW)
    assert (health_state.phase, health_state.since) == (ProcessPhase.RUNNING, NOW + SECOND)
