"""From text with entities back to HTML."""

from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.telegram.html_parser import parse_html
from bot.sandbox.telegram.text import render_html

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
