"""From text with entities back to HTML, as a person's app would draw it."""

from html import escape
from typing import Final

from bot.sandbox.telegram.text import Entity, Formatted, order, utf16_length

TAGS: Final = {
    "bold": "b",
    "italic": "i",
    "underline": "u",
    "strikethrough": "s",
    "spoiler": "tg-spoiler",
    "code": "code",
    "blockquote": "blockquote",
}


def render_html(formatted: Formatted) -> str:
    """Return escaped HTML in which every entity that changes the look is a tag.

    Links found by the server itself (`url`, `mention`, `bot_command` …) stay plain text.
    """
    opening: dict[int, str] = {}
    closing: dict[int, str] = {}
    for entity in order(list(formatted.entities)):
        tags = _tags(entity)
        if tags is None:
            continue
        start, end = entity["offset"], entity["offset"] + entity["length"]
        opening[start] = opening.get(start, "") + tags[0]
        # Later entities lie inside earlier ones, so they close first.
        closing[end] = tags[1] + closing.get(end, "")
    out, at = [], 0
    for char in formatted.text:
        out.append(closing.get(at, "") + opening.get(at, "") + escape(char, quote=False))
        at += utf16_length(char)
    return "".join(out) + closing.get(at, "")


def _tags(entity: Entity) -> tuple[str, str] | None:
    kind = entity["type"]
    if kind == "text_link":
        return f'<a href="{escape(entity["url"])}">', "</a>"
    if kind == "pre" and entity.get("language"):
        return f'<pre><code class="language-{escape(entity["language"])}">', "</code></pre>"
    if kind == "pre":
        return "<pre>", "</pre>"
    if kind == "expandable_blockquote":
        return "<blockquote expandable>", "</blockquote>"
    tag = TAGS.get(kind)
    return (f"<{tag}>", f"</{tag}>") if tag else None
