"""The HTML parser against the rules and texts of the real one."""

from typing import Any

import pytest

from bot.sandbox.telegram.errors import ApiError
from bot.sandbox.telegram.html_parser import parse_html


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("plain & simple", "plain & simple", []),
        ("&lt;&gt;&amp;&quot;&#65;&#x42;&nbsp;", '<>&"AB&nbsp;', []),
        ("<b>a</b><strong>b</strong>", "ab", [("bold", 0, 1), ("bold", 1, 1)]),
        ("😀<i>é</i>", "😀é", [("italic", 2, 1)]),
        ("<u>a<ins>b</ins></u>", "ab", [("underline", 0, 2), ("underline", 1, 1)]),
        ("<s>a</s><strike>b</strike><del>c</del>", "abc",
         [("strikethrough", 0, 1), ("strikethrough", 1, 1), ("strikethrough", 2, 1)]),
        ("<code>a&lt;b</code>", "a<b", [("code", 0, 3)]),
        ("<pre>x</pre>", "x", [("pre", 0, 1)]),
        ("<tg-spoiler>x</tg-spoiler>", "x", [("spoiler", 0, 1)]),
        ('<span class="tg-spoiler">x</span>', "x", [("spoiler", 0, 1)]),
        ("<blockquote>q</blockquote>", "q", [("blockquote", 0, 1)]),
        ("<blockquote expandable>q</blockquote>", "q", [("expandable_blockquote", 0, 1)]),
        ("<b></b>x", "x", []),
        ("<B >x</b >", "x", [("bold", 0, 1)]),
        ("<b>x</>", "x", [("bold", 0, 1)]),
        ("<a href='nonsense'>x</a>", "x", []),
        ("<a>https://example.com/x</a>", "https://example.com/x", [("text_link", 0, 21)]),
    ],
)  # fmt: skip
def test_parse(source: str, text: str, entities: list[tuple[str, int, int]]) -> None:
    """Tags become entities that count UTF-16 units; known references become characters."""
    formatted = parse_html(source)
    found = [(item["type"], item["offset"], item["length"]) for item in formatted.entities]

    assert (text, entities) == (formatted.text, found)


@pytest.mark.parametrize(
    "source",
    [
        '<pre><code class="language-python">x</code></pre>',
        '<code class="language-python"><pre>x</pre></code>',
    ],
)
def test_code_with_language(source: str) -> None:
    """A block of code with a language is one entity."""
    expected: list[dict[str, Any]] = [
        {"type": "pre", "offset": 0, "length": 1, "language": "python"}
    ]

    assert expected == list(parse_html(source).entities)


def test_link_with_query() -> None:
    """References in an attribute are decoded, and a bare host gets its slash."""
    formatted = parse_html('<a href="https://a.example?x=1&amp;y=&quot;">l</a>')

    assert formatted.entities[0]["url"] == 'https://a.example?x=1&y="'


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("é<br>", 'Unsupported start tag "br" at byte offset 2'),
        ("a < b", 'Unsupported start tag "" at byte offset 2'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("<b><i>x</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<a href>x</a>",
         'Expected equal sign in declaration of an attribute of the tag "a" at byte offset 0'),
        ("<a =x>y</a>", 'Empty attribute name in the tag "a" at byte offset 0'),
        ("<a href=", 'Unclosed start tag "a" at byte offset 0'),
        ("<a href='x", "Unclosed start tag at byte offset 0"),
        ("<a href=x/y>z</a>", "Unexpected end of name token at byte offset 8"),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("&#xD83D;", "Text contains invalid Unicode characters after decoding HTML entities,"
         " check for unmatched surrogate code units"),
    ],
)  # fmt: skip
def test_refusals(source: str, error: str) -> None:
    """Bad HTML is refused in the words of the real parser; places count bytes of UTF-8."""
    with pytest.raises(ApiError) as caught:
        parse_html(source)

    assert f"Bad Request: can't parse entities: {error}" == caught.value.description
