"""Which updates are read as they are, what is left of others, and who is told about them."""

from typing import Any

import pytest

from bot.adapters.telegram.raw_updates import (
    PartMissing,
    is_well_typed,
    origin_of,
    without_optional_parts,
)
from bot.core.jobs import Origin

USER = {"id": 7, "is_bot": False, "first_name": "Ann", "language_code": "en"}
CHAT = {"id": 7, "type": "private", "first_name": "Ann"}
VOICE = {"file_id": "B", "file_unique_id": "A", "duration": 9, "mime_type": "a/b", "file_size": 5}
MESSAGE = {"message_id": 1, "date": 5, "chat": CHAT, "from": USER, "voice": VOICE}
NOW = 1_777_900_000
LATER = 1 << 31


def update(**changes: Any) -> dict[str, Any]:
    """Return an update with a voice message, some of whose parts are changed."""
    return {"update_id": 1, "message": MESSAGE | changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"from": USER | {"language_code": [1]}},
        {"voice": VOICE | {"mime_type": 5}},
        {"voice": VOICE | {"file_size": 1.5}},
        {"voice": VOICE | {"duration": LATER}},
        {"voice": VOICE | {"duration": "9"}},
        {"caption_entities": 5},
        {"from": USER | {"first_name": None}},
        {"chat": CHAT | {"type": "x"}},
    ],
    ids=str,
)
def test_parts_of_another_type(changes: dict[str, Any]) -> None:
    """An update with such a part is not read as it is, and can be read without it."""
    raw = update(**changes)
    left = {"update_id": 1, "message": without_optional_parts(raw, NOW)["message"]}

    assert not is_well_typed(raw)
    assert is_well_typed(left)
    assert left["message"]["voice"]["file_id"] == "B"
    assert left["message"]["voice"]["duration"] in {0, 9}


@pytest.mark.parametrize(
    "changes", [{}, {"chat": CHAT | {"first_name": [1]}, "quote": 5}], ids=str
)
def test_parts_that_are_not_used(changes: dict[str, Any]) -> None:
    """The type of a part that the program does not use does not matter."""
    assert is_well_typed(update(**changes))


def test_other_sender_in_a_private_chat() -> None:
    """One of the two ids is wrong: the update is unreadable, and the user of the chat is told."""
    raw = update(**{"from": USER | {"id": 8}})

    assert not is_well_typed(raw)
    with pytest.raises(PartMissing):
        without_optional_parts(raw, NOW)
    assert origin_of(raw, 3) == Origin(
        bot_id=3, chat_id=7, message_id=1, owner_id=7, language="en"
    )


def test_press_in_a_private_chat() -> None:
    """The message with the button is from the bot, not from the user of the chat."""
    shown = MESSAGE | {"from": USER | {"id": 3, "is_bot": True}}
    press = {"id": "1", "from": USER, "message": shown, "chat_instance": "1", "data": "x"}
    left = without_optional_parts({"update_id": 1, "callback_query": press}, NOW)

    assert left["callback_query"]["message"]["from"]["id"] == 3
