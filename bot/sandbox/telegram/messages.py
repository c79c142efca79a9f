"""Messages as the server keeps them and tells them to the bot."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.sandbox.telegram.attachments import Attachment
from bot.sandbox.telegram.text import Formatted
from bot.sandbox.telegram.users import User

if TYPE_CHECKING:
    from bot.sandbox.telegram.chats import Chat


@dataclass(eq=False)
class Message:
    """One message of one chat. `body` is the text, or the caption where there is an attachment.

    `service` holds the fields of a service message (`new_chat_members` …) and of odd kinds that
    nothing else here describes; `origin` is the `forward_origin` of a forwarded one.
    """

    chat: "Chat"
    id: int
    date: datetime
    sender: User | None = None
    sender_chat: "Chat | None" = None
    author_signature: str | None = None
    body: Formatted | None = None
    attachment: Attachment | None = None
    reply_to: "Message | None" = None
    thread_id: int | None = None
    is_topic: bool = False
    media_group_id: str | None = None
    markup: dict[str, Any] | None = None
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

        `nested` leaves out `reply_to_message`: the server tells one level only.
        """
        fields: dict[str, Any] = {
            "message_id": self.id,
            "from": self.sender.json() if self.sender else None,
            "author_signature": self.author_signature,
            "sender_chat": self.sender_chat.header() if self.sender_chat else None,
            "chat": self.chat.header(),
            "date": _seconds(self.date),
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
