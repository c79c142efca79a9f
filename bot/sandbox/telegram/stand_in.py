"""The stand-in as tests and the demo hold it: start, stop, and act as people."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import FaultScript
from bot.sandbox.memory import RequestLog
from bot.sandbox.shaping import Shape
from bot.sandbox.telegram.cast import Cast
from bot.sandbox.telegram.control import Control
from bot.sandbox.telegram.deliveries import Deliveries
from bot.sandbox.telegram.flood import Flood
from bot.sandbox.telegram.local import LocalServer
from bot.sandbox.telegram.privacy import Privacy
from bot.sandbox.telegram.server import BotServer
from bot.sandbox.telegram.users import User
from bot.sandbox.telegram.world import World

TOKEN = "123456:TEST-stand-in-token-of-the-sandbox"  # noqa: S105 (opens nothing but this stand-in.)


class TelegramStandIn(Cast):
    """A Bot API server on loopback, with one bot and any number of people.

    Use it as an asynchronous context manager; everything else may be called between start and
    stop, from its event loop. Bytes handed over and uploads lie below `data_dir`. With
    `local_root` it is a server in local mode: files of any size, as absolute paths below that
    folder, and no `/file`.
    """

    def __init__(  # noqa: PLR0913 (independent knobs, all by keyword.)
        self,
        data_dir: Path,
        *,
        clock: SandboxClock | None = None,
        shape: Shape | None = None,
        faults: FaultScript | None = None,
        token: str = TOKEN,
        username: str = "relay_sandbox_bot",
        port: int = 0,
        local_root: Path | None = None,
    ) -> None:
        self.token = token
        self.bot_id = int(token.partition(":")[0])
        self.username = username
        self.clock = clock or SandboxClock()
        self.shape = shape or Shape()
        self.faults = faults or FaultScript()
        self.log = RequestLog()
        self._port = port
        folder = data_dir / "telegram"
        folder.mkdir(parents=True, exist_ok=True)
        bot = User(self.bot_id, "File Relay", username=username, is_bot=True)
        super().__init__(World(bot, self.clock, self.log, folder))
        self._server = BotServer(self.world, token, self.faults, self.shape, folder)
        self._deliveries = Deliveries(self.world, self.faults, self._server.run)
        if local_root is not None:
            self.world.local = LocalServer(local_root, token, self.clock, self.shape)
            self.world.local.on_change = self.log.touch
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Bind to 127.0.0.1 and answer from now on.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/control/{verb}", Control(self).handle)
        app.router.add_route("*", "/{path:.*}", self._server.handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        await self._deliveries.start()
        if self.world.local is not None:
            self.world.local.start()

    async def stop(self) -> None:
        """Let waiting polls end, break what still runs, and free the port."""
        self.world.updates.close()
        await self._deliveries.stop()
        if self.world.local is not None:
            await self.world.local.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def base_url(self) -> str:
        """Return what clients put before the token."""
        return f"http://127.0.0.1:{self._port}/bot"

    @property
    def control_url(self) -> str:
        """Return where `RemoteTelegram` finds this stand-in."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def file_url(self) -> str:
        """Return what clients put before the token to download."""
        return f"http://127.0.0.1:{self._port}/file/bot"

    @property
    def port(self) -> int:
        """Return the port that is bound, or the wanted one before the start."""
        return self._port

    @property
    def flood(self) -> Flood:
        """Return the settings and the count of flood control."""
        return self.world.flood

    @property
    def local(self) -> LocalServer:
        """Return the files of a server in local mode.

        Raises:
            RuntimeError: this is a cloud server.
        """
        if self.world.local is None:
            raise RuntimeError("this stand-in is no server in local mode: give it a local_root")
        return self.world.local

    @property
    def deliveries(self) -> Deliveries:
        """Return what went to the webhook."""
        return self._deliveries

    @property
    def ranges(self) -> bool:
        """Return whether downloads honour Range."""
        return self._server.downloads.ranges

    @ranges.setter
    def ranges(self, wanted: bool) -> None:
        self._server.downloads.ranges = wanted

    @property
    def file_path_lifetime(self) -> timedelta:
        """Return how long a path of `getFile` is valid."""
        return self.world.files.lifetime

    @file_path_lifetime.setter
    def file_path_lifetime(self, wanted: timedelta) -> None:
        self.world.files.lifetime = wanted

    @property
    def privacy(self) -> Privacy:
        """Return what groups show to the bot."""
        return self.world.privacy

    async def wait_for(self, condition: Callable[[], bool], *, timeout: float = 20.0) -> None:
        """Wait until `condition` holds; it is looked at after every request and change.

        Raises:
            TimeoutError: it did not hold in time (real seconds).
        """
        await self.log.wait_for(condition, timeout=timeout)

    async def send_raw_update(self, update: dict[str, Any]) -> int:
        """Put an update into the queue as it is and return its id."""
        update_id = self.world.updates.add_raw(update)
        await self.world.touch()
        return update_id
