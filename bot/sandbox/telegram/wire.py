"""What a person sees, as JSON and back: for processes that look at a chat from outside."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.sandbox.telegram.shown import Button, Event, Happening, Shown, ShownFile
from bot.sandbox.telegram.users import User


def shown_to_json(shown: Shown) -> dict[str, Any]:
    """Return a message as JSON can carry it; instants are ISO 8601."""
    fields = asdict(shown)
    fields["at"] = shown.at.isoformat()
    if shown.file is not None:
        fields["file"]["path"] = str(shown.file.path)
    return fields


def shown_from_json(fields: Mapping[str, Any]) -> Shown:
    """Return the message that `shown_to_json` wrote."""
    sender, file = fields["sender"], fields["file"]
    return Shown(
        **{
            **fields,
            "sender": User(**sender) if sender else None,
            "entities": tuple(fields["entities"]),
            "buttons": tuple(tuple(Button(**b) for b in row) for row in fields["buttons"]),
            "reactions": tuple(fields["reactions"]),
            "file": ShownFile(**{**file, "path": Path(file["path"])}) if file else None,
            "at": datetime.fromisoformat(fields["at"]),
        }
    )


def event_to_json(event: Event) -> dict[str, Any]:
    """Return an event as JSON can carry it."""
    message = shown_to_json(event.message)
    return {
        "at": event.at.isoformat(),
        "what": event.what.value,
        "by_bot": event.by_bot,
        "message": message,
    }


def event_from_json(fields: Mapping[str, Any]) -> Event:
    """Return the event that `event_to_json` wrote."""
    at, what = datetime.fromisoformat(fields["at"]), Happening(fields["what"])
    return Event(at, what, fields["by_bot"], shown_from_json(fields["message"]))
