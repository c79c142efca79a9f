"""Both stand-ins and the bot between them, in one process: for the demo, and for tests of whole
conversations.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from bot.app import serve
from bot.sandbox.clock import SandboxClock
from bot.sandbox.oss import OssStandIn
from bot.sandbox.telegram import TelegramStandIn
from bot.settings import Settings, load

BUCKET = "relay-sandbox"


class LocalStack:
    """Stand-ins for Telegram and for OSS with one bucket, and a bot that can be restarted.

    `more` are further settings as variables (`RELAY_LINK__MODE`); with `local` the Bot API server
    runs in local mode. All files are below `folder`. `telegram_port` 0 takes a free one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: SandboxClock | None = None,
        more: Mapping[str, str] | None = None,
        local: bool = False,
        telegram_port: int = 0,
    ) -> None:
        self.folder = folder
        self.clock = clock or SandboxClock()
        self.local_root = folder / "bot-api" if local else None
        self.telegram = TelegramStandIn(
            folder / "stand-ins",
            clock=self.clock,
            port=telegram_port,
            local_root=self.local_root,
        )
        self.oss = OssStandIn(folder / "stand-ins", clock=self.clock)
        self.more = dict(more or {})
        self._exit = AsyncExitStack()
        self._bot: tuple[asyncio.Task[None], asyncio.Event] | None = None

    async def __aenter__(self) -> Self:
        await self._exit.enter_async_context(self.telegram)
        await self._exit.enter_async_context(self.oss)
        self.bucket = self.oss.add_bucket(BUCKET)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.stop_bot()
        finally:
            await self._exit.aclose()

    def variables(self, *users: int) -> dict[str, str]:
        """Return the settings of a bot between these stand-ins, as variables."""
        return {
            "RELAY_TELEGRAM__TOKEN": self.telegram.token,
            "RELAY_TELEGRAM__BASE_URL": self.telegram.base_url.removesuffix("/bot"),
            "RELAY_OSS__BUCKET": BUCKET,
            "RELAY_OSS__REGION": self.oss.region,
            "RELAY_OSS__ENDPOINT": self.oss.endpoint,
            "RELAY_OSS__ACCESS_KEY_ID": self.oss.access_key_id,
            "RELAY_OSS__ACCESS_KEY_SECRET": self.oss.access_key_secret,
            "RELAY_SPOOL__FOLDER": str(self.folder / "spool"),
            "RELAY_LEDGER__PATH": str(self.folder / "relay.sqlite3"),
            "RELAY_SPOOL__KEEP_FREE": "0",
            "RELAY_ACCESS__USERS": ",".join(str(user) for user in users),
            **self._local_variables(),
            **self.more,
        }

    def _local_variables(self) -> dict[str, str]:
        if self.local_root is None:
            return {}
        return {
            "RELAY_TELEGRAM__MODE": "local",
            "RELAY_TELEGRAM__FILE_ROOT": str(self.local_root),
        }

    def settings(self, *users: int) -> Settings:
        """Return the settings of a bot between these stand-ins."""
        return load(None, self.variables(*users))

    async def start_bot(self, *users: int) -> None:
        """Start the bot for these users; return once it listens.

        Raises what `serve` raises before that.
        """
        stop, listening = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(
            serve(
                self.settings(*users),
                stop=stop,
                clock=self.clock,
                ready=lambda _: listening.set(),
            )
        )
        self._bot = (task, stop)
        waiting = asyncio.create_task(listening.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            self._bot = None
            await task

    async def stop_bot(self) -> None:
        """Stop the bot as SIGTERM does, and wait until it has ended; do nothing if none runs.

        Raises the error with which the bot ended.
        """
        if self._bot is None:
            return
        task, stop = self._bot
        self._bot = None
        stop.set()
        await task
