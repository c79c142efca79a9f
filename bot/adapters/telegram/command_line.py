"""Commands as people write them, in a text or below a file."""

from dataclasses import dataclass

from telegram import Message, MessageEntity


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command: `name` in lower case without the slash, and the words behind it in lower case.
    `is_addressed` says that it names this bot (`/share@relay_bot`).
    """

    name: str
    words: tuple[str, ...] = ()
    is_addressed: bool = False

    @property
    def word(self) -> str:
        """The first word behind the command, or ""."""
        return self.words[0] if self.words else ""

    @property
    def rest(self) -> str:
        """All words behind the command, with a space between them."""
        return " ".join(self.words)


def read_command(message: Message, username: str) -> CommandLine | None:
    """Return the command with which a text or a caption begins; `None` if there is none, or if it
    is for a bot that is not called `username`.

    The library's own handler looks at texts only (source: python-telegram-bot
    `ext/_handlers/commandhandler.py`), and a caption is the shortest way to share a file.
    """
    text = message.text or message.caption or ""
    entities = message.entities or message.caption_entities
    first = next((e for e in entities if e.type == MessageEntity.BOT_COMMAND), None)
    if first is None or first.offset != 0:
        return None
    # Commands are ASCII, so that UTF-16 units and characters are the same up to their end.
    name, _, addressee = text[1 : first.length].lower().partition("@")
    if addressee and addressee != username.lower():
        return None
    return CommandLine(name, tuple(text[first.length :].lower().split()), bool(addressee))
