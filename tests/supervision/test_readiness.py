"""The readiness of the bot, and the reasons that it gives if it is not ready."""

import asyncio
from datetime import timedelta

import pytest

from bot import supervision as module
from bot.sandbox.clock import SandboxClock
from bot.supervision import FAILING_AFTER, SILENT_AFTER, HealthState, ProcessPhase, Readiness
from tests.fakes.samples import NOW

SECOND = timedelta(seconds=1)


class Patient:
    """A bot that runs, and everything that may ail it."""

    def __init__(self, *, polls: bool = True) -> None:
        self.clock = SandboxClock(NOW, running=False)
        self.health_state = HealthState(self.clock)
        self.health_state.begin(ProcessPhase.RUNNING)
        self.health = Readiness(self.health_state, self.clock, polls=polls)

    async def reasons(self) -> list[str]:
        """Look, and return what was found."""
        return list((await self.health.report()).reasons)


@pytest.fixture
def patient() -> Patient:
    """A bot that polls and is well."""
    return Patient()


async def test_well(patient: Patient) -> None:
    """Without a reason the bot is ready, and the moments are told."""
    patient.health_state.poll_answered()
    patient.health_state.oss_answered("head", "")
    report = await patient.health.report()

    assert report.ready
    assert (report.last_poll_at, report.oss_well_at) == (NOW, NOW)


@pytest.mark.parametrize("life", [ProcessPhase.STARTING, ProcessPhase.STOPPING])
async def test_only_a_running_bot_is_ready(patient: Patient, life: ProcessPhase) -> None:
    """A bot that starts or stops says so, and since when."""
    patient.health_state.begin(life)

    assert [f"bot: {life.value} since {NOW:%Y-%m-%dT%H:%M:%SZ}"] == await patient.reasons()


async def test_no_poll(patient: Patient) -> None:
    """Silence of Telegram counts from the start or from the last poll, and ends with the next."""
    patient.clock.advance(SILENT_AFTER - SECOND)
    patience = await patient.reasons()
    patient.clock.advance(SECOND)
    silence = await patient.reasons()
    patient.health_state.poll_answered()

    assert patience == []
    assert [f"telegram: no poll was answered since {NOW:%Y-%m-%dT%H:%M:%SZ}"] == silence
    assert await patient.reasons() == []


async def test_no_poll_while_the_ledger_is_away(patient: Patient) -> None:
    """That is no silence of Telegram: nothing is polled before the ledger has what came. It counts
    from the time at which the ledger is back.
    """
    troubles = ["the server is away"]

    async def look() -> str:
        return "".join(troubles)

    patient.health.add({"ledger": look})
    patient.health_state.poll_answered()
    patient.clock.advance(SILENT_AFTER * 3)
    away = await patient.reasons()
    troubles.clear()
    patient.clock.advance(SILENT_AFTER - SECOND)
    back = await patient.reasons()
    patient.clock.advance(SECOND)
    (silence,) = await patient.reasons()

    assert (away, back) == (["ledger: the server is away"], [])
    assert "no poll was answered" in silence


async def test_another_program_has_the_token(patient: Patient) -> None:
    """What it does to the webhook is a reason, also while polls succeed."""
    patient.health_state.poll_answered()
    patient.health_state.webhook_conflict = "another program"

    assert await patient.reasons() == ["telegram: another program"]


async def test_webhook() -> None:
    """A webhook without deliveries is fine, unless Telegram reports an error."""
    patient = Patient(polls=False)
    patient.clock.advance(SILENT_AFTER * 10)
    quiet = await patient.reasons()
    patient.health_state.webhook_error = "cannot deliver 3 updates: Connection refused"

    assert quiet == []
    assert await patient.reasons() == ["telegram: cannot deliver 3 updates: Connection refused"]


async def test_oss(patient: Patient) -> None:
    """One failure is nothing; a minute of nothing else is a reason, until a call succeeds."""
    patient.health_state.oss_answered("head", "store_unavailable")
    first = await patient.reasons()
    patient.clock.advance(FAILING_AFTER)
    patient.health_state.poll_answered()
    patient.health_state.oss_answered("head", "store_throttled")
    later = await patient.reasons()
    patient.health_state.oss_answered("head", "")

    assert first == []
    assert later == [
        f"oss: every call has failed since {NOW:%Y-%m-%dT%H:%M:%SZ}, last with store_throttled"
    ]
    assert await patient.reasons() == []


async def test_checks(patient: Patient) -> None:
    """Each further check is named by its key."""

    async def broken() -> str:
        return "cannot be written"

    async def well() -> str:
        return ""

    patient.health.add({"ledger": broken, "spool": well})

    assert await patient.reasons() == ["ledger: cannot be written"]


async def test_checks_that_raise_or_come_meanwhile(patient: Patient) -> None:
    """Neither costs the page."""

    async def fail() -> str:
        patient.health.add({"later": fine})
        raise MemoryError("no room")

    async def fine() -> str:
        return ""

    patient.health.add({"disk": fail})

    assert (await patient.health.report()).reasons == ("disk: cannot be checked, MemoryError",)


@pytest.mark.parametrize("status", [0, 502])
async def test_telegram_is_away(patient: Patient, status: int) -> None:
    """A start waits for it and says so at once, a running bot after a minute of nothing else."""
    patient.health_state.begin(ProcessPhase.STARTING)
    patient.health_state.telegram_answered("getMe", status)
    starting = (await patient.health.report()).reasons
    patient.health_state.begin(ProcessPhase.RUNNING)
    patient.health_state.poll_answered()
    running = (await patient.health.report()).reasons
    patient.clock.advance(timedelta(seconds=60))
    late = (await patient.health.report()).reasons
    patient.health_state.telegram_answered("sendMessage", 400)

    last = "HTTP 502" if status else "no answer"
    assert any(f"last with {last}" in reason for reason in starting)
    assert running == ()
    assert any(reason.startswith("telegram: every call has failed") for reason in late)
    assert (await patient.health.report()).reasons == ()


async def test_look_that_hangs(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that hangs is told and goes on; it is not begun a second time before it ends."""
    monkeypatch.setattr(module, "LONGEST_CHECK", 0.01)
    written, begun = asyncio.Event(), []

    async def slow() -> str:
        begun.append(1)
        await written.wait()
        return "late"

    patient.health.add({"ledger": slow})
    hanging = [await patient.reasons(), await patient.reasons()]
    count = len(begun)
    written.set()

    assert hanging == [["ledger: does not answer within 0 s"]] * 2
    assert count == 1
    assert await patient.reasons() == ["ledger: late"]
