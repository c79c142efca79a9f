"""What a person sees of a chat, and everything that happened in it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from bot.sandbox.telegram.messages import Message
from bot.sandbox.telegram.render import render_html
from bot.sandbox.telegram.text import Entity, Formatted
from bot.sandbox.telegram.users import User


@dataclass(frozen=True, slots=True)
class Button:
    """A button: what it says, and the one thing that it does."""

    text: str
    data: str | None = None
    url: str | None = None
    copy_text: str | None = None


@dataclass(frozen=True, slots=True)
class ShownFile:
    """The file of a message. `size` is what the message tells (bytes), `path` where
    the bytes lie.
    """

    kind: str
    name: str | None
    mime: str | None
    size: int | None
    path: Path


@dataclass(frozen=True, slots=True)
class Shown:
    """A message at one moment. `text` is the caption where there is a file; `edited` counts edits.

    `preview_off` says that the message forbids a preview of its links. `html` is drawn anew from
    text and entities, escaped. `reply_to` is a message id.
    """

    id: int
    sender: User | None
    from_bot: bool
    text: str
    entities: tuple[Entity, ...]
    html: str
    reply_to: int | None
    thread_id: int | None
    buttons: tuple[tuple[Button, ...], ...]
    edited: int
    silent: bool
    preview_off: bool
    reactions: tuple[str, ...]
    file: ShownFile | None
    at: datetime

    def button(self, wanted: str) -> Button | None:
        """Return the button with this text or these callback data."""
        for button in (button for row in self.buttons for button in row):
            if wanted in {button.text, button.data}:
                return button
        return None


class Happening(StrEnum):
    """What can happen to a message."""

    SENT = "sent"
    EDITED = "edited"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a chat, at `at` by the clock; `message` is as it was after it.

    `by_bot` says whether the bot did it (otherwise a person did).
    """

    at: datetime
    what: Happening
    by_bot: bool
    message: Shown


def show(message: Message, bot_id: int) -> Shown:
    """Return what a person sees of a message now."""
    body = message.body or Formatted("")
    return Shown(
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
    )


def _reply_to(message: Message) -> int | None:
    # The server makes everything in a topic a reply to its first message; apps do not show that.
    if message.reply_to is None or (message.is_topic and message.reply_to.id == message.thread_id):
        return None
    return message.reply_to.id


def _file(message: Message) -> ShownFile | None:
    if message.attachment is None:
        return None
    file = message.attachment.file
    return ShownFile(message.attachment.kind, file.name, file.mime, file.announced, file.source)


def _buttons(markup: dict[str, Any] | None) -> tuple[tuple[Button, ...], ...]:
    rows = (markup or {}).get("inline_keyboard", [])
    return tuple(tuple(_button(button) for button in row) for row in rows)


def _button(raw: dict[str, Any]) -> Button:
    copied = raw.get("copy_text", {}).get("text")
    return Button(raw["text"], raw.get("callback_data"), raw.get("url"), copied)
