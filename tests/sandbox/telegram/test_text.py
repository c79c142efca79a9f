"""Places in a text, counted as Telegram counts them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.telegram.text import Formatted, order, trimmed, utf16_length, utf16_slice


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
