"""SIGTERM and SIGINT: how long the end takes, what is said, what is left for the next start.
A front and a worker are stopped together, the worker first.
"""

import asyncio
import os
import signal
import time
from functools import partial

import pytest

from bot.core.ports.runs import Role
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import TelegramStandIn
from tests.conversations.people import fetch, link_of
from tests.kill.kill_scenario import KillScenario, RunningBot
from tests.kill.process import PATIENCE, Running

MIB = 1 << 20
GRACE = 1.0
BEYOND = 5.0
"""Seconds that the end may take besides the grace."""


@pytest.fixture
def scenario(scenario: KillScenario) -> KillScenario:
    """A stage on which the bot has a grace of one second."""
    scenario.stage.more["RELAY_STOP__GRACE"] = f"{GRACE:.0f}s"
    return scenario


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_idle(scenario: KillScenario, number: signal.Signals) -> None:
    """A bot that does nothing ends within two seconds."""
    async with scenario.bot() as bot:
        await scenario.alice.answered(await scenario.alice.write("/start"))
        code, seconds = await bot.stop(number)

    assert code == 0
    assert seconds < 2.0
    _assert_clean(scenario.stage, bot)


async def test_what_ends_within_the_grace_is_answered(scenario: KillScenario) -> None:
    """A transfer that the grace is long enough for ends, and its sender has the answer."""
    stage, alice = scenario.stage, scenario.alice
    stage.more["RELAY_STOP__GRACE"] = "20s"
    stage.telegram.shape.down_total = 3.0 * MIB
    content = os.urandom(6 * MIB)
    async with scenario.bot() as bot:
        message = await alice.send(content)
        await stage.oss.wait_for(lambda: bool(stage.oss.log.of("UploadPart")))
        code, seconds = await bot.stop()
    answer = alice.answer_to(message)

    assert code == 0
    assert seconds < 20
    assert answer is not None
    assert (await fetch(link_of(answer)))[1] == content
    assert alice.status_messages == []
    _assert_clean(stage, bot)


async def test_what_does_not_is_left_for_the_next_start(scenario: KillScenario) -> None:
    """A transfer that hangs in its download is paused, and the next start finishes it."""
    stage, alice = scenario.stage, scenario.alice
    fault = Fault("file", Effect.STALL, args={"bytes": 3 * MIB, "seconds": 30})
    stage.telegram.faults.add(fault)
    content = os.urandom(8 * MIB)
    async with scenario.bot() as bot:
        message = await alice.send(content)
        await alice.until(lambda: bool(alice.status_messages))
        code, seconds = await bot.stop()
    status_message = alice.status_messages[0]
    async with scenario.bot():
        answer = await alice.answered(message)
        await alice.until(lambda: not alice.status_messages)

    assert code == 0
    assert GRACE <= seconds < GRACE + BEYOND
    assert "Paused; continues after the restart" in status_message.text
    assert (await fetch(link_of(answer)))[1] == content
    _assert_clean(stage, bot)


@pytest.mark.parametrize(
    ("operation", "effect"),
    [
        ("InitiateMultipartUpload", Effect.STALL),
        ("UploadPart", Effect.STALL),
        ("UploadPart", Effect.LATE),
        # Never cut, because the bot could not know whether the object is there.
        ("CompleteMultipartUpload", Effect.LATE),
    ],
)
async def test_threads_that_hang_in_requests(
    scenario: KillScenario, operation: str, effect: Effect
) -> None:
    """Threads whose requests get no answer do not delay the end, and the next start goes on."""
    stage, alice = scenario.stage, scenario.alice
    stage.oss.faults.add(Fault(operation, effect, times=0, args={"seconds": 60}))
    content = os.urandom(6 * MIB)
    async with scenario.bot() as bot:
        message = await alice.send(content)
        await stage.oss.wait_for(lambda: bool(stage.oss.log.of(operation)))
        code, seconds = await bot.stop()
    stage.oss.faults.clear()
    async with scenario.bot():
        answer = await alice.answered(message)

    assert code == 0
    assert seconds < GRACE + BEYOND
    assert (await fetch(link_of(answer)))[1] == content
    _assert_clean(stage, bot)


async def test_second_signal(scenario: KillScenario) -> None:
    """A second signal ends the process without waiting for the grace."""
    stage, alice = scenario.stage, scenario.alice
    stage.more["RELAY_STOP__GRACE"] = "10m"
    stage.telegram.faults.add(Fault("file", Effect.STALL, args={"bytes": MIB, "seconds": 60}))
    async with scenario.bot(victim=Role.WORKER) as bot:
        await alice.send(os.urandom(4 * MIB))
        await stage.oss.wait_for(lambda: bool(stage.oss.log.of("UploadPart")))
        bot.send(signal.SIGTERM)
        await bot.said("stopping")
        began = time.monotonic()
        bot.send(signal.SIGTERM)
        code = await bot.end()
        seconds = time.monotonic() - began

    assert code == 1
    assert seconds < 1.0
    _assert_clean(stage, bot)


async def test_store_that_hangs_at_the_start(scenario: KillScenario) -> None:
    """A process that is still looking at its bucket can be stopped."""
    asked = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        address = "http://{}:{}".format(*server.sockets[0].getsockname())
        scenario.stage.more["RELAY_OSS__ENDPOINT"] = address
        for role in scenario.processes:
            asked.clear()
            async with scenario.starting(role) as process:
                await asyncio.wait_for(asked.wait(), PATIENCE)
                code, seconds = await process.stop()

            assert code == 0
            assert seconds < GRACE + BEYOND
            _assert_clean(scenario.stage, process)


async def test_telegram_that_hangs_at_the_start(scenario: KillScenario) -> None:
    """A process that waits for Telegram can be stopped."""
    telegram = scenario.stage.telegram
    for role in scenario.processes:
        asked = len(telegram.log.of("getMe"))
        telegram.faults.add(Fault("getMe", Effect.STALL, args={"seconds": 60}))
        async with scenario.starting(role) as process:
            await telegram.wait_for(partial(_has_asked, telegram, asked))
            code, seconds = await process.stop()

        assert code == 0
        assert seconds < GRACE + BEYOND
        _assert_clean(scenario.stage, process)


def _has_asked(telegram: TelegramStandIn, before: int) -> bool:
    return len(telegram.log.of("getMe")) > before


def _assert_clean(stage: LocalStack, bot: RunningBot | Running) -> None:
    """No traceback and no secret in what the process wrote; to standard error nothing at all."""
    assert bot.errors == []
    assert "Traceback" not in bot.text
    assert stage.telegram.token not in bot.text
    assert stage.oss.access_key_secret not in bot.text
