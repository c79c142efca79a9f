"""Where a message came from: `forward_origin`, and replies into other chats."""

from typing import Any

from bot.sandbox.telegram.messages import Message


def origin_of(source: Message) -> dict[str, Any]:
    """Return the `forward_origin` that a forward of `source` shows."""
    if source.origin is not None:
        return source.origin
    date = int(source.date.timestamp())
    if source.sender_chat is not None and source.sender_chat.type == "channel":
        chat = source.sender_chat.header()
        return {"type": "channel", "chat": chat, "message_id": source.id, "date": date}
    if source.sender_chat is not None:
        return {"type": "chat", "sender_chat": source.sender_chat.header(), "date": date}
    if source.sender is None:
        return {"type": "hidden_user", "sender_user_name": "Somebody", "date": date}
    return {"type": "user", "sender_user": source.sender.json(), "date": date}


def external_reply(source: Message) -> dict[str, Any]:
    """Return the `external_reply` that a reply to a message of another chat carries.

    The chat and the id are told of supergroups and channels only.
    """
    fields: dict[str, Any] = {"origin": origin_of(source)}
    if source.chat.type in {"supergroup", "channel"}:
        fields |= {"chat": source.chat.header(), "message_id": source.id}
    if source.attachment is not None:
        fields |= source.attachment.json()
    return fields
