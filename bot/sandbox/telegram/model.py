"""Chats, messages and callback queries as plain data.

No object here refers to its owner or to the world: a chat holds messages, and a message names its
chat by a `ChatInfo`.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.telegram.errors import ApiError
from bot.sandbox.telegram.files import Attachment
from bot.sandbox.telegram.text import Formatted
from bot.sandbox.telegram.users import Roster, User
from bot.sandbox.telegram.views import ChatEvent, VisibleMessage

CALLBACK_LIFETIME: Final = timedelta(seconds=15)
"""How long an answer is accepted; the real limit is not documented, 15 s are often reported."""

GENERAL: Final = 1
"""The topic that every forum has; messages in it carry no thread id."""

REPLIED: Final = ("paid_media", "story", "contact", "dice", "location", "poll")
"""Fields of a message without a file that an `ExternalReplyInfo` has too."""


@dataclass(eq=False)
class ChatInfo:
    """A chat as messages name it: the Bot API's `Chat`. `type` is `private`, `group`, `supergroup`
    or `channel`.
    """

    id: int
    type: str
    title: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    username: str | None = None
    is_forum: bool = False

    @property
    def is_private(self) -> bool:
        """Return whether this is a chat with one person."""
        return self.type == "private"

    @property
    def label(self) -> str:
        """Return the name that error texts use, for groups and channels."""
        return f"{self.type} chat"

    def json(self) -> dict[str, Any]:
        """Return a `Chat`."""
        fields = {
            "id": self.id,
            "title": self.title,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "username": self.username,
            "type": self.type,
            "is_forum": self.is_forum or None,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(eq=False)
class Message:
    """One message of one chat. `body` is the text, or the caption where there is an attachment.

    `service` holds the fields of a service message (`new_chat_members` …) and of kinds
    without fields here; `origin` is the `forward_origin` of a forwarded one.
    """

    chat: ChatInfo
    id: int
    date: datetime
    sender: User | None = None
    sender_chat: ChatInfo | None = None
    author_signature: str | None = None
    body: Formatted | None = None
    attachment: Attachment | None = None
    reply_to: "Message | None" = None
    thread_id: int | None = None
    is_topic: bool = False
    media_group_id: str | None = None
    markup: dict[str, Any] | None = None
    via_bot: User | None = None
    edit_date: datetime | None = None
    edits: int = 0
    deleted: bool = False
    silent: bool = False
    automatic_forward: bool = False
    protected: bool = False
    origin: dict[str, Any] | None = None
    external_reply: dict[str, Any] | None = None
    link_preview: dict[str, Any] | None = None
    reactions: list[dict[str, Any]] = field(default_factory=list)
    service: dict[str, Any] = field(default_factory=dict)

    def json(self, *, nested: bool = False) -> dict[str, Any]:
        """Return a `Message`; field order as in `Client.cpp`, `JsonMessage`.

        `nested` leaves out `reply_to_message`: the server sends one level only.
        """
        fields: dict[str, Any] = {
            "message_id": self.id,
            "from": self.sender.json() if self.sender else None,
            "author_signature": self.author_signature,
            "sender_chat": self.sender_chat.json() if self.sender_chat else None,
            "chat": self.chat.json(),
            "date": _seconds(self.date),
            "via_bot": self.via_bot.json() if self.via_bot else None,
            "edit_date": _seconds(self.edit_date) if self.edit_date else None,
            "message_thread_id": self.thread_id,
            **self._forward(),
            "reply_to_message": self._reply() if self.reply_to and not nested else None,
            "external_reply": self.external_reply,
            "media_group_id": self.media_group_id,
            **self._content(),
            **self.service,
            "reply_markup": self.markup,
            "has_protected_content": self.protected or None,
            "is_topic_message": self.is_topic or None,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _reply(self) -> dict[str, Any] | None:
        if self.reply_to is None or self.reply_to.deleted:
            return None
        return self.reply_to.json(nested=True)

    def _content(self) -> dict[str, Any]:
        entities = list(self.body.entities) if self.body else []
        text = self.body.text if self.body else None
        if self.attachment is None:
            return {
                "text": text,
                "entities": entities or None,
                "link_preview_options": self.link_preview,
            }
        return {
            **self.attachment.json(),
            "caption": text,
            "caption_entities": entities or None,
        }

    def _forward(self) -> dict[str, Any]:
        if self.origin is None:
            return {}
        # The new field and the old ones, as the server sends both.
        legacy = {
            "forward_from": self.origin.get("sender_user"),
            "forward_from_chat": self.origin.get("chat"),
            "forward_from_message_id": self.origin.get("message_id"),
            "forward_date": self.origin["date"],
        }
        automatic = {"is_automatic_forward": True} if self.automatic_forward else {}
        return {"forward_origin": self.origin, **legacy, **automatic}


def _seconds(when: datetime) -> int:
    return int(when.timestamp())


def origin_of(source: Message) -> dict[str, Any]:
    """Return the `forward_origin` that a forward of `source` shows."""
    if source.origin is not None:
        return source.origin
    date = int(source.date.timestamp())
    if source.sender_chat is not None and source.sender_chat.type == "channel":
        chat = source.sender_chat.json()
        return {"type": "channel", "chat": chat, "message_id": source.id, "date": date}
    if source.sender_chat is not None:
        return {"type": "chat", "sender_chat": source.sender_chat.json(), "date": date}
    if source.sender is None:
        return {"type": "hidden_user", "sender_user_name": "Somebody", "date": date}
    return {"type": "user", "sender_user": source.sender.json(), "date": date}


def hidden_origin(date: datetime, name: str | None = None) -> dict[str, Any]:
    """Return the `forward_origin` of a person who hides behind a name.

    Without a name, as the server sends it for some deleted accounts (aiogram issue 1840).
    """
    origin: dict[str, Any] = {"type": "hidden_user", "date": _seconds(date)}
    return origin if name is None else {**origin, "sender_user_name": name}


def external_reply(source: Message) -> dict[str, Any]:
    """Return the `external_reply` that a reply to a message of another chat carries.

    Chat and id are included for supergroups and channels only.
    """
    fields: dict[str, Any] = {"origin": origin_of(source)}
    if source.chat.type in {"supergroup", "channel"}:
        fields |= {"chat": source.chat.json(), "message_id": source.id}
    if source.attachment is not None:
        fields |= source.attachment.json()
    return fields | {name: source.service[name] for name in REPLIED if name in source.service}


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """The bot's answer to a button press: a notification, or with `show_alert` an alert."""

    text: str = ""
    show_alert: bool = False
    url: str | None = None


@dataclass(eq=False)
class CallbackQuery:
    """A button press. `answer` is `None` until the bot answers."""

    message: Message
    sender: User
    data: str
    at: datetime
    id: str = field(default_factory=lambda: str(secrets.randbelow(9 * 10**17) + 10**17))
    answer: CallbackAnswer | None = None

    def json(self) -> dict[str, Any]:
        """Return a `CallbackQuery`."""
        return {
            "id": self.id,
            "from": self.sender.json(),
            "message": self.message.json(),
            "chat_instance": str(abs(hash(self.message.chat.id)) * 7919 + 4_000_000_000_000_000),
            "data": self.data,
        }


@dataclass(eq=False)
class ChatState:
    """A chat with everything in it.

    `refusal` is the error that the bot gets when it writes; `None` lets it write. `shown` holds
    what a person sees now, `events` everything that happened, `actions` every `sendChatAction`,
    all oldest first. `roster` holds the members of a group or channel; `is_muted` stops plain
    members from writing. `reads_all` is the privacy setting that held when the bot came in,
    `last_bot` the id of the bot that wrote last. Posts of a channel are forwarded to the group
    `discussion_id`.
    """

    info: ChatInfo
    roster: Roster
    refusal: ApiError | None = None
    messages: dict[int, Message] = field(default_factory=dict)
    shown: dict[int, VisibleMessage] = field(default_factory=dict)
    events: list[ChatEvent] = field(default_factory=list)
    pinned: list[int] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    last_message_id: int = 0
    reads_all: bool = False
    is_muted: bool = False
    topics: dict[int, Message] = field(default_factory=dict)
    closed_topics: set[int] = field(default_factory=set)
    last_bot: int | None = None
    discussion_id: int | None = None

    def find(self, message_id: int) -> Message | None:
        """Return a message that has not been deleted."""
        message = self.messages.get(message_id)
        return None if message is None or message.deleted else message
