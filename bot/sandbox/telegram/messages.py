"""Put messages into chats, change and delete them, and make the updates about it."""

from datetime import datetime
from typing import Any

from bot.sandbox.telegram.model import ChatState, Message
from bot.sandbox.telegram.text import Formatted, render_html
from bot.sandbox.telegram.views import Button, ChatEvent, EventKind, VisibleFile, VisibleMessage
from bot.sandbox.telegram.world import World


def take_message_id(world: World, chat: ChatState) -> int:
    """Return the next message id. Private chats and basic groups share one sequence; supergroups
    and channels have their own.
    """
    if chat.info.type in {"private", "group"}:
        return world.take_message_id()
    chat.last_message_id += 1
    return chat.last_message_id


def place_message(world: World, chat: ChatState, message: Message, *, by_bot: bool) -> None:
    """Put a new message into a chat; the bot gets an update unless it wrote the message."""
    _set_thread(chat, message)
    chat.messages[message.id] = message
    _record(world, chat, EventKind.SENT, message, by_bot=by_bot)
    if not by_bot and _reaches_bot(world, chat, message):
        _announce(world, chat, message)
    if _is_from_bot(message):
        chat.last_bot = message.sender.id if message.sender else None


def mark_edited(world: World, chat: ChatState, message: Message, *, by_bot: bool) -> None:
    """Note that a message has changed; the bot gets an update unless it made the change."""
    message.edits += 1
    message.edit_date = world.clock.now()
    _record(world, chat, EventKind.EDITED, message, by_bot=by_bot)
    if not by_bot and _reaches_bot(world, chat, message):
        _announce(world, chat, message, edited=True)


def delete_message(world: World, chat: ChatState, message: Message, *, by_bot: bool) -> None:
    """Delete a message. There is no update for it."""
    message.deleted = True
    _record(world, chat, EventKind.DELETED, message, by_bot=by_bot)


def redraw(world: World, chat: ChatState, message: Message) -> VisibleMessage:
    """Return a message as a person sees it now. Done once per change, not once per look."""
    shown = chat.shown[message.id] = show(message, world.bot.id)
    return shown


def _record(
    world: World, chat: ChatState, what: EventKind, message: Message, *, by_bot: bool
) -> None:
    shown = redraw(world, chat, message)
    if message.deleted:
        del chat.shown[message.id]
    chat.events.append(ChatEvent(world.clock.now(), what, by_bot, shown))


def _set_thread(chat: ChatState, message: Message) -> None:
    """Set the thread of a message: its topic, or in supergroups that of its chain of replies."""
    reply = message.reply_to
    has_topics = chat.info.is_forum or chat.info.is_private
    if has_topics and message.thread_id in chat.topics:
        message.is_topic = True
        message.reply_to = reply or chat.topics[message.thread_id]
    elif has_topics and reply is not None and reply.is_topic:
        message.thread_id, message.is_topic = reply.thread_id, True
    elif chat.info.type == "supergroup" and not chat.info.is_forum and reply is not None:
        message.thread_id = reply.thread_id or reply.id


def _is_from_bot(message: Message) -> bool:
    return message.sender is not None and message.sender.is_bot and message.sender_chat is None


def _reaches_bot(world: World, chat: ChatState, message: Message) -> bool:
    """Return whether the bot gets an update for this message.

    In groups, privacy mode decides, and messages of bots never arrive except service messages.
    """
    if chat.info.is_private:
        return message.sender is None or message.sender.id != world.bot.id
    if chat.info.type == "channel":
        return chat.roster.is_present(world.bot)
    return chat.roster.is_present(world.bot) and _is_visible_in_group(world, chat, message)


def _is_visible_in_group(world: World, chat: ChatState, message: Message) -> bool:
    if message.service:
        return True
    if _is_from_bot(message):
        return False
    if chat.reads_all or chat.roster.status(world.bot) == "administrator":
        return True
    return world.privacy.shows(message, world.bot, chat.last_bot)


def _announce(world: World, chat: ChatState, message: Message, *, edited: bool = False) -> None:
    """Make the update for a message."""
    kind = "channel_post" if chat.info.type == "channel" else "message"
    kind = f"edited_{kind}" if edited else kind
    date: datetime = message.edit_date or message.date
    world.emit(kind, message.json(), chat_id=chat.info.id, date=date)


def show(message: Message, bot_id: int) -> VisibleMessage:
    """Return what a person sees of a message now."""
    body = message.body or Formatted("")
    return VisibleMessage(
        id=message.id,
        sender=message.sender,
        from_bot=message.sender is not None and message.sender.id == bot_id,
        text=body.text,
        entities=body.entities,
        html=render_html(body),
        reply_to=_reply_to(message),
        thread_id=message.thread_id,
        buttons=_buttons(message.markup),
        edited=message.edits,
        silent=message.silent,
        preview_off=bool((message.link_preview or {}).get("is_disabled")),
        reactions=tuple(item.get("emoji", "") for item in message.reactions),
        file=_file(message),
        at=message.date,
        service=message.service,
    )


def _reply_to(message: Message) -> int | None:
    # The server makes everything in a topic a reply to its first message; apps do not show that.
    if message.reply_to is None or (message.is_topic and message.reply_to.id == message.thread_id):
        return None
    return message.reply_to.id


def _file(message: Message) -> VisibleFile | None:
    if message.attachment is None:
        return None
    file = message.attachment.file
    return VisibleFile(message.attachment.kind, file.name, file.mime, file.announced, file.source)


def _buttons(markup: dict[str, Any] | None) -> tuple[tuple[Button, ...], ...]:
    rows = (markup or {}).get("inline_keyboard", [])
    return tuple(tuple(_button(button) for button in row) for row in rows)


def _button(raw: dict[str, Any]) -> Button:
    copied = raw.get("copy_text", {}).get("text")
    return Button(raw["text"], raw.get("callback_data"), raw.get("url"), copied)
