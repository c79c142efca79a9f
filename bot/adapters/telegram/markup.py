"""Pieces of Telegram's HTML: what is written by people is escaped here, and nowhere else."""

import re
import unicodedata
from html import escape, unescape
from typing import Final

from bot.core.files import shorten

LONGEST_TEXT: Final = 4096
"""UTF-16 units of a message after its entities are parsed (source: Bot API, "sendMessage")."""

LONGEST_RAW: Final = 32768
"""Bytes of a message before parsing (source: tdlib/telegram-bot-api `Client.cpp`, "text is too
long").
"""

_TAG: Final = re.compile(r"<[^>]*>")
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})


class Html(str):
    """Text that is HTML already and must not be escaped again."""

    __slots__ = ()


def plain(text: str) -> Html:
    """Escape text, for a message as well as for the value of an attribute."""
    return Html(escape(text, quote=True))


def bold(text: str) -> Html:
    """Show text in bold."""
    return Html(f"<b>{plain(text)}</b>")


def code(text: str) -> Html:
    """Show text in fixed width; one tap copies it."""
    return Html(f"<code>{plain(text)}</code>")


def link(text: str, url: str) -> Html:
    """Show text that opens `url`."""
    return Html(f'<a href="{plain(url)}">{plain(text)}</a>')


def shown_name(name: str) -> str:
    """Shorten a file name, and isolate one that runs from right to left from the figures beside
    it.

    The name is still plain text. U+2068 and U+2069 are the only bidi controls in a message, and
    come from here: `clean_name` has removed those of the sender.
    """
    short = shorten(name)
    if any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in short):
        return f"\u2068{short}\u2069"
    return short


def visible_length(html: str) -> int:
    """Count the UTF-16 units that Telegram counts: what is left when the tags are gone."""
    return len(unescape(_TAG.sub("", html)).encode("utf-16-le", "surrogatepass")) // 2


def fits(html: str) -> bool:
    """Say whether Telegram takes this text as one message."""
    return visible_length(html) <= LONGEST_TEXT and len(html.encode()) <= LONGEST_RAW
