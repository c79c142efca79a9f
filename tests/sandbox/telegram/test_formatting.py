"""Texts and entities of requests: limits, explicit entities, what the server finds itself."""

from typing import Any

import pytest

from bot.sandbox.telegram import PrivateChat
from tests.sandbox.telegram.conftest import Call


async def test_longest_text_counts_after_entities(call: Call, chat: PrivateChat) -> None:
    """4,096 UTF-16 units are allowed, without counting the HTML around them."""
    text = "<b>" + "&lt;" * 4096 + "</b>"
    answer = await call("sendMessage", chat_id=chat.id, text=text, parse_mode="HTML")

    assert answer["result"]["text"] == "<" * 4096
    assert answer["result"]["entities"] == [{"type": "bold", "offset": 0, "length": 4096}]


async def test_space_at_the_ends_goes(call: Call, chat: PrivateChat) -> None:
    """Texts are trimmed, and entities with them."""
    text = "  <b> x\t</b>\n"
    answer = await call("sendMessage", chat_id=chat.id, text=text, parse_mode="HTML")
    entities = [{"type": "bold", "offset": 0, "length": 1}]

    assert ("x", entities) == (answer["result"]["text"], answer["result"]["entities"])


@pytest.mark.parametrize(
    ("entity", "error"),
    [
        ({"type": "bold", "offset": 100, "length": 1},
         "entity begins after the end of the text at UTF-16 offset 100"),
        ({"type": "bold", "offset": 0, "length": 100},
         "entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset"
         " 100"),
        ({"type": "huge", "offset": 0, "length": 1},
         "can't parse MessageEntity: Unsupported type specified"),
        ({"type": "bold", "offset": 0},
         'can\'t parse MessageEntity: Can\'t find field "length"'),
        ({"type": "text_link", "offset": 0, "length": 5, "url": "not-a-url"},
         "entity URL 'not-a-url' is invalid: Wrong HTTP URL"),
        (5, "can't parse MessageEntity: expected an Object"),
        ({"type": "bold", "offset": "x", "length": 1},
         'can\'t parse MessageEntity: Field "offset" must be a valid Number'),
    ],
)  # fmt: skip
async def test_bad_entities(call: Call, chat: PrivateChat, entity: Any, error: str) -> None:
    """Explicit entities must lie inside the text and be of a known kind."""
    answer = await call("sendMessage", chat_id=chat.id, text="hello", entities=[entity])

    assert f"Bad Request: {error}" == answer["description"]


async def test_explicit_entities(call: Call, chat: PrivateChat) -> None:
    """Given entities stay; those that the server finds itself are looked for again."""
    given = [
        {"type": "bold", "offset": 3, "length": 2},
        {"type": "hashtag", "offset": 0, "length": 2},
    ]
    answer = await call("sendMessage", chat_id=chat.id, text="😀 hi", entities=given)

    assert [given[0]] == answer["result"]["entities"]
    assert chat.messages[-1].html == "😀 <b>hi</b>"
