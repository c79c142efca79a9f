"""Receiving updates at least once, by long polling or from the webhook in `application`."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from telegram import Update
from telegram.error import (
    Conflict,
    InvalidToken,
    TelegramError,
)

from bot.adapters.telegram.handlers import App, ProcessedUpdates
from bot.adapters.telegram.messenger import says
from bot.adapters.telegram.raw_updates import (
    RawPress,
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
from bot.clock import is_asked_to_end, wait_for_event
from bot.core.jobs import Origin
from bot.core.ports import Clock
from bot.core.ports.ledger import DeadUpdates, FailingUpdate
from bot.core.ports.metrics import Metrics
from bot.inbound.access import Replies
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
COUNTED_FOR: Final = 60.0
"""Seconds (real) from the first update of a process for which a try is stored before it is made:
an update in which the last process died is delivered again at once. Polls bring it first.
"""
LEFT_AFTER: Final = timedelta(seconds=5)
"""After this time a try that was begun and has no outcome is taken up by the next process."""
KEPT_FOR: Final = timedelta(days=7)
"""How long an update that was set aside is kept."""
PRUNE_EVERY: Final = timedelta(hours=1)

# In lower case, as `errors.says` compares (source: tdlib/telegram-bot-api `Client.cpp`).
WEBHOOK_ACTIVE: Final = ("while webhook is active", "terminated by setwebhook request")
MOST_QUIET: Final = 3
"""So many changes in `REMEMBERED` are more than a leftover of another program: it runs."""
REMEMBERED: Final = timedelta(minutes=15)


class ForeignWebhooks:
    """Remembers when another program changed the webhook. One that does so again and again takes
    updates away from the bot, so that the bot is not ready until it has stopped for a while.
    """

    def __init__(self, health_state: HealthState, clock: Clock) -> None:
        self._health_state = health_state
        self._clock = clock
        self.seen: deque[datetime] = deque(maxlen=MOST_QUIET)
        """When the latest changes were found; they are forgotten after a while without trouble."""

    def found(self, host: str | None) -> None:
        """Note a webhook that is not the bot's; `host` is that of its address, `None` where the
        bot's own was removed.
        """
        log.error("another program changed the webhook of this token; undoing it", host=host)
        self.seen.append(self._clock.now())
        self._tell()
        if self._health_state.webhook_conflict:
            log.error(
                "another program takes updates away again and again; stop it, or revoke the token"
                " at @BotFather",
                host=host,
            )

    def well(self) -> None:
        """Note that all is as the bot wants it."""
        while self.seen and self._clock.now() - self.seen[0] > REMEMBERED:
            self.seen.popleft()
        self._tell()

    def _tell(self) -> None:
        is_conflict = len(self.seen) >= MOST_QUIET and (self.seen[-1] - self.seen[0] <= REMEMBERED)
        self._health_state.webhook_conflict = (
            "another program with the same token changes the webhook again and again"
            if is_conflict
            else ""
        )


class Intake:
    """The poll loop. A defect in a handler affects one update, which is stored in the ledger, and
    no others. `hold` is entered while several updates are handled.
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
        tell: Replies | None = None,
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
        self._counts_until: float | None = None

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
            return host_of((await self._application.bot.get_webhook_info()).url)
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
            self._counts_until = 0.0

    async def take(self, raw: dict[str, Any]) -> None:
        """Handle one update. Store it as failing if that fails, for `retry`, or as dead if it
        cannot be read even without its optional parts. An error that is handled here delays no
        other update. One in which the previous process died is left to `retry`, which counts its
        tries.

        Raises what the ledger raises when even that cannot be stored.
        """
        update_id = int(raw["update_id"])
        try:
            update = self._read_or_reduce(raw)
        except UNREADABLE as error:
            # Only the kind: the text of the error may quote the message.
            self._edge.unreadable(update_id, error)
            await self._bury(update_id, raw, type(error).__name__, is_last=False)
            return
        # In ASCII, because SQLite does not take half a surrogate pair.
        body, is_counted, now = json.dumps(raw), self._is_counted(), self._clock.now()
        if is_counted and not await self._dead_updates.begin(
            update_id, body, now, now + LEFT_AFTER
        ):
            self._failed.set()
            return
        failure = await self._handle(update)
        if failure is not None:
            await self._store_failure(update_id, body, failure)
        elif is_counted:
            await self._dead_updates.handled(update_id)

    def _is_counted(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._counts_until is None:
            self._counts_until = now + COUNTED_FOR
        return now < self._counts_until

    async def _handle(self, update: Update) -> Exception | None:
        """Let the application handle an update; return why it is not done with, or `None`. The
        error has been logged and counted.
        """
        cause: BaseException | None = None
        try:
            await self._application.process_update(update)
        except Exception as error:  # noqa: BLE001 -- the edge of an update.
            cause = error
        except asyncio.CancelledError as error:
            if is_asked_to_end():
                raise
            cause = RuntimeError(f"cancelled by a library: {error!r}")
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
        is_last = failing.attempts + 1 >= MOST_TRIES
        try:
            update = self._reduce_or_read(raw)
        except UNREADABLE as unreadable:
            await self._bury(update_id, raw, type(unreadable).__name__, is_last=is_last)
            return
        error = await self._handle(update)
        if error is None:
            await self._dead_updates.handled(update_id)
        elif is_last:
            log.error("update set aside", update=update_id, why=type(error).__name__)
            await self._bury(update_id, raw, type(error).__name__)

    async def _bury(
        self, update_id: int, raw: dict[str, Any], why: str, *, is_last: bool = True
    ) -> None:
        """Set an update aside, and tell its sender if that can be read. Where that fails, it is
        tried again, unless this is the last try.
        """
        origin, press = origin_of(raw, self._application.bot.id), press_of(raw)
        # First, because a message that is told twice is sent once.
        try:
            await self._tell_sender(raw, origin, press)
        except Exception as error:  # noqa: BLE001 -- the edge of an update.
            self._edge.failed(Unit.UPDATE, update_id, error)
            if not is_last:
                await self._store_failure(update_id, json.dumps(raw), error)
                return
        chat_id = origin.chat_id if origin else press.chat_id if press else None
        now = self._clock.now()
        await self._dead_updates.add(update_id, summary(raw), why, now, chat_id or None)

    async def _tell_sender(
        self, raw: dict[str, Any], origin: Origin | None, press: RawPress | None
    ) -> None:
        if self._tell is not None and origin is not None:
            await self._tell.not_handled(origin, is_command=is_command(raw))
        elif self._tell is not None and press is not None:
            await self._tell.press_not_handled(
                press.query_id, press.user_id, press.chat_id, press.language
            )

    async def _store_failure(self, update_id: int, body: str, error: Exception) -> None:
        now, why = self._clock.now(), type(error).__name__
        await self._dead_updates.failing(update_id, body, why, now, now + _wait_before(1))
        self._failed.set()

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

    def _reduce_or_read(self, raw: dict[str, Any]) -> Update:
        """Read an update that has failed, without its optional parts if that is possible: one of
        them may be why.
        """
        try:
            return self._reduce(raw)
        except UNREADABLE:
            return self._read(raw)

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
    usable = [
        raw for raw in answer if isinstance(raw, dict) and is_update_id(raw.get("update_id"))
    ]
    if answer and not usable:
        raise UnreadableAnswer("getUpdates: updates without ids")
    if len(usable) < len(answer):
        log.error("updates without ids passed over", count=len(answer) - len(usable))
    return usable


def is_update_id(value: object) -> bool:
    """Return whether an update with this id can be stored and confirmed."""
    # An offset beyond the range would confirm nothing; bool is an int.
    return type(value) is int and 0 <= value <= MOST_ID


def host_of(url: str) -> str | None:
    """Return the host of a webhook's address: its path often contains the token."""
    return urlsplit(url).hostname
