"""Commands as people write them."""

from datetime import UTC, datetime

import pytest
from telegram import Chat, Message, MessageEntity

from bot.adapters.telegram.contents import CommandLine, read_command
from bot.sandbox.telegram.text import Formatted, detect

BOT = "Relay_Bot"


def message(text: str, *, is_caption: bool = False) -> Message:
    """Return a message as the server tells it, commands marked."""
    entities = [MessageEntity(**entity) for entity in detect(Formatted(text)).entities]
    now, chat = datetime.now(UTC), Chat(1, "private")
    if is_caption:
        return Message(1, now, chat, caption=text, caption_entities=entities)
    return Message(1, now, chat, text=text, entities=entities)


@pytest.mark.parametrize("is_caption", [False, True])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/share", CommandLine("share")),
        ("/SHARE", CommandLine("share")),
        ("/share@relay_bot", CommandLine("share", is_addressed=True)),
        ("/share@RELAY_BOT now", CommandLine("share", ("now",), is_addressed=True, rest="now")),
        ("/auto  ON \n please", CommandLine("auto", ("on", "please"), rest="ON please")),
        ("/share 😀", CommandLine("share", ("😀",), rest="😀")),
        ("/share@other_bot", None),
        ("look: /share", None),
        ("share", None),
        ("😀 /share", None),
        ("", None),
    ],
)
def test_table(text: str, expected: CommandLine | None, *, is_caption: bool) -> None:
    """A command begins the message, and names this bot or none."""
    assert expected == read_command(message(text, is_caption=is_caption), BOT)


def test_first_word() -> None:
    """A command alone has an empty first word."""
    assert [CommandLine("auto").word, CommandLine("auto", ("on", "off")).word] == ["", "on"]
