"""Text with entities: UTF-16 offsets, entities that the server finds, HTML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.telegram.html_parser import parse_html
from bot.sandbox.telegram.text import (
    Formatted,
    detect,
    order,
    render_html,
    trimmed,
    utf16_length,
    utf16_slice,
)


@given(st.text(max_size=20), st.text(max_size=20))
def test_utf16(first: str, second: str) -> None:
    """Parts of a text are found again by their place in UTF-16 units."""
    found = utf16_slice(first + second, utf16_length(first), utf16_length(second))

    assert second.encode("utf-16-le", "replace") == found.encode("utf-16-le", "replace")


@pytest.mark.parametrize(
    ("text", "entity", "left"),
    [
        (" a ", (0, 3), ("a", [(0, 1)])),
        ("\n😀b", (1, 2), ("😀b", [(0, 2)])),
        ("  a", (0, 2), ("a", [])),
        ("a", (0, 1), ("a", [(0, 1)])),
    ],
)
def test_trimmed(
    text: str, entity: tuple[int, int], left: tuple[str, list[tuple[int, int]]]
) -> None:
    """White space at the ends goes, and entities are cut with it or dropped."""
    given_entity = {"type": "bold", "offset": entity[0], "length": entity[1]}
    found = trimmed(Formatted(text, (given_entity,)))

    assert left == (found.text, [(item["offset"], item["length"]) for item in found.entities])


def test_the_outer_one_first() -> None:
    """Of entities at one place the longer stands first, then the one that apps draw outside."""
    kinds = ["italic", "bold", "code", "blockquote"]
    same = [{"type": kind, "offset": 0, "length": 1} for kind in kinds]
    longer = {"type": "italic", "offset": 0, "length": 2}
    found = [item["type"] for item in order([*same, longer])]

    assert found == ["italic", "blockquote", "code", "bold", "italic"]


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


PIECES = st.recursive(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6).map(
        lambda text: text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    ),
    lambda inner: st.lists(inner, max_size=3).flatmap(
        lambda parts: st.sampled_from(["b", "i", "u", "s", "tg-spoiler"]).map(
            lambda tag: f"<{tag}>{''.join(parts)}</{tag}>"
        )
    ),
    max_leaves=8,
)


@given(PIECES)
def test_drawn_again(source: str) -> None:
    """What is drawn from text and entities parses to the same text and entities."""
    once = parse_html(source)
    again = parse_html(render_html(once))

    assert (once.text, list(once.entities)) == (again.text, list(again.entities))
