"""Entities that the server finds by itself: commands, mentions, hashtags, addresses."""

import re
from typing import Final

from bot.sandbox.telegram.text import Entity, Formatted, order, utf16_length

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
"""In order of precedence; the rules of td's `find_entities`, without the rarest of them."""


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
