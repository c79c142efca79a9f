"""The PTB application with its requests, renderer and buttons; its updates by webhook."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from typing import Any, Final

import structlog
from telegram import Bot, WebhookInfo
from telegram.error import (
    BadRequest,
    InvalidToken,
    TelegramError,
)
from telegram.ext import Application

from bot.adapters.telegram.buttons import ButtonCodec
from bot.adapters.telegram.handlers import App
from bot.adapters.telegram.intake import (
    ALLOWED_UPDATES,
    ForeignWebhooks,
    Intake,
    host_of,
    is_update_id,
)
from bot.adapters.telegram.messenger import TelegramMessenger
from bot.adapters.telegram.renderer import BotName, Renderer
from bot.adapters.telegram.request import (
    AiohttpRequest,
    Answered,
    RelayBot,
    TokenRefused,
    readable_answers,
    wait_after,
)
from bot.core.ports import Clock
from bot.supervision import HealthState

log = structlog.stdlib.get_logger(__name__)


NAME_ASKED_EVERY: Final = timedelta(minutes=5)


async def keep_name(name: BotName, bot: Bot, clock: Clock) -> None:
    """Ask for the bot's name now and then, until cancelled. Its owner may change it at @BotFather
    at any time, and another account can take the old one.
    """
    while True:
        await clock.sleep_until(clock.now() + NAME_ASKED_EVERY)
        # The intake finds out what is wrong with the token or with Telegram.
        with suppress(TelegramError), readable_answers():
            told = (await bot.get_me()).username
            if told and told != name.current:
                log.info("the bot has been renamed", before=name.current, now=told)
                name.current = told


@dataclass(frozen=True)
class TelegramResources:
    """The objects of this package that the wiring uses."""

    application: App
    bot_id: int
    name: BotName
    messenger: TelegramMessenger
    renderer: Renderer
    keyboards: ButtonCodec


@asynccontextmanager
async def open_telegram(
    token: str,
    *,
    base_url: str,
    proxy: str | None,
    zone: tzinfo = UTC,
    answered: Answered = lambda _method, _status: None,
) -> AsyncIterator[TelegramResources]:
    """Build the application without an updater and initialize it; wait while Telegram is
    unreachable.

    `zone` is the time zone of shown times; `answered` is called after every call.

    Raises:
        TokenRefused: Telegram does not know the token.
    """
    application: App = (
        Application.builder()
        .bot(
            RelayBot(
                token,
                base_url=f"{base_url}/bot",
                base_file_url=f"{base_url}/file/bot",
                request=AiohttpRequest(proxy=proxy, answered=answered),
                get_updates_request=AiohttpRequest(proxy=proxy, answered=answered),
            )
        )
        .updater(None)
        .job_queue(None)
        .concurrent_updates(1)
        .build()
    )
    await _greet(application)
    try:
        name = BotName(application.bot.username)
        renderer = Renderer(zone=zone, name=name)
        keyboards = ButtonCodec(token.encode())
        yield TelegramResources(
            application=application,
            bot_id=application.bot.id,
            name=name,
            messenger=TelegramMessenger(application.bot, renderer, keyboards),
            renderer=renderer,
            keyboards=keyboards,
        )
    finally:
        await application.shutdown()


LONGEST_REASON: Final = 200
"""Characters of the description of an error, which a proxy may have written."""


async def _greet(application: App) -> None:
    troubles = 0
    while True:
        try:
            with readable_answers():
                await application.initialize()
        except InvalidToken as error:
            await application.bot.shutdown()
            raise TokenRefused from error
        except TelegramError as error:
            troubles += 1
            log.warning(
                "Telegram is out of reach", why=str(error)[:LONGEST_REASON], troubles=troubles
            )
            await asyncio.sleep(wait_after(error, troubles))
        else:
            return


CONNECTIONS: Final = 40
"""Deliveries at the same time, each for another chat (source: Bot API, "setWebhook", 1 to 100)."""
LOOK_EVERY: Final = timedelta(minutes=1)


class WebhookRefused(Exception):
    """Telegram does not accept the address; the text has the reason."""


def webhook_secret(token: str) -> str:
    """Return the secret that authenticates deliveries of Telegram; it changes with the token.

    Allowed are 1 to 256 of A-Z, a-z, 0-9, _ and - (source: Bot API, "setWebhook").
    """
    return hmac.new(token.encode(), b"webhook secret", hashlib.sha256).hexdigest()


class WebhookIntake:
    """Keeps the webhook set. The web server passes its deliveries to `take`."""

    def __init__(
        self,
        application: App,
        intake: Intake,
        health_state: HealthState,
        clock: Clock,
        *,
        url: str,
    ) -> None:
        self._application = application
        self._intake = intake
        self._health_state = health_state
        self._clock = clock
        self._url = url
        self._is_set = False
        self._is_foreign = False
        self._foreign_webhooks = ForeignWebhooks(health_state, clock)
        self._secret = webhook_secret(application.bot.token)

    async def take(self, raw: dict[str, Any]) -> None:
        """Handle one update as `Intake.take` does. One without a usable id is passed over."""
        self._health_state.poll_answered()
        if not is_update_id(raw.get("update_id")):
            log.error("updates without ids passed over", count=1)
            return
        await self._intake.take(raw)

    async def retry(self) -> None:
        """Try failing updates again, as `Intake.retry` does."""
        await self._intake.retry()

    async def run(self) -> None:
        """Set the webhook, and again when another program has changed it, until cancelled.

        Raises:
            TokenRefused: Telegram does not know the token (any more).
            WebhookRefused: Telegram does not accept the address, and has not before.
        """
        troubles = 0
        while True:
            try:
                with readable_answers():
                    await self._set_if_needed()
            except InvalidToken as error:
                raise TokenRefused from error
            except BadRequest as error:
                if not self._is_set:
                    raise WebhookRefused(f"telegram.webhook_url: {error.message}") from error
                # It was accepted once: from now on only a stop ends the process.
                troubles += 1
                self._health_state.webhook_error = f"refused: {error.message}"
                log.error("webhook refused", why=error.message, troubles=troubles)  # noqa: TRY400 -- named.
                await asyncio.sleep(wait_after(error, troubles))
                continue
            except TelegramError as error:
                troubles += 1
                log.warning("cannot see to the webhook", why=error.message, troubles=troubles)
                await asyncio.sleep(wait_after(error, troubles))
                continue
            troubles = 0
            await self._clock.sleep_until(self._clock.now() + LOOK_EVERY)

    async def _set_if_needed(self) -> None:
        bot = self._application.bot
        info = await bot.get_webhook_info()
        # Telegram does not report the secret, so the first call always sets the webhook.
        if info.url != self._url and self._is_set and not self._is_foreign:
            self._foreign_webhooks.found(host_of(info.url))
            # It is told once, however often the call that sets it right must be repeated.
            self._is_foreign = True
        if info.url != self._url or not self._is_set:
            if info.url and info.pending_update_count:
                # Updates that could not be delivered while the bot was down would wait for up to
                # two minutes more; a webhook that is set anew gets them at once.
                await bot.delete_webhook(drop_pending_updates=False)
            await bot.set_webhook(
                self._url,
                secret_token=self._secret,
                max_connections=CONNECTIONS,
                allowed_updates=list(ALLOWED_UPDATES),
                drop_pending_updates=False,
            )
            # Hosts only: the path often contains the token.
            self._health_state.webhook_error = ""
            log.info("webhook set", host=host_of(self._url), instead_of=host_of(info.url))
            self._is_set, self._is_foreign = True, False
            return
        self._foreign_webhooks.well()
        self._note(info)

    def _note(self, info: WebhookInfo) -> None:
        """Report a webhook that Telegram fails to deliver to, unless an update came since."""
        failed_at, last_poll_at = info.last_error_date, self._health_state.last_poll_at
        is_failing = failed_at is not None and (last_poll_at is None or last_poll_at < failed_at)
        if not is_failing or not info.pending_update_count:
            self._health_state.webhook_error = ""
            return
        waiting = info.pending_update_count
        self._health_state.webhook_error = (
            f"cannot deliver {waiting} updates: {info.last_error_message}"
        )
        log.warning("Telegram cannot deliver to the webhook", waiting=waiting)
