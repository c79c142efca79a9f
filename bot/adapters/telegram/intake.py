"""Receives updates at least once, by long polling or by webhook."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from telegram import Update, WebhookInfo
from telegram.error import BadRequest, Conflict, InvalidToken, TelegramError

from bot.adapters.telegram.errors import (
    UNREADABLE,
    TokenRefused,
    UnreadableAnswer,
    readable_answers,
    says,
    wait_after,
)
from bot.adapters.telegram.foreign_webhooks import WEBHOOK_ACTIVE, ForeignWebhooks
from bot.adapters.telegram.handlers import App, ProcessedUpdates
from bot.core.errors import leaf
from bot.core.ports.clock import Clock
from bot.core.ports.outbox import DeadUpdates
from bot.monitoring import HealthState

log = structlog.stdlib.get_logger(__name__)

ALLOWED_UPDATES: Final = ("message", "callback_query", "my_chat_member")
POLL_SECONDS: Final = 30
"""How long Telegram holds a poll open (source: Bot API, "getUpdates", 0 to 50)."""
MOST_TRIES: Final = 5
FIRST_WAIT: Final = 0.2


class Intake:
    """The poll loop. One bug in a handler costs one update, kept in the ledger, and never the
    others. `hold` is entered while a batch is handled.
    """

    def __init__(
        self,
        application: App,
        processed_updates: ProcessedUpdates,
        dead_updates: DeadUpdates,
        clock: Clock,
        foreign_webhooks: ForeignWebhooks,
        *,
        hold: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._application = application
        self._processed_updates = processed_updates
        self._dead_updates = dead_updates
        self._clock = clock
        self._hold = hold
        self._foreign_webhooks = foreign_webhooks
        self._offset = 0

    async def run(self) -> None:
        """Poll until cancelled. An update is confirmed by the poll after the one that brought it.

        Raises:
            TokenRefused: Telegram does not know the token any more.
        """
        troubles = 0
        has_webhook = True
        while True:
            try:
                with readable_answers():
                    if has_webhook:
                        await self._application.bot.delete_webhook(drop_pending_updates=False)
                        has_webhook = False
                    updates = await self._poll()
            except InvalidToken as error:
                raise TokenRefused from error
            except TelegramError as error:
                troubles += 1
                has_webhook = await self._note_trouble(error, troubles, has_webhook=has_webhook)
                continue
            troubles = 0
            self._foreign_webhooks.well()
            with self._hold():
                await self._take_all(updates)

    async def _note_trouble(
        self, error: TelegramError, troubles: int, *, has_webhook: bool
    ) -> bool:
        """Wait before the next poll; return whether there is a webhook to be removed first."""
        if isinstance(error, Conflict) and says(error, WEBHOOK_ACTIVE):
            self._foreign_webhooks.found(await self._webhook_host())
            has_webhook = True
        else:
            log.warning("cannot poll", why=str(error), troubles=troubles)
        await asyncio.sleep(wait_after(error, troubles))
        return has_webhook

    async def _webhook_host(self) -> str | None:
        # Only to name the other program in the log; without it the webhook is removed all the
        # same.
        with suppress(TelegramError), readable_answers():
            return _host((await self._application.bot.get_webhook_info()).url)
        return None

    async def _poll(self) -> list[dict[str, Any]]:
        # Raw, because one update that the library cannot read would otherwise cost the whole
        # batch.
        answer: object = await self._application.bot.do_api_request(
            # Lower case, which the server takes too, because the library warns of its own names
            # here.
            "getupdates",
            api_kwargs={
                "offset": self._offset,
                "timeout": POLL_SECONDS,
                "allowed_updates": list(ALLOWED_UPDATES),
            },
            read_timeout=POLL_SECONDS + 10,
        )
        return _identified(answer)

    async def _take_all(self, updates: list[dict[str, Any]]) -> None:
        """Handle a batch side by side, begun in its order.

        One after the other, each update of a burst would wait for the writes of running transfers
        in between, and a command behind fifty files for all of them. Only that a group has moved
        comes first: what follows there is understood by what was said before.
        """
        try:
            for raw in filter(_is_move, updates):
                await self.take(raw)
            async with asyncio.TaskGroup() as batch:
                for raw in updates:
                    if not _is_move(raw):
                        batch.create_task(self.take(raw))
        except ExceptionGroup as group:
            raise leaf(group) from group
        if updates:
            self._offset = int(updates[-1]["update_id"]) + 1

    async def take(self, raw: dict[str, Any]) -> None:
        """Handle one update until it is done with. Store it as dead after five failures, or at
        once if it cannot be read.

        Raises what the ledger raises when even that cannot be stored.
        """
        update_id = int(raw["update_id"])
        try:
            update = self._read(raw)
        except UNREADABLE as error:
            # Only the kind: the text of the error may quote the message.
            log.error("update set aside, unreadable", update=update_id, why=type(error).__name__)  # noqa: TRY400
            await self._bury(update_id, raw, error)
            return
        for tried in range(MOST_TRIES):
            await self._application.process_update(update)
            if self._processed_updates.take(update_id):
                return
            await asyncio.sleep(FIRST_WAIT * 2**tried)
        cause = self._processed_updates.take_error(update_id)
        log.error("update given up", update=update_id, exc_info=cause)
        await self._bury(update_id, raw, cause)

    async def _bury(
        self, update_id: int, raw: dict[str, Any], cause: BaseException | None
    ) -> None:
        # In ASCII, because SQLite does not take half a surrogate pair.
        await self._dead_updates.add(update_id, json.dumps(raw), repr(cause), self._clock.now())

    def _read(self, raw: dict[str, Any]) -> Update:
        # The library empties the dictionary that it reads.
        return Update.de_json(json.loads(json.dumps(raw)), self._application.bot)


def _is_move(raw: dict[str, Any]) -> bool:
    message = raw.get("message")
    return isinstance(message, dict) and (
        "migrate_to_chat_id" in message or "migrate_from_chat_id" in message
    )


def _identified(answer: object) -> list[dict[str, Any]]:
    """Return the updates of an answer that have a usable id, and pass over the others: without an
    id they can be neither stored nor confirmed.

    Raises:
        UnreadableAnswer: there is no list, or nothing in it is usable.
    """
    if not isinstance(answer, list):
        raise UnreadableAnswer("getUpdates: no list")
    usable = [raw for raw in answer if isinstance(raw, dict) and _is_id(raw.get("update_id"))]
    if answer and not usable:
        raise UnreadableAnswer("getUpdates: updates without ids")
    if len(usable) < len(answer):
        log.error("updates without ids passed over", count=len(answer) - len(usable))
    return usable


def _is_id(value: object) -> bool:
    # What the ledger can hold; bool is an int.
    return type(value) is int and 0 <= value < 1 << 63


CONNECTIONS: Final = 40
"""Deliveries at the same time, each of another chat (source: Bot API, "setWebhook", 1 to 100)."""
LOOK_EVERY: Final = timedelta(minutes=1)


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
        self._foreign_webhooks = ForeignWebhooks(health_state, clock)
        self._secret = webhook_secret(application.bot.token)

    async def take(self, raw: dict[str, Any]) -> None:
        """Handle one update as `Intake.take` does."""
        self._health_state.poll_answered()
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
                await asyncio.sleep(wait_after(error, troubles))
                continue
            troubles = 0
            await self._clock.sleep_until(self._clock.now() + LOOK_EVERY)

    async def _set_if_needed(self) -> None:
        bot = self._application.bot
        info = await bot.get_webhook_info()
        # The secret does not show in what Telegram tells, so the first call sets it always.
        if info.url != self._url and self._is_set:
            self._foreign_webhooks.found(_host(info.url))
            # It is told once, however often the call that sets it right must be repeated.
            self._is_set = False
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
        self._foreign_webhooks.well()
        self._note(info)

    def _note(self, info: WebhookInfo) -> None:
        """Tell who watches when Telegram has failed to deliver and nothing has come since."""
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


def _host(url: str) -> str | None:
    return urlsplit(url).hostname
