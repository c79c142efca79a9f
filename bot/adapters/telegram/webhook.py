"""Takes updates in by webhook: tells Telegram where to deliver, and looks whether it does."""

import asyncio
import hashlib
import hmac
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from telegram import WebhookInfo
from telegram.error import BadRequest, InvalidToken, RetryAfter, TelegramError

from bot.adapters.telegram.application import TokenRefused
from bot.adapters.telegram.handlers import App
from bot.adapters.telegram.intake import ALLOWED_UPDATES, Intake
from bot.adapters.telegram.unreadable import readable_answers
from bot.core.ports.clock import Clock
from bot.monitoring.vitals import HealthState

log = structlog.stdlib.get_logger(__name__)

CONNECTIONS: Final = 40
"""Deliveries at the same time, each of another chat (source: Bot API, "setWebhook", 1 to 100)."""
LOOK_EVERY: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = 30.0


class WebhookRefused(Exception):
    """Telegram does not accept the address; the text says why."""


def webhook_secret(token: str) -> str:
    """Return what proves that a delivery comes from Telegram; it changes with the token.

    Allowed are 1 to 256 of A-Z, a-z, 0-9, _ and - (source: Bot API, "setWebhook").
    """
    return hmac.new(token.encode(), b"webhook secret", hashlib.sha256).hexdigest()


class WebhookIntake:
    """Keeps the webhook set. What it delivers goes to `take`, by way of the web server."""

    def __init__(
        self, application: App, intake: Intake, vitals: HealthState, clock: Clock, *, url: str
    ) -> None:
        self._application = application
        self._intake = intake
        self._vitals = vitals
        self._clock = clock
        self._url = url
        self._is_set = False
        self._secret = webhook_secret(application.bot.token)

    async def take(self, raw: dict[str, Any]) -> None:
        """Handle one update as `Intake.take` does."""
        self._vitals.heard()
        await self._intake.take(raw)

    async def run(self) -> None:
        """Set the webhook, and again when somebody has changed it, until cancelled.

        Raises:
            TokenRefused: Telegram does not know the token (any more).
            WebhookRefused: Telegram does not accept the address.
        """
        troubles = 0
        while True:
            try:
                with readable_answers():
                    await self._set_if_needed()
            except InvalidToken as error:
                raise TokenRefused from error
            except BadRequest as error:
                raise WebhookRefused(f"telegram.webhook_url: {error.message}") from error
            except TelegramError as error:
                troubles += 1
                log.warning("cannot see to the webhook", why=error.message, troubles=troubles)
                await asyncio.sleep(_wait(error, troubles))
                continue
            troubles = 0
            await self._clock.sleep_until(self._clock.now() + LOOK_EVERY)

    async def _set_if_needed(self) -> None:
        bot = self._application.bot
        info = await bot.get_webhook_info()
        # The secret does not show in what Telegram tells, so the first call sets it always.
        if info.url != self._url or not self._is_set:
            if info.url and info.pending_update_count:
                # What could not be delivered while nobody ran would wait for up to two minutes
                # more; a webhook that is set anew gets it at once.
                await bot.delete_webhook(drop_pending_updates=False)
            await bot.set_webhook(
                self._url,
                secret_token=self._secret,
                max_connections=CONNECTIONS,
                allowed_updates=list(ALLOWED_UPDATES),
                drop_pending_updates=False,
            )
            # Hosts only: many a bot has its token in the path.
            log.info("webhook set", host=_host(self._url), instead_of=_host(info.url))
            self._is_set = True
            return
        self._note(info)

    def _note(self, info: WebhookInfo) -> None:
        """Tell who watches when Telegram has failed to deliver and nothing has come since."""
        failed_at, heard_at = info.last_error_date, self._vitals.heard_at
        is_deaf = failed_at is not None and (heard_at is None or heard_at < failed_at)
        if not is_deaf or not info.pending_update_count:
            self._vitals.deaf = ""
            return
        waiting = info.pending_update_count
        self._vitals.deaf = f"cannot deliver {waiting} updates: {info.last_error_message}"
        log.warning("webhook: Telegram cannot deliver", waiting=waiting)


def _host(url: str) -> str | None:
    return urlsplit(url).hostname


def _wait(error: TelegramError, troubles: int) -> float:
    if isinstance(error, RetryAfter):
        wait = error.retry_after
        return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
    return min(LONGEST_WAIT, 2.0 ** min(troubles - 1, 6))
