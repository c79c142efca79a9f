"""The start: links are ended with or without Telegram, and exit codes say what is wrong."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from bot.adapters.oss.access_checks import BucketExposed, BucketUnusable
from bot.adapters.telegram.request import TokenRefused
from bot.demo.local_stack import BUCKET, LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss.policy import parse_policy
from tests.conversations.leftovers import let_time_pass
from tests.conversations.operators import run
from tests.conversations.people import Person
from tests.conversations.test_webhook import free_port
from tests.wiring.test_monitoring import is_well, ready, says


def refused() -> Fault:
    """Telegram does not know the token."""
    return Fault("*", Effect.ERROR, times=0, args={"status": 401, "description": "Unauthorized"})


def away() -> Fault:
    """Telegram is out of reach."""
    return Fault("getMe", Effect.ERROR, times=0, args={"status": 502})


@pytest.fixture
def port(stage: LocalStack) -> int:
    """The port of a public-mode bot."""
    port = free_port()
    stage.more |= {"RELAY_WEB__PORT": str(port), "RELAY_LINK__MODE": "public"}
    return port


async def _stored(stage: LocalStack) -> Person:
    """Relay one file, and stop the bot."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    await alice.answered(await alice.send(b"z" * 2000))
    await stage.stop_bot()
    return alice


async def _ends(stage: LocalStack) -> None:
    """Wait for the end of the links, a second of the clock at a time."""
    gone = asyncio.create_task(stage.oss.wait_for(lambda: not stage.bucket.objects))
    while not gone.done():
        stage.clock.advance(timedelta(seconds=1))
        await asyncio.wait({gone}, timeout=0.05)
    await gone


@pytest.mark.parametrize("make", [away, refused], ids=["away", "refused"])
async def test_links_end_without_telegram(
    stage: LocalStack, port: int, make: Callable[[], Fault]
) -> None:
    """While Telegram is away, or refuses the token, links that are live end on time; the bot is
    not ready and says why, and begins once Telegram answers.
    """
    alice = await _stored(stage)
    fault = make()
    stage.telegram.faults.add(fault)
    starting = asyncio.create_task(stage.start_bot(alice.id))
    await stage.telegram.wait_for(lambda: fault.hits > 0)
    reasons = await says(port, "telegram.token" if make is refused else "bot: starting")
    stage.clock.advance(timedelta(hours=23, minutes=54))
    is_there = bool(stage.bucket.objects)
    stage.clock.advance(timedelta(minutes=1))
    await stage.oss.wait_for(lambda: not stage.bucket.objects)
    stage.telegram.faults.clear()
    while not starting.done():
        stage.clock.advance(timedelta(seconds=10))
        await asyncio.wait({starting}, timeout=0.05)
    await starting
    # The clock was far ahead of what was asked last, and a poll with nothing to tell lasts 30 real
    # seconds.
    await alice.write("/help")
    await is_well(port)

    assert is_there
    assert reasons


async def test_token_refused_without_links(stage: LocalStack) -> None:
    """Without links the start ends with one line and exit code 2."""
    stage.telegram.faults.add(refused())
    with pytest.raises(TokenRefused):
        await stage.start_bot(1)
    done = await run(stage, "run")

    assert done.code == 2
    assert len([line for line in done.err.splitlines() if line.startswith("relay-bot: ")]) == 1
    assert "Traceback" not in done.out + done.err


async def test_token_revoked_in_the_middle(stage: LocalStack, port: int) -> None:
    """The bot lives, says why it is not ready, ends links, and goes on with the token."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    await alice.answered(await alice.send(b"z" * 2000))
    stage.telegram.faults.add(refused())
    # Ends the poll that is open; the next one is refused.
    message = await alice.send(b"y" * 2000)
    reasons = await says(port, "telegram.token")
    stage.clock.advance(timedelta(hours=23, minutes=55))
    await stage.oss.wait_for(lambda: not stage.bucket.objects)
    unanswered = alice.answer_to(message) is None
    stage.telegram.faults.clear()
    asked = await alice.write("/help")
    await let_time_pass(alice, lambda: alice.answer_to(asked) is not None)
    await alice.answered(message)
    _, well = await ready(port)

    assert [reason for reason in reasons if "telegram.token" in reason]
    assert unanswered
    assert well == []


async def test_bucket_exposed(stage: LocalStack) -> None:
    """With live links the bot waits and ends them; without any the start ends."""
    stage.more["RELAY_WEB__PORT"] = str(port := free_port())
    alice = await _stored(stage)
    expose(stage)
    polls = len(stage.telegram.log.of("getUpdates"))
    starting = asyncio.create_task(stage.start_bot(alice.id))
    await says(port, "oss.bucket")
    stage.clock.advance(timedelta(hours=24))
    await _ends(stage)
    while not starting.done():
        stage.clock.advance(timedelta(seconds=10))
        await asyncio.wait({starting}, timeout=0.05)

    assert isinstance(starting.exception(), BucketExposed)
    assert len(stage.telegram.log.of("getUpdates")) == polls


@pytest.mark.parametrize("field", ["retains", "refuses_empty_referer"])
async def test_bucket_that_keeps_or_hides(stage: LocalStack, field: str) -> None:
    """A bucket from which the bot cannot delete, or that serves no link, takes no file; the start
    names the reason in OSS's words.
    """
    setattr(stage.bucket, field, True)
    with pytest.raises(BucketUnusable, match=r"FileImmutable|bucket referer policy"):
        await stage.start_bot(1)

    assert stage.telegram.log.of("getUpdates") == []


def expose(stage: LocalStack) -> None:
    """Let a bucket policy open everything to the public."""
    stage.bucket.policy = parse_policy(
        '{"Version": "1", "Statement": [{"Effect": "Allow", "Principal": "*",'
        f' "Action": "oss:GetObject", "Resource": "acs:oss:*:*:{BUCKET}/*"}}]}}'
    )
