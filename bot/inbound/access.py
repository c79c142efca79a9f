"""Access and replies: who may use the bot, what strangers are told, one reply per message."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Final

import structlog

from bot.core.jobs import Origin
from bot.core.limits import MINUTE, BoundedMap, Rate, TokenBucket
from bot.core.ports import Clock
from bot.core.ports.ledger import ChatLedger, Ledger, OutboxKind, OutboxMessage, Priority
from bot.core.ports.metrics import Metrics, NoMetrics
from bot.jobs.runner import Signals

log = structlog.stdlib.get_logger(__name__)

TOLD_EVERY: Final = timedelta(hours=1)


class StrangerAct(StrEnum):
    """What is counted when it is dropped. The values are stable: dashboards name them."""

    NOTICE = "notice"
    """The line that a stranger gets."""
    LEAVE = "leave"
    """To leave a group that is not allowed."""
    PRESS = "press"
    """A press of a user without rights where it was made."""


RATES: Final = {
    StrangerAct.NOTICE: Rate(count=30, period=MINUTE, burst=30),
    StrangerAct.LEAVE: Rate(count=30, period=MINUTE, burst=30),
    StrangerAct.PRESS: Rate(count=60, period=MINUTE, burst=30),
}
"""Rows of the outbox. They are said at `rate_limits.STRANGERS`, so that few wait at any time."""


class Strangers:
    """Says whether strangers get what they ask for. What is beyond the bounds is dropped without a
    row, and counted: nothing is owed to a stranger, and a crowd of them must delay no member.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._buckets = {act: TokenBucket(rate) for act, rate in RATES.items()}
        # A stranger who is forgotten is told once more.
        self._told: BoundedMap[int, datetime] = BoundedMap()

    def may(self, act: StrangerAct, now: datetime) -> bool:
        """Take one act out of the bounds, or count it as dropped."""
        if self._buckets[act].take(now):
            return True
        self._metrics.dropped(act.value)
        log.debug("dropped, too many strangers", act=act.value)
        return False

    def may_tell(self, id_: int, now: datetime) -> bool:
        """Return whether a stranger, or a group that is not allowed, was not told within the last
        hour, and note that it is told now.
        """
        if self._was_told(id_, now):
            return False
        self._told.set(id_, now)
        return True

    def may_notify(self, id_: int, now: datetime) -> bool:
        """Return whether a stranger gets the polite line now. One for whom there is no room may
        get it with the next message.
        """
        if self._was_told(id_, now) or not self.may(StrangerAct.NOTICE, now):
            return False
        self._told.set(id_, now)
        return True

    def _was_told(self, id_: int, now: datetime) -> bool:
        told = self._told.get(id_)
        return told is not None and now - told < TOLD_EVERY


class Admission(Enum):
    """The result of an access check."""

    WELCOME = "welcome"
    STRANGER = "stranger"
    """A person without access, in a private chat."""
    FOREIGN_GROUP = "foreign_group"
    """A group without access, for any requester."""
    BANNED = "banned"
    """Banned by an admin; gets no answer at all."""


class Access:
    """Rights by numeric id; names can change owners and are not used.

    A private chat is open to the users and admins of the settings and to persons that an admin
    allowed. A group is open to all its members if the settings or an admin named it, or the group
    it was before it became a supergroup. The admins of the settings cannot be banned.
    """

    def __init__(
        self,
        chats: ChatLedger,
        *,
        users: Iterable[int],
        admins: Iterable[int],
        groups: Iterable[int] = (),
        metrics: Metrics | None = None,
    ) -> None:
        self._chats = chats
        self._admins = frozenset(admins)
        self._users = frozenset(users) | self._admins
        self._groups = frozenset(groups)
        self.strangers = Strangers(metrics or NoMetrics())

    async def admit(self, origin: Origin) -> Admission:
        """Return whether the requester may use the bot in this chat."""
        # One look, because a crowd of strangers may write at once.
        owner = await self._chats.owner(origin.owner_id)
        if owner.banned and origin.owner_id not in self._admins:
            return Admission.BANNED
        if origin.is_private:
            may_use = owner.allowed or origin.owner_id in self._users
            return Admission.WELCOME if may_use else Admission.STRANGER
        may_serve = await self.may_serve(origin.chat_id)
        return Admission.WELCOME if may_serve else Admission.FOREIGN_GROUP

    async def may_use(self, user_id: int) -> bool:
        """Whether this user may send files in private; a ban is not considered."""
        return user_id in self._users or (await self._chats.owner(user_id)).allowed

    async def may_serve(self, group_id: int) -> bool:
        """Whether the bot may be in this group at all. The decision of an admin outweighs the
        settings.
        """
        said = (await self._chats.chat(group_id)).allowed
        if said is not None:
            return said
        return not self._groups.isdisjoint(await self._chats.previous_ids(group_id))

    async def is_banned(self, owner_id: int) -> bool:
        """Whether an admin has banned this owner."""
        return owner_id not in self._admins and (await self._chats.owner(owner_id)).banned

    def is_admin(self, user_id: int) -> bool:
        """Whether this user may act on jobs of other owners."""
        return user_id in self._admins


class RequestKind(StrEnum):
    """The kind of a deferred request. The values are stored in the ledger: never rename."""

    PRESS = "press"
    """A press of a button of another owner's job; `job_id`, `action`, `query_id`."""
    OPTION = "option"
    """A press of a button about a page of another owner; `option`, `job_id`, `value`, `query_id`
    and the `message` of the button.
    """
    AUTO = "auto"
    """Switch auto mode; `to` is "on" or "off"."""
    DELIVER = "deliver"
    """Choose the chat that answers go to; `to` is "here" or "private"."""
    ZONE = "zone"
    """Choose the time zone of shown times; `to` is its name (`clock.read_zone`)."""
    GREET = "greet"
    """Explain the use of the bot in this group and which messages it receives."""
    LEAVE = "leave"
    """Leave a group that is not allowed; with `tell` the reason is sent there."""
    REMOVE = "remove"
    """Remove the status message `message` if the ledger does not know it."""
    GONE = "gone"
    """The bot seems to have been removed from the group."""


class Replies:
    """Checks requesters for access, and replies to them."""

    def __init__(self, ledger: Ledger, access: Access, clock: Clock, signals: Signals) -> None:
        self._outbox = ledger.outbox
        self._chats = ledger.chats
        self._access = access
        self._clock = clock
        self._signals = signals

    async def admit(self, origin: Origin) -> bool:
        """Return whether the requester may proceed; send a notice if not and one is due.

        A group that is not allowed is left.
        """
        match await self._access.admit(origin):
            case Admission.WELCOME:
                return True
            case Admission.STRANGER:
                await self._tell_stranger(origin)
            case Admission.FOREIGN_GROUP if self.may_leave():
                tell = self.may_tell(origin.chat_id)
                payload: dict[str, str | int] = {"do": RequestKind.LEAVE.value, "tell": tell}
                await self.say(origin, OutboxKind.REQUEST, payload, priority=Priority.STRANGER)
        return False

    async def _tell_stranger(self, origin: Origin) -> None:
        if self._access.strangers.may_notify(origin.owner_id, self._clock.now()):
            payload: dict[str, str | int] = {"name": "stranger", "id": origin.owner_id}
            await self.say(origin, OutboxKind.NOTICE, payload, priority=Priority.STRANGER)

    async def language_of(self, owner_id: int, told: str) -> str:
        """Return the language for answers to an owner; `told` is that of their client."""
        return (await self._chats.owner(owner_id)).language or told

    def may_leave(self) -> bool:
        """Return whether another group that is not allowed is left now."""
        return self._access.strangers.may(StrangerAct.LEAVE, self._clock.now())

    def may_tell(self, id_: int) -> bool:
        """Return whether a group that is not allowed is told so now: at most once an hour."""
        return self._access.strangers.may_tell(id_, self._clock.now())

    async def hears(self, user_id: int, chat_id: int) -> bool:
        """Return whether a press is answered: none of who is banned, and of people without rights
        where they are only so many.
        """
        access = self._access
        if await access.is_banned(user_id):
            return False
        if await access.may_use(user_id) or (chat_id < 0 and await access.may_serve(chat_id)):
            return True
        return access.strangers.may(StrangerAct.PRESS, self._clock.now())

    async def not_handled(self, origin: Origin, *, is_command: bool) -> None:
        """Tell the sender of a message that it could not be handled: in private always, in a group
        that the bot serves if it was a command.
        """
        if not origin.is_private:
            if is_command and await self._access.admit(origin) is Admission.WELCOME:
                await self.notice(origin, "message-not-handled")
        elif await self.admit(origin):
            await self.notice(origin, "message-not-handled")

    async def press_not_handled(
        self, query_id: str, user_id: int, chat_id: int, language: str
    ) -> None:
        """Tell who pressed a button that the press could not be read."""
        if not await self.hears(user_id, chat_id):
            return
        await self.post(
            OutboxMessage(
                kind=OutboxKind.PRESS,
                priority=Priority.PRESS,
                chat_id=chat_id,
                language=await self.language_of(user_id, language),
                dedupe=f"press:{query_id}",
                owner_id=user_id,
                payload={"query_id": query_id, "name": "press-not-handled"},
            )
        )

    async def notice(
        self, origin: Origin, name: str, args: Mapping[str, str | int] | None = None
    ) -> None:
        """Reply to a message with a fixed sentence."""
        await self.say(origin, OutboxKind.NOTICE, {"name": name, **(args or {})})

    async def defer(
        self, origin: Origin, kind: RequestKind, payload: dict[str, str | int] | None = None
    ) -> None:
        """Defer the reply to a message until Telegram has been asked."""
        await self.say(origin, OutboxKind.REQUEST, {"do": kind.value, **(payload or {})})

    async def say(
        self,
        origin: Origin,
        kind: OutboxKind,
        payload: dict[str, str | int] | None = None,
        *,
        priority: Priority = Priority.REPLY,
    ) -> None:
        """Reply to a message."""
        await self.post(
            OutboxMessage(
                kind=kind,
                priority=priority,
                chat_id=origin.chat_id,
                thread_id=origin.thread_id,
                reply_to=origin.message_id,
                owner_id=origin.owner_id,
                language=origin.language,
                dedupe=f"message:{origin.chat_id}:{origin.message_id}",
                payload=payload or {},
            )
        )

    async def post(self, message: OutboxMessage) -> None:
        """Post a message to the outbox, unless it is there already."""
        if await self._outbox.post(message, self._clock.now()):
            self._signals.outbox.set()
