"""What a chat holds: its messages, its story, and whether the bot may write there."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from bot.sandbox.telegram.errors import ApiError, bad_request
from bot.sandbox.telegram.messages import Message
from bot.sandbox.telegram.shown import Event, Happening, Shown, show
from bot.sandbox.telegram.users import User

if TYPE_CHECKING:
    from bot.sandbox.telegram.world import World

GIFTS: Final = (
    "unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription",
    "gifts_from_channels",
)  # fmt: skip


class ChatState(ABC):
    """Messages and events of one chat, whatever its type."""

    type = "private"

    def __init__(self, world: "World", chat_id: int) -> None:
        self.world = world
        self.id = chat_id
        self.username: str | None = None
        self.refusal: ApiError | None = None
        """What the bot gets when it writes here; `None` lets it write."""
        self.pinned: list[int] = []
        self.actions: list[str] = []
        """Every `sendChatAction`, oldest first."""
        self._messages: dict[int, Message] = {}
        self._shown: dict[int, Shown] = {}
        self._events: list[Event] = []

    @property
    def messages(self) -> list[Shown]:
        """Return what a person sees now, oldest first."""
        return list(self._shown.values())

    @property
    def bot_messages(self) -> list[Shown]:
        """Return what a person sees of the bot now, oldest first."""
        return [message for message in self.messages if message.from_bot]

    @property
    def history(self) -> list[Event]:
        """Return everything that happened here, in order, by the bot and by people."""
        return list(self._events)

    @property
    def is_private(self) -> bool:
        """Return whether this is a chat with one person."""
        return self.type == "private"

    @abstractmethod
    def header(self) -> dict[str, Any]:
        """Return the `Chat` object that messages carry."""

    def take_message_id(self) -> int:
        """Return the next message id; private chats and basic groups share one row of them."""
        return self.world.take_message_id()

    def find(self, message_id: int) -> Message | None:
        """Return a message that has not been deleted."""
        message = self._messages.get(message_id)
        return None if message is None or message.deleted else message

    def require_writable(self) -> None:
        """Raise what a bot gets that may not write here."""
        if self.refusal is not None:
            raise self.refusal

    def place(self, message: Message, *, by_bot: bool) -> None:
        """Put a new message into the chat; the bot is told only of those of people."""
        self._messages[message.id] = message
        self._note(Happening.SENT, message, by_bot=by_bot)
        if not by_bot and self.reaches_bot(message):
            self.tell(message)

    def edited(self, message: Message, *, by_bot: bool) -> None:
        """Note that a message has changed."""
        message.edits += 1
        message.edit_date = self.world.clock.now()
        self._note(Happening.EDITED, message, by_bot=by_bot)
        if not by_bot and self.reaches_bot(message):
            self.tell(message, edited=True)

    def remove(self, message: Message, *, by_bot: bool) -> None:
        """Delete a message; the Bot API tells nobody about it."""
        message.deleted = True
        self._note(Happening.DELETED, message, by_bot=by_bot)

    def reaches_bot(self, message: Message) -> bool:
        """Return whether the bot gets an update for this message."""
        return message.sender is None or message.sender.id != self.world.bot.id

    def tell(self, message: Message, *, edited: bool = False) -> None:
        """Make the update for a message."""
        kind = "edited_message" if edited else "message"
        self.world.emit(kind, message.json(), chat_id=self.id, date=self.told_at(message))

    def tell_membership(
        self, by: User, old: dict[str, Any], new: dict[str, Any], kind: str = "my_chat_member"
    ) -> None:
        """Make the update for a change of what the bot (or somebody else) is here."""
        now = self.world.clock.now()
        change = {
            "chat": self.header(),
            "from": by.json(),
            "date": int(now.timestamp()),
            "old_chat_member": old,
            "new_chat_member": new,
        }
        self.world.emit(kind, change, chat_id=self.id, date=now)

    def details(self) -> dict[str, Any]:
        """Return what `getChat` tells beyond the header."""
        reactions = {"max_reaction_count": 11, "accent_color_id": self.id % 7}
        gifts: dict[str, bool] = dict.fromkeys(GIFTS, False)
        return {**reactions, "accepted_gift_types": gifts}

    def has_topic(self, thread_id: int) -> bool:  # noqa: ARG002 (forums have topics.)
        """Return whether a message can be sent into this topic."""
        return False

    def member_json(self, user: User) -> dict[str, Any]:
        """Return a `ChatMember`."""
        status = "member" if user.id in {self.id, self.world.bot.id} else "left"
        return {"user": user.json(), "status": status}

    def member_count(self) -> int:
        """Return how many take part, the bot included."""
        return 2

    def administrators(self) -> list[dict[str, Any]]:
        """Return the `ChatMember` of every administrator that is no other bot."""
        return []

    def bot_may(self, right: str) -> bool:  # noqa: ARG002 (groups know rights.)
        """Return whether the bot is an administrator with this right."""
        return False

    def bot_leaves(self) -> None:
        """Let the bot go.

        Raises:
            ApiError: this is no group and no channel.
        """
        raise bad_request("chat member status can't be changed in private chats")

    def told_at(self, message: Message) -> datetime:
        """Return the moment from which the update of a message ages."""
        return message.edit_date or message.date

    def _note(self, what: Happening, message: Message, *, by_bot: bool) -> None:
        shown = self.redraw(message)
        if message.deleted:
            del self._shown[message.id]
        self._events.append(Event(self.world.clock.now(), what, by_bot, shown))

    def redraw(self, message: Message) -> Shown:
        """Show a message as it is now; drawing is done once per change, not once per look."""
        self._shown[message.id] = show(message, self.world.bot.id)
        return self._shown[message.id]
