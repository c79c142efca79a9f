"""Text with entities: UTF-16 offsets, entities found by the server, and HTML.

Offsets and lengths count UTF-16 code units, as everywhere in Telegram.
"""

import re
from dataclasses import dataclass
from html import escape
from typing import Any, Final

Entity = dict[str, Any]
"""One entity as the Bot API spells it: `type`, `offset`, `length`, and `url` or `language`."""

PRIORITY: Final = {
    "blockquote": 0,
    "expandable_blockquote": 0,
    "pre": 10,
    "code": 20,
    "text_link": 49,
    "bold": 90,
    "italic": 91,
    "underline": 92,
    "strikethrough": 93,
    "spoiler": 94,
    "custom_emoji": 99,
}
"""Which of two entities of the same place is the outer one (source: td `MessageEntity.cpp`,
`get_type_priority`); 50 for all others.
"""

SPACE: Final = " \t\n\r\v\f\0"

_PATTERNS: Final = (
    ("url", re.compile(r"(?:https?://|(?<![\w@./])www\.)[^\s<>\"]+[^\s<>\".,;:!?)\]']")),
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    (
        "bot_command",
        re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])"),
    ),
    ("mention", re.compile(r"(?<![\w@/])@[A-Za-z][A-Za-z0-9_]{3,31}(?!\w)")),
    ("hashtag", re.compile(r"(?<![\w#&/])#(?=\w*[^\W\d])\w{1,256}(?!\w)")),
)
"""In order of precedence; the rules of td's `find_entities` without rare ones."""

TAGS: Final = {
    "bold": "b",
    "italic": "i",
    "underline": "u",
    "strikethrough": "s",
    "spoiler": "tg-spoiler",
    "code": "code",
    "blockquote": "blockquote",
}


@dataclass(frozen=True, slots=True)
class Formatted:
    """A text and its entities, ordered by offset, the longer first."""

    text: str
    entities: tuple[Entity, ...] = ()


def utf16_length(text: str) -> int:
    """Return the length of `text` in UTF-16 code units."""
    return len(text) + sum(char > "\uffff" for char in text)


def utf16_slice(text: str, offset: int, length: int) -> str:
    """Return a part of `text` that is given in UTF-16 code units."""
    raw = text.encode("utf-16-le", "surrogatepass")
    return raw[2 * offset : 2 * (offset + length)].decode("utf-16-le", "replace")


def order(entities: list[Entity]) -> tuple[Entity, ...]:
    """Sort entities as the server sends them; those of the same place keep the outer one first."""
    return tuple(sorted(entities, key=_rank))


def _rank(entity: Entity) -> tuple[int, int, int]:
    return entity["offset"], -entity["length"], PRIORITY.get(entity["type"], 50)


def trimmed(formatted: Formatted) -> Formatted:
    """Remove white space at both ends, and cut or drop entities there."""
    text = formatted.text.rstrip(SPACE)
    lead = len(text) - len(text.lstrip(SPACE))
    shift, end = utf16_length(text[:lead]), utf16_length(text)
    kept: list[Entity] = []
    for entity in formatted.entities:
        start = max(entity["offset"], shift)
        stop = min(entity["offset"] + entity["length"], end)
        if stop > start:
            kept.append({**entity, "offset": start - shift, "length": stop - start})
    return Formatted(text[lead:], order(kept))


def detect(formatted: Formatted) -> Formatted:
    """Add the entities that are found in the text, except inside code and links and in
    each other.
    """
    taken = [
        (entity["offset"], entity["offset"] + entity["length"])
        for entity in formatted.entities
        if entity["type"] in {"code", "pre", "text_link", "text_mention"}
    ]
    found: list[Entity] = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(formatted.text):
            start = utf16_length(formatted.text[: match.start()])
            end = start + utf16_length(match.group())
            if all(end <= other[0] or start >= other[1] for other in taken):
                taken.append((start, end))
                found.append({"offset": start, "length": end - start, "type": kind})
    return Formatted(formatted.text, order([*formatted.entities, *found]))


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
