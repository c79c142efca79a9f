"""The pages for monitoring."""

import json
from datetime import UTC, datetime

import pytest

from bot.supervision import ProcessPhase, ReadinessReport
from tests.adapters.web.client import serving

NOON = datetime(2026, 11, 24, 12, 0, 0, 123, UTC)


async def test_alive() -> None:
    """The liveness page says only that the event loop runs."""
    async with serving(
        report=ReadinessReport(ProcessPhase.STOPPING, ("x",), None, None)
    ) as client:
        answer = await client.get("/healthz")

    assert (answer.status, answer.body) == (200, b"ok\n")


async def test_ready() -> None:
    """A bot without a reason against it is ready."""
    async with serving(report=ReadinessReport(ProcessPhase.RUNNING, (), NOON, NOON)) as client:
        answer = await client.get("/readyz")

    assert answer.status == 200
    assert json.loads(answer.body) == {
        "ready": True,
        "state": "running",
        "reasons": [],
        "telegram_heard_at": "2026-11-24T12:00:00+00:00",
        "oss_well_at": "2026-11-24T12:00:00+00:00",
    }


async def test_not_ready() -> None:
    """The reasons are told, with a status that monitors understand."""
    report = ReadinessReport(ProcessPhase.STARTING, ("bot: starting", "oss: down"), None, None)
    async with serving(report=report) as client:
        answer = await client.get("/readyz")
    body = json.loads(answer.body)

    assert answer.status == 503
    assert (
        body["ready"],
        body["reasons"],
        body["oss_well_at"],
    ) == (False, ["bot: starting", "oss: down"], None)


@pytest.mark.parametrize(
    ("phase", "reason", "status"),
    [
        (ProcessPhase.RUNNING, "workers: no worker runs", 200),
        (ProcessPhase.STARTING, "telegram.token: refused", 200),
        (ProcessPhase.STARTING, "standby: another bot runs", 503),
        (ProcessPhase.STOPPING, "bot: stopping", 503),
    ],
)
async def test_active(phase: ProcessPhase, reason: str, status: int) -> None:
    """A proxy before several fronts finds the one that has webhook and pages, also while that
    lacks something else.
    """
    async with serving(report=ReadinessReport(phase, (reason,), None, None)) as client:
        active = await client.get("/readyz?active")
        ready = await client.get("/readyz")

    assert (active.status, ready.status) == (status, 503)
    assert json.loads(active.body)["reasons"] == [reason]


async def test_metrics() -> None:
    """The page for Prometheus goes out as it is, with its type."""
    async with serving(page=b"relay_ready 1\n") as client:
        answer = await client.get("/metrics")

    assert (answer.status, answer.body) == (200, b"relay_ready 1\n")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4"
