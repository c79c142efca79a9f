"""What the server finds in a text by itself."""

import pytest

from bot.sandbox.telegram.text import Formatted, detect, utf16_slice


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/start", [("bot_command", "/start")]),
        ("/save@some_bot now", [("bot_command", "/save@some_bot")]),
        ("a/b and x/start", []),
        ("😀 /help", [("bot_command", "/help")]),
        ("see https://a.example/x?y=1.", [("url", "https://a.example/x?y=1")]),
        ("mail me@a.example", [("email", "me@a.example")]),
        ("hi @alice_example!", [("mention", "@alice_example")]),
        ("#tag #1", [("hashtag", "#tag")]),
    ],
)
def test_detect(text: str, found: list[tuple[str, str]]) -> None:
    """Commands, mentions, hashtags and addresses are found where apps find them."""
    formatted = detect(Formatted(text))
    parts = [
        (item["type"], utf16_slice(text, item["offset"], item["length"]))
        for item in formatted.entities
    ]

    assert found == parts


def test_nothing_is_detected_in_code() -> None:
    """Code and links keep their text as it is."""
    code = {"type": "code", "offset": 0, "length": 6}

    assert (code,) == detect(Formatted("/start", (code,))).entities
