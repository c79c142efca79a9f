"""The log of requests."""

import asyncio
from datetime import UTC, datetime

import pytest

from bot.sandbox.request_log import LoggedRequest, RequestLog

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_keeps_the_order() -> None:
    """Requests are kept oldest first, and can be picked by operation."""
    log = RequestLog()
    for name in ("getMe", "getFile", "getMe"):
        await log.add(LoggedRequest(NOW, name))

    assert [entry.operation for entry in log] == ["getMe", "getFile", "getMe"]
    assert (len(log), len(log.of("getMe"))) == (3, 2)


async def test_wait_for_the_next_thing() -> None:
    """Waiting ends with the request, or the change, that makes the condition true."""
    log = RequestLog()
    waiting = asyncio.create_task(log.wait_for(lambda: len(log) == 2, timeout=5))
    await log.add(LoggedRequest(NOW, "one"))
    entry = LoggedRequest(NOW, "two")
    await log.add(entry)
    await waiting
    answered = asyncio.create_task(log.wait_for(lambda: entry.status == 200, timeout=5))
    entry.status = 200
    await log.touch()

    await answered


async def test_waiting_ends() -> None:
    """A condition that never holds is a time-out, not a hang."""
    with pytest.raises(TimeoutError):
        await RequestLog().wait_for(lambda: False, timeout=0.01)
