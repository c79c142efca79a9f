"""Escaping, and counting as Telegram counts."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.telegram.languages import (
    LONGEST_RAW,
    LONGEST_TEXT,
    Html,
    bold,
    code,
    fits,
    link,
    plain,
    shown_name,
    visible_length,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))


class Reader(HTMLParser):
    """A parser that is not ours: collects the visible text and the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember a tag with its attributes."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Collect visible text."""
        self.text += data


def read(html: str) -> Reader:
    """Parse HTML to its end."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


@given(TEXT, TEXT)
def test_nothing_that_people_write_is_markup(name: str, url: str) -> None:
    """Text and addresses come out as they went in, between exactly our own tags."""
    seen = read(bold(name) + code(name) + link(name, url))

    assert [("b", {}), ("code", {}), ("a", {"href": url})] == seen.tags
    assert name * 3 == seen.text


def test_pieces_are_marked_as_html() -> None:
    """Text that is HTML already is marked as such, so it is not escaped twice."""
    pieces = [plain("<"), bold("<"), code("<"), link("<", "<")]

    assert all(isinstance(piece, Html) for piece in pieces)


@given(TEXT)
def test_visible_length_is_that_of_the_parsed_text(text: str) -> None:
    """Tags and entities do not count; characters beyond the basic plane count twice."""
    html = f"{bold(text)}\n{link(text, 'https://example.org/?a=1&b=2')}"

    assert len(read(html).text.encode("utf-16-le")) // 2 == visible_length(html)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("a" * LONGEST_TEXT, True),
        ("a" * (LONGEST_TEXT + 1), False),
        ("👍" * (LONGEST_TEXT // 2), True),
        ("👍" * (LONGEST_TEXT // 2) + "a", False),
        ("&amp;" * LONGEST_TEXT, True),
        (link("a", "u" * (LONGEST_RAW - 16)), True),
        (link("a", "u" * (LONGEST_RAW - 15)), False),
    ],
)
def test_fits_knows_both_limits(html: str, expected: bool) -> None:  # noqa: FBT001  # a table.
    """4,096 UTF-16 units are visible at most, and 32,768 bytes are sent at most."""
    assert expected is fits(html)


def test_right_to_left_names_do_not_move_the_figures() -> None:
    """A Hebrew or Arabic name is isolated; any other is left alone."""
    assert shown_name("דוח.pdf") == "\u2068דוח.pdf\u2069"
    assert shown_name("تقرير.pdf") == "\u2068تقرير.pdf\u2069"

    assert shown_name("报告.pdf") == "报告.pdf"


def test_long_names_are_shortened() -> None:
    """At most 120 characters are shown, with the extension."""
    shown = shown_name("a" * 190 + ".pdf")

    assert len(shown) == 120
    assert shown.endswith("a.pdf")
