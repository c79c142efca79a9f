"""The languages of groups."""

from datetime import UTC, datetime

from telegram import Chat, Message, User

from bot.adapters.telegram.languages import ChatLanguages
from bot.core.limits import CAPACITY


def said(chat_id: int, language: str | None, *, hidden: bool = False) -> Message:
    """Return a message of a user with this language."""
    return Message(
        1,
        datetime.now(UTC),
        Chat(chat_id, "supergroup"),
        from_user=User(5, "Somebody", is_bot=hidden, language_code=language),
        sender_chat=Chat(chat_id, "supergroup") if hidden else None,
    )


def test_everybody_is_spoken_to_in_their_own() -> None:
    """The sender's own language counts; a sender without one gets the last one of the chat."""
    languages = ChatLanguages()

    assert languages.of(said(-1, "zh-hans")) == "zh-hans"
    assert languages.of(said(-1, "en")) == "en"
    assert languages.of(said(-1, None)) == "en"


def test_who_hides_hears_the_last_one() -> None:
    """A hidden sender gets the last language of that chat, none if there is none."""
    languages = ChatLanguages()
    languages.of(said(-1, "zh-hans"))

    assert languages.of(said(-1, "en", hidden=True)) == "zh-hans"
    assert languages.of(said(-2, None, hidden=True)) == ""


def test_memory_is_bounded() -> None:
    """The chat that has been quiet longest is forgotten."""
    languages = ChatLanguages()
    for chat_id in range(CAPACITY + 1):
        languages.of(said(-1 - chat_id, "de"))

    assert languages.of(said(-1, None)) == ""
    assert languages.of(said(-2, None)) == "de"
