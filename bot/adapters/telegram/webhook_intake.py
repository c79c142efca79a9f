"""Receiving updates by webhook, and keeping it set."""

import asyncio
import hashlib
import hmac
from datetime import timedelta
from typing import Any, Final

import structlog
from telegram import WebhookInfo
from telegram.error import (
    BadRequest,
    InvalidToken,
    TelegramError,
)

from bot.adapters.telegram.handlers import App
from bot.adapters.telegram.intake import (
    ALLOWED_UPDATES,
    ForeignWebhooks,
    Intake,
    host_of,
    is_update_id,
)
from bot.adapters.telegram.request import (
    TokenRefused,
    readable_answers,
    wait_after,
)
from bot.core.ports import Clock
from bot.supervision import HealthState

log = structlog.stdlib.get_logger(__name__)

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
