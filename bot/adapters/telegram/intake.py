"""Receiving updates at least once, by long polling or by webhook."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import structlog
from telegram import Update, WebhookInfo
from telegram.error import (
    BadRequest,
    Conflict,
    InvalidToken,
    TelegramError,
)

from bot.adapters.telegram.foreign_webhooks import WEBHOOK_ACTIVE, ForeignWebhooks
from bot.adapters.telegram.handlers import App, ProcessedUpdates
from bot.adapters.telegram.messenger import says
from bot.adapters.telegram.raw_updates import (
    is_command,
    is_well_typed,
    origin_of,
    press_of,
    summary,
    without_optional_parts,
)
from bot.adapters.telegram.request import (
    UNREADABLE,
    TokenRefused,
    UnreadableAnswer,
    readable_answers,
    wait_after,
)
from bot.clock import wait_for_event
from bot.core.jobs import Origin
from bot.core.ports.clock import Clock
from bot.core.ports.metrics import Metrics
from bot.core.ports.outbox import DeadUpdates, FailingUpdate
from bot.supervision import HealthState, Unit, UnitEdge

log = structlog.stdlib.get_logger(__name__)

ALLOWED_UPDATES: Final = ("message", "callback_query", "my_chat_member")
POLL_SECONDS: Final = 30
"""Seconds that Telegram holds a poll open (source: Bot API, "getUpdates", 0 to 50)."""
MOST_ID: Final = 2_000_000_000
"""The highest id of an update (source: github tdlib/td `TQueue.h`, `EventId::MAX_ID`)."""
LEAST_SECONDS: Final = 1.0
"""Seconds from one poll to the next, where the server does not hold polls open; some emulators,
proxies and self-made servers do not.
"""
MOST_TRIES: Final = 5
FIRST_WAIT: Final = 0.2
"""Seconds before an update that failed is tried again; further waits are five times as long."""
MOST_AT_ONCE: Final = 50
KEPT_FOR: Final = timedelta(days=7)
"""How long an update that was set aside is kept."""
PRUNE_EVERY: Final = timedelta(hours=1)


class Tell(Protocol):
    """Tells senders what could not be handled."""

    async def not_handled(self, origin: Origin, *, is_command: bool) -> None:
        """Tell the sender of a message, if that should be; `is_command` for one that begins as a
        command.
        """

    async def press_not_handled(
        self, query_id: str, user_id: int, chat_id: int, language: str
    ) -> None:
        """Tell who pressed a button, if that should be. The ids are 0 if they cannot be read."""


class Intake:
    """The poll loop. A defect in a handler affects one update, which is stored in the ledger, and
    no others. `hold` is entered while several updates
    are handled.
    """

    def __init__(  # noqa: PLR0913 -- what an update passes; the options by keyword.
        self,
        application: App,
        processed_updates: ProcessedUpdates,
        dead_updates: DeadUpdates,
        clock: Clock,
        foreign_webhooks: ForeignWebhooks,
        *,
        hold: Callable[[], AbstractContextManager[None]] = nullcontext,
        tell: Tell | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._application = application
        self._tell = tell
        self._edge = UnitEdge(metrics)
        self._failed = asyncio.Event()
        self._processed_updates = processed_updates
        self._dead_updates = dead_updates
        self._clock = clock
        self._hold = hold
        self._foreign_webhooks = foreign_webhooks
        self._offset = 0
        self._polled_at = 0.0
        self._is_held = True

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
            if self._foreign_webhooks.seen:
                self._foreign_webhooks.well()
            # A single message has no others to compete with.
            with self._hold() if len(updates) > 1 else nullcontext():
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
        loop = asyncio.get_running_loop()
        if not self._is_held:
            await asyncio.sleep(self._polled_at + LEAST_SECONDS - loop.time())
        self._polled_at = loop.time()
        answer: object = await self._application.bot.get_raw_updates(
            offset=self._offset,
            timeout=POLL_SECONDS,
            allowed_updates=ALLOWED_UPDATES,
            read_timeout=POLL_SECONDS + 10,
        )
        updates = _identified(answer)
        # A server that does not know offsets sends the same updates again.
        if not updates or int(updates[-1]["update_id"]) < self._offset:
            self._is_held = loop.time() - self._polled_at >= LEAST_SECONDS
        return updates

    async def _take_all(self, updates: list[dict[str, Any]]) -> None:
        """Handle a batch in parallel, started in its order.

        In sequence, each update of a burst would wait for the writes of running transfers in
        between, and a command behind fifty files for all of them. Only migrations of groups are
        handled first: later updates of the supergroup depend on the rules of the group.
        """
        for raw in filter(_is_move, updates):
            await self.take(raw)
        # Not a group of tasks: the failure of one would cancel the others in the middle.
        others = [self.take(raw) for raw in updates if not _is_move(raw)]
        for outcome in await asyncio.gather(*others, return_exceptions=True):
            if outcome is not None:
                raise outcome
        if updates:
            self._offset = int(updates[-1]["update_id"]) + 1

    async def take(self, raw: dict[str, Any]) -> None:
        """Handle one update. Store it as failing if that fails, for `retry`, or as dead if it
        cannot be read even without its optional parts. An error that is handled here delays no
        other update.

        Raises what the ledger raises when even that cannot be stored.
        """
        update_id = int(raw["update_id"])
        try:
            update = self._read_or_reduce(raw)
        except UNREADABLE as error:
            # Only the kind: the text of the error may quote the message.
            self._edge.unreadable(update_id, error)
            await self._bury(update_id, raw, type(error).__name__)
            return
        failure = await self._handle(update)
        if failure is None:
            return
        now = self._clock.now()
        # In ASCII, because SQLite does not take half a surrogate pair.
        body, why = json.dumps(raw), type(failure).__name__
        await self._dead_updates.failing(update_id, body, why, now, now + _wait_before(1))
        self._failed.set()

    async def _handle(self, update: Update) -> Exception | None:
        """Let the application handle an update; return why it is not done with, or `None`. The
        error has been logged and counted.
        """
        cause: BaseException | None = None
        try:
            await self._application.process_update(update)
        except Exception as error:  # noqa: BLE001 -- the edge of an update.
            cause = error
        if self._processed_updates.take(update.update_id):
            return None
        cause = cause or self._processed_updates.take_error(update.update_id)
        failure = cause if isinstance(cause, Exception) else RuntimeError("no handler marked it")
        self._edge.failed(Unit.UPDATE, update.update_id, failure)
        return failure

    async def retry(self) -> None:
        """Try failing updates again, beside the others, and remove what was set aside long ago;
        until cancelled.
        """
        while True:
            self._failed.clear()
            now = self._clock.now()
            await self._dead_updates.prune(now - KEPT_FOR)
            for failing in await self._dead_updates.due(now, MOST_AT_ONCE):
                await self._try_again(failing)
            latest = self._clock.now() + PRUNE_EVERY
            due_at = await self._dead_updates.next_due_at()
            await wait_for_event(self._failed, self._clock, min(latest, due_at or latest))

    async def _try_again(self, failing: FailingUpdate) -> None:
        update_id, raw = failing.update_id, json.loads(failing.body)
        if failing.attempts >= MOST_TRIES:
            # The process died in the last try, or before this could be stored.
            await self._bury(update_id, raw, "given up")
            return
        again_at = self._clock.now() + _wait_before(failing.attempts + 1)
        await self._dead_updates.begin_attempt(update_id, again_at)
        try:
            # Without its optional parts first: one of them may be why it fails.
            update = self._reduce(raw)
        except UNREADABLE:
            update = self._read(raw)
        error = await self._handle(update)
        if error is None:
            await self._dead_updates.handled(update_id)
        elif failing.attempts + 1 >= MOST_TRIES:
            log.error("update set aside", update=update_id, why=type(error).__name__)
            await self._bury(update_id, raw, type(error).__name__)

    async def _bury(self, update_id: int, raw: dict[str, Any], why: str) -> None:
        """Set an update aside, and tell its sender if that can be read."""
        origin, press = origin_of(raw, self._application.bot.id), press_of(raw)
        # First, because a message that is told twice is sent once.
        with self._edge.contain(Unit.UPDATE, update_id):
            if self._tell is not None and origin is not None:
                await self._tell.not_handled(origin, is_command=is_command(raw))
            elif self._tell is not None and press is not None:
                await self._tell.press_not_handled(
                    press.query_id, press.user_id, press.chat_id, press.language
                )
        chat_id = origin.chat_id if origin else press.chat_id if press else None
        now = self._clock.now()
        await self._dead_updates.add(update_id, summary(raw), why, now, chat_id or None)

    def _read_or_reduce(self, raw: dict[str, Any]) -> Update:
        why = "types"
        if is_well_typed(raw):
            try:
                return self._read(raw)
            except UNREADABLE as error:
                why = type(error).__name__
        update = self._reduce(raw)
        log.warning("update read without its optional parts", update=raw["update_id"], why=why)
        return update

    def _reduce(self, raw: dict[str, Any]) -> Update:
        return self._read(without_optional_parts(raw, int(self._clock.now().timestamp())))

    def _read(self, raw: dict[str, Any]) -> Update:
        # The library empties the dictionary that it parses.
        return Update.de_json(json.loads(json.dumps(raw)), self._application.bot)


def _wait_before(tries: int) -> timedelta:
    """Return the wait before the try that follows `tries`."""
    return timedelta(seconds=FIRST_WAIT * 5 ** (tries - 1))


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
        log.error("updates without ids passed over", count=len(answer) - len(usable))
    return usable


def _is_id(value: object) -> bool:
    # An offset beyond the range would confirm nothing; bool is an int.
    return type(value) is int and 0 <= value <= MOST_ID


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
        if not _is_id(raw.get("update_id")):
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
            self._foreign_webhooks.found(_host(info.url))
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
            log.info("webhook set", host=_host(self._url), instead_of=_host(info.url))
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


def _host(url: str) -> str | None:
    return urlsplit(url).hostname
