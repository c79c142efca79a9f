"""Receiving updates at least once, by long polling or by webhook."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from telegram import Update, WebhookInfo
from telegram.error import BadRequest, InvalidToken, TelegramError

from bot.adapters.telegram.errors import (
    UNREADABLE,
    TokenRefused,
    UnreadableAnswer,
    readable_answers,
    wait_after,
)
from bot.adapters.telegram.handlers import App, ProcessedUpdates
from bot.core.errors import leaf
from bot.core.ports.clock import Clock
from bot.core.ports.outbox import DeadUpdates
from bot.monitoring import HealthState

log = structlog.stdlib.get_logger(__name__)

ALLOWED_UPDATES: Final = ("message", "callback_query", "my_chat_member")
POLL_SECONDS: Final = 30
"""Seconds that Telegram holds a poll open (source: Bot API, "getUpdates", 0 to 50)."""
MOST_TRIES: Final = 5
FIRST_WAIT: Final = 0.2


class Intake:
    """The poll loop. A defect in a handler affects one update, which is stored in the ledger, and
    no others. `hold` is entered while a batch is handled.
    """

    def __init__(
        self,
        application: App,
        processed_updates: ProcessedUpdates,
        dead_updates: DeadUpdates,
        clock: Clock,
        *,
        hold: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._application = application
        self._processed_updates = processed_updates
        self._dead_updates = dead_updates
        self._clock = clock
        self._hold = hold
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
                log.warning("cannot poll", why=str(error), troubles=troubles)
                await asyncio.sleep(wait_after(error, troubles))
                continue
            troubles = 0
            with self._hold():
                await self._take_all(updates)

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
        """Handle a batch in parallel, started in its order.

        In sequence, each update of a burst would wait for the writes of running transfers in
        between, and a command behind fifty files for all of them. Only migrations of groups are
        handled first: later updates of the supergroup depend on the rules of the group.
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
        """Handle one update to its end. Store it as dead after five failures, or at once if it is
        unreadable.

        Raises the errors of the ledger if even that cannot be stored.
        """
        update_id = int(raw["update_id"])
        try:
            update = self._read(raw)
        except UNREADABLE as error:
            # Only the type: the text of the error may quote the message.
            log.error("unreadable update stored", update=update_id, why=type(error).__name__)  # noqa: TRY400
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
        # The library empties the dictionary that it parses.
        return Update.de_json(json.loads(json.dumps(raw)), self._application.bot)


def _is_move(raw: dict[str, Any]) -> bool:
    message = raw.get("message")
    return isinstance(message, dict) and (
        "migrate_to_chat_id" in message or "migrate_from_chat_id" in message
    )


def _identified(answer: object) -> list[dict[str, Any]]:
    """Return the updates of an answer that have a usable id, and skip the others: without an id
    they can be neither stored nor confirmed.

    Raises:
        UnreadableAnswer: there is no list, or nothing in it is usable.
    """
    if not isinstance(answer, list):
        raise UnreadableAnswer("getUpdates: no list")
    usable = [raw for raw in answer if isinstance(raw, dict) and _is_id(raw.get("update_id"))]
    if answer and not usable:
        raise UnreadableAnswer("getUpdates: updates without ids")
    if len(usable) < len(answer):
        log.error("updates without ids skipped", count=len(answer) - len(usable))
    return usable


def _is_id(value: object) -> bool:
    # The range of the ledger's column; bool is an int.
    return type(value) is int and 0 <= value < 1 << 63


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
        self._secret = webhook_secret(application.bot.token)

    async def take(self, raw: dict[str, Any]) -> None:
        """Handle one update as `Intake.take` does."""
        self._health_state.poll_answered()
        await self._intake.take(raw)

    async def run(self) -> None:
        """Set the webhook, and again whenever it has been changed, until cancelled.

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
                log.warning("cannot check the webhook", why=error.message, troubles=troubles)
                await asyncio.sleep(wait_after(error, troubles))
                continue
            troubles = 0
            await self._clock.sleep_until(self._clock.now() + LOOK_EVERY)

    async def _set_if_needed(self) -> None:
        bot = self._application.bot
        info = await bot.get_webhook_info()
        # Telegram does not report the secret, so the first call always sets the webhook.
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
            log.info("webhook set", host=_host(self._url), instead_of=_host(info.url))
            self._is_set = True
            return
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


def _host(url: str) -> str | None:
    return urlsplit(url).hostname
