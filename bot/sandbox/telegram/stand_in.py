"""The Telegram stand-in: a Bot API server on loopback with one bot, people and chats."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import FaultScript
from bot.sandbox.server import LOOPBACK, SHUTDOWN_TIMEOUT, LoopbackServer
from bot.sandbox.shaping import Shape
from bot.sandbox.telegram.control import TelegramControl
from bot.sandbox.telegram.errors import unauthorized
from bot.sandbox.telegram.exchange import RequestHandler
from bot.sandbox.telegram.fixtures import Fixtures
from bot.sandbox.telegram.flood import Flood
from bot.sandbox.telegram.local_mode import LocalFileServer
from bot.sandbox.telegram.page.routes import ChatPage
from bot.sandbox.telegram.page.uploads import Uploads
from bot.sandbox.telegram.privacy import Privacy
from bot.sandbox.telegram.users import User
from bot.sandbox.telegram.webhook_delivery import WebhookSender
from bot.sandbox.telegram.world import World

TOKEN = "123456:TEST-stand-in-token-of-the-sandbox"  # noqa: S105 (opens nothing but this stand-in.)

LARGEST_BODY: Final = 64 << 20
"""Bytes of a request without multipart files."""

NOWHERE: Final = f"http://{LOOPBACK}:9/webhook-of-another-program"
"""An address at which nothing listens."""


class TelegramStandIn(LoopbackServer, Fixtures):
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
        LoopbackServer.__init__(self, clock=clock, shape=shape, faults=faults, port=port)
        self.token = token
        self.bot_id = int(token.partition(":")[0])
        self.username = username
        folder = data_dir / "telegram"
        folder.mkdir(parents=True, exist_ok=True)
        bot = User(self.bot_id, "File Relay", username=username, is_bot=True)
        Fixtures.__init__(self, World(bot, self.clock, self.log, folder))
        self._requests = RequestHandler(self.world, token, self.faults, self.bandwidth, folder)
        self.uploads = Uploads(folder / "page")
        self._page = ChatPage(self.world, self.bandwidth, self.uploads)
        self._verbs = TelegramControl(self, self.faults, self.bandwidth, self._info, self.uploads)
        self._deliveries = WebhookSender(self.world, self.faults, self._requests.run)
        if local_root is not None:
            self.world.local = LocalFileServer(local_root, token, self.clock, self.bandwidth)
            self.world.local.on_change = self.log.touch

    def rename(self, username: str) -> None:
        """Give the bot another username, as its owner does at @BotFather; nothing tells the
        bot.
        """
        self.username = username
        self.world.bot = self.world.add_user(replace(self.world.bot, username=username))

    def _make_runner(self) -> web.BaseRunner:
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self.handle)
        return web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)

    def _control(self) -> TelegramControl:
        return self._verbs

    async def _exchange(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._page.serves(request.path):
            return await self._page.handle(request)
        return await self._requests.handle(request)

    async def _start_tasks(self) -> None:
        self._page.open()
        await self._deliveries.start()
        if self.world.local is not None:
            self.world.local.start()

    async def _stop_tasks(self) -> None:
        self.world.updates.close()
        await self._page.close()
        await self._deliveries.stop()
        if self.world.local is not None:
            await self.world.local.stop()

    def _info(self) -> dict[str, object]:
        names = ("token", "bot_id", "username", "base_url", "file_url")
        return {name: getattr(self, name) for name in names}

    @property
    def base_url(self) -> str:
        """Return the base URL of methods, without the token."""
        return f"http://{LOOPBACK}:{self._port}/bot"

    @property
    def file_url(self) -> str:
        """Return the base URL of downloads, without the token."""
        return f"http://{LOOPBACK}:{self._port}/file/bot"

    @property
    def page_url(self) -> str:
        """Return the address of the chat page, for a browser on this machine."""
        return f"http://{LOOPBACK}:{self._port}/"

    @property
    def flood(self) -> Flood:
        """Return the settings and the count of flood control."""
        return self.world.flood

    @property
    def local(self) -> LocalFileServer:
        """Return the files of a server in local mode.

        Raises:
            RuntimeError: this is a cloud server.
        """
        if self.world.local is None:
            raise RuntimeError("this stand-in is no server in local mode: give it a local_root")
        return self.world.local

    @property
    def deliveries(self) -> WebhookSender:
        """Return the deliveries to the webhook."""
        return self._deliveries

    @property
    def ranges(self) -> bool:
        """Return whether downloads honour Range."""
        return self._requests.downloads.ranges

    @ranges.setter
    def ranges(self, wanted: bool) -> None:
        self._requests.downloads.ranges = wanted

    @property
    def file_path_lifetime(self) -> timedelta:
        """Return how long a path of `getFile` is valid."""
        return self.world.files.lifetime

    @file_path_lifetime.setter
    def file_path_lifetime(self, wanted: timedelta) -> None:
        self.world.files.lifetime = wanted

    @property
    def privacy(self) -> Privacy:
        """Return the settings of privacy mode."""
        return self.world.privacy

    async def revoke_token(self) -> None:
        """Refuse the token from now on, as after /revoke at BotFather; a waiting poll ends."""
        self.world.logged_out = True
        self.world.updates.abort(unauthorized())
        await self.world.touch()

    async def restore_token(self) -> None:
        """Accept the token again."""
        self.world.logged_out = False
        await self.world.touch()

    async def intrude_webhook(self, url: str = NOWHERE, *, again: int = 0) -> None:
        """Set a webhook as another program with the same token does; see `Webhook.intrude`."""
        self.world.webhook.intrude(url, again=again)
        await self.world.touch()

    async def send_raw_update(self, update: dict[str, Any]) -> int:
        """Put an update into the queue as it is and return its id."""
        update_id = self.world.updates.add_raw(update)
        await self.world.touch()
        return update_id
