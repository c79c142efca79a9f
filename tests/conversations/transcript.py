"""A conversation as it can be read afterwards."""

import re
from dataclasses import dataclass
from datetime import datetime

from bot.sandbox.telegram import CallbackQuery, Chat, ChatEvent, EventKind, VisibleMessage

MARGIN = " " * 10
_LONG = re.compile(r"(\S{90})\S+")
"""Only links have words of that length."""


@dataclass(frozen=True)
class _Line:
    at: datetime
    text: str


class Transcript:
    """All messages in some chats, by the clock. Of a status message only its coming and going is
    told; long links are cut.
    """

    def __init__(self) -> None:
        self._chats: dict[str, Chat] = {}
        self._notes: list[_Line] = []

    def listen(self, name: str, chat: Chat) -> None:
        """Record this chat, under this name."""
        self._chats[name] = chat

    def pressed(self, query: CallbackQuery, button: str) -> None:
        """Tell of a press and of what the person saw."""
        seen = query.answer.text if query.answer else "nothing"
        self.note(query.at, f"{query.sender.name} presses [{button}] and sees: {seen}")

    def note(self, at: datetime, text: str) -> None:
        """Record something that is no message."""
        self._notes.append(_Line(at, text))

    def text(self) -> str:
        """Return the whole conversation."""
        lines = [*self._notes, *self._told()]
        return "\n".join(
            f"{line.at:%H:%M:%S}  {line.text}" for line in sorted(lines, key=lambda line: line.at)
        )

    def _told(self) -> list[_Line]:
        lines = []
        for name, chat in self._chats.items():
            for event in chat.history:
                text = _tell(event)
                if text:
                    lines.append(_Line(event.at, f"{name} | {text}"))
        return lines


def _tell(event: ChatEvent) -> str:
    message = event.message
    if event.by_bot and event.what is EventKind.EDITED and message.silent and message.buttons:
        return ""
    what = {EventKind.SENT: "", EventKind.EDITED: "(now) ", EventKind.DELETED: "(removes) "}
    who = message.sender.name if message.sender else "?"
    where = f" in topic {message.thread_id}" if message.thread_id else ""
    reply = f" ↩ {message.reply_to}" if message.reply_to else ""
    return f"{message.id} {who}{where}{reply}: {what[event.what]}{_content(message)}"


def _content(message: VisibleMessage) -> str:
    file = f"<{message.file.name}> " if message.file else ""
    text = _LONG.sub(r"\1…", message.text)
    buttons = "".join(f" [{button.text}]" for row in message.buttons for button in row)
    indented = text.replace("\n", f"\n{MARGIN}")
    return f"{file}{indented}{buttons}" or "(service message)"
