"""The same conversations with a bot to which Telegram delivers: nothing that a person sees may
tell the two ways apart.
"""

import os
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from tests.conversations.people import Person, fetch, link_of

# Every test of these modules runs here once more, with the stage below; also those that will be
# written later.
from tests.conversations.test_albums import *  # noqa: F403 -- see above.
from tests.conversations.test_groups import *  # noqa: F403 -- see above.
from tests.conversations.test_private import *  # noqa: F403 -- see above.
from tests.conversations.test_repeats import *  # noqa: F403 -- see above.
from tests.conversations.test_restart import *  # noqa: F403 -- see above.

# The conversations take as long as by polling, which `make test` runs.
pytestmark = pytest.mark.long

CONTENT = os.urandom(30_000)

# Telegram repeats an update at its own pace until it is taken: here the press may come too late.
del test_cancel_while_nobody_ran  # noqa: F821 -- comes with the star.


def free_port() -> int:
    """Return a port that is free, from below those that the system hands out itself: Telegram must
    know the address before the bot has taken it, and no other process may take it meanwhile.
    """
    while True:
        port = random.randrange(20_000, 30_000)  # noqa: S311 -- no secret.
        with socket.socket() as found:
            if found.connect_ex(("127.0.0.1", port)) != 0:
                return port


def by_webhook(port: int) -> dict[str, str]:
    """Return the settings of a bot with a webhook; what runs at a stop is left at once, as the
    tests of restarts want it.
    """
    return {
        "RELAY_WEB__PORT": str(port),
        "RELAY_TELEGRAM__WEBHOOK_URL": f"http://127.0.0.1:{port}/telegram",
        "RELAY_STOP__GRACE": "0s",
    }


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[LocalStack]:
    """Both stand-ins; the bot that will run between them has a webhook, and never polls."""
    async with LocalStack(tmp_path, more=by_webhook(free_port())) as stage:
        yield stage
        polls = stage.telegram.log.of("getUpdates")

        assert polls == []


@pytest.mark.parametrize("effect", [Effect.TWICE, Effect.LOST])
async def test_delivered_twice(stage: LocalStack, effect: Effect) -> None:
    """An update that Telegram delivers twice, for any reason, is relayed once."""
    alice = Person(stage)
    stage.telegram.faults.add(Fault("webhook", effect))
    await stage.start_bot(alice.id)
    await alice.answered(await alice.send(CONTENT))
    await stage.telegram.wait_for(lambda: len(stage.telegram.deliveries.log) >= 2)
    await stage.telegram.wait_for(lambda: not stage.telegram.world.updates.waiting)
    deliveries = stage.telegram.deliveries.log

    assert len({delivery.update_id for delivery in deliveries}) == 1
    assert len(alice.said) == 1
    assert len(stage.bucket.objects) == 1


async def test_sent_while_nobody_ran(stage: LocalStack) -> None:
    """A file that could not be delivered is answered after the next start."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    await stage.telegram.wait_for(lambda: stage.telegram.world.webhook.is_set)
    await stage.stop_bot()
    message = await alice.send(CONTENT)
    await stage.telegram.wait_for(lambda: len(stage.telegram.deliveries.log) >= 2)
    await stage.start_bot(alice.id)
    answer = await alice.answered(message)

    assert (await fetch(link_of(answer)))[:2] == (200, CONTENT)


async def test_webhook_gives_way_to_polls(tmp_path: Path) -> None:
    """Without the setting the next start removes the webhook; what waits is not lost."""
    async with LocalStack(tmp_path, more=by_webhook(free_port())) as stage:
        alice = Person(stage)
        await stage.start_bot(alice.id)
        await stage.telegram.wait_for(lambda: stage.telegram.world.webhook.is_set)
        await stage.stop_bot()
        message = await alice.send(CONTENT)
        stage.more.clear()
        await stage.start_bot(alice.id)
        answer = await alice.answered(message)
        polls = stage.telegram.log.of("getUpdates")

    assert answer.reply_to == message.id
    assert polls
