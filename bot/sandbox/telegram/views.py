"""Messages and events as a person sees them, and their JSON for other processes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from bot.sandbox.telegram.text import Entity
from bot.sandbox.telegram.users import User


@dataclass(frozen=True, slots=True)
class Button:
    """A button: its text and its one action."""

    text: str
    data: str | None = None
    url: str | None = None
    copy_text: str | None = None


@dataclass(frozen=True, slots=True)
class VisibleFile:
    """The file of a message. `size` is the announced size (bytes), `path` where
    the bytes lie.
    """

    kind: str
    name: str | None
    mime: str | None
    size: int | None
    path: Path


@dataclass(frozen=True, slots=True)
class VisibleMessage:
    """A message at one moment. `text` is the caption where there is a file; `edited` counts edits.

    `preview_off`: the message forbids a preview of its links. `html` is rendered from text and
    entities, escaped. `reply_to` is a message id. `service` holds the fields of a service message
    as the Bot API names them (`new_chat_members` …), and those of kinds without fields here.
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
    file: VisibleFile | None
    at: datetime
    service: dict[str, Any]

    def button(self, wanted: str) -> Button | None:
        """Return the button with this text or these callback data."""
        for button in (button for row in self.buttons for button in row):
            if wanted in {button.text, button.data}:
                return button
        return None


class EventKind(StrEnum):
    """Kinds of events."""

    SENT = "sent"
    EDITED = "edited"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class ChatEvent:
    """An event in a chat, at `at` by the clock; `message` is its state afterwards.

    `by_bot` says whether the bot did it (otherwise a person did).
    """

    at: datetime
    what: EventKind
    by_bot: bool
    message: VisibleMessage


def visible_to_json(shown: VisibleMessage) -> dict[str, Any]:
    """Return a message as JSON can carry it; instants are ISO 8601."""
    fields = asdict(shown)
    fields["at"] = shown.at.isoformat()
    if shown.file is not None:
        fields["file"]["path"] = str(shown.file.path)
    return fields


def visible_from_json(fields: Mapping[str, Any]) -> VisibleMessage:
    """Return the message that `visible_to_json` wrote."""
    sender, file = fields["sender"], fields["file"]
    return VisibleMessage(
        **{
            **fields,
            "sender": User(**sender) if sender else None,
            "entities": tuple(fields["entities"]),
            "buttons": tuple(tuple(Button(**b) for b in row) for row in fields["buttons"]),
            "reactions": tuple(fields["reactions"]),
            "file": VisibleFile(**{**file, "path": Path(file["path"])}) if file else None,
            "at": datetime.fromisoformat(fields["at"]),
        }
    )


def event_to_json(event: ChatEvent) -> dict[str, Any]:
    """Return an event as JSON can carry it."""
    message = visible_to_json(event.message)
    return {
        "at": event.at.isoformat(),
        "what": event.what.value,
        "by_bot": event.by_bot,
        "message": message,
    }


def event_from_json(fields: Mapping[str, Any]) -> ChatEvent:
    """Return the event that `event_to_json` wrote."""
    at, what = datetime.fromisoformat(fields["at"]), EventKind(fields["what"])
    return ChatEvent(at, what, fields["by_bot"], visible_from_json(fields["message"]))
