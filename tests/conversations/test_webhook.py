"""The same conversations with a bot to which Telegram delivers: nothing that a person sees may
tell the two ways apart.
"""

import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.stage import Stage

# Every test of these modules runs here once more, with the stage below; also those that will be
# written later.
from tests.conversations.test_albums import *  # noqa: F403 -- see above.
from tests.conversations.test_groups import *  # noqa: F403 -- see above.
from tests.conversations.test_private import *  # noqa: F403 -- see above.
from tests.conversations.test_repeats import *  # noqa: F403 -- see above.
from tests.conversations.test_restart import *  # noqa: F403 -- see above.

# Telegram repeats at its own pace what nobody has taken, so here the press may come too late.
del test_cancel_while_nobody_ran  # noqa: F821 -- comes with the star.


def free_port() -> int:
    """Return a port that is free, from below those that the system hands out itself: Telegram must
    know the address before the bot has taken it, and nobody may take it meanwhile.
    """
    while True:
        port = random.randrange(20_000, 30_000)  # noqa: S311 -- no secret.
        with socket.socket() as found:
            if found.connect_ex(("127.0.0.1", port)) != 0:
                return port


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Both stand-ins; the bot that will run between them has a webhook, and never polls."""
    port = free_port()
    more = {
        "RELAY_WEB__PORT": str(port),
        "RELAY_TELEGRAM__WEBHOOK_URL": f"http://127.0.0.1:{port}/telegram",
        # As the restarts want it: what runs is left for the next start at once.
        "RELAY_STOP__GRACE": "0s",
    }
    async with Stage(tmp_path, more=more) as stage:
        yield stage
        polls = stage.telegram.log.of("getUpdates")

        assert polls == []
