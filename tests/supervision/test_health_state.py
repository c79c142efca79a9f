"""The state of both services, learned from the results of calls."""

from datetime import timedelta

import pytest

from bot.sandbox.clock import SandboxClock
from bot.supervision import DependencyHealth, HealthState, ProcessPhase
from tests.fakes.samples import NOW

SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> SandboxClock:
    """A clock that stands."""
    return SandboxClock(NOW, running=False)


def test_first_failure_stays(clock: SandboxClock) -> None:
    """The time of the state is the first failure after the last success; the code is
    the latest.
    """
    health_state = HealthState(clock)
    health_state.oss_answered("head", "")
    for code in ("store_unavailable", "store_throttled"):
        clock.advance(SECOND)
        health_state.oss_answered("head", code)

    assert health_state.oss == DependencyHealth(NOW, NOW + SECOND, "store_throttled")


@pytest.mark.parametrize("code", ["", "upload_gone", "object_gone", "corrupted"])
def test_answers_are_signs_of_life(clock: SandboxClock, code: str) -> None:
    """An answer that refuses a call is still a sign that the service works."""
    health_state = HealthState(clock)
    health_state.oss_answered("head", "store_unavailable")
    clock.advance(SECOND)
    health_state.oss_answered("head", code)

    assert health_state.oss == DependencyHealth(NOW + SECOND)


def test_life(clock: SandboxClock) -> None:
    """The phase of the process, and since when."""
    health_state = HealthState(clock)
    first = (health_state.phase, health_state.since)
    clock.advance(SECOND)
    health_state.begin(ProcessPhase.RUNNING)

    assert first == (ProcessPhase.STARTING, NOW)
    assert (health_state.phase, health_state.since) == (ProcessPhase.RUNNING, NOW + SECOND)
