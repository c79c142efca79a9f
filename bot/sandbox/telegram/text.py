"""Text with entities; offsets and lengths count UTF-16 code units, as everywhere in Telegram."""

from dataclasses import dataclass
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
    """Remove white space at both ends, and cut or drop the entities that reached into it."""
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
