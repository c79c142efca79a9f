"""The languages of the bot: one locale file each, the choice between them, and the HTML of their
messages.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape, unescape
from pathlib import Path
from typing import Final

from fluent.runtime import FluentBundle
from fluent.syntax import FluentParser, ast
from telegram import Message

from bot.core.bounded import BoundedMap
from bot.core.errors import MessageRefused
from bot.core.files import shorten

LONGEST_TEXT: Final = 4096
"""UTF-16 units of a message after its entities are parsed (source: Bot API, "sendMessage")."""

LONGEST_RAW: Final = 32768
"""Bytes of a message before parsing (source: tdlib/telegram-bot-api `Client.cpp`, "text is too
long").
"""

_TAG: Final = re.compile(r"<[^>]*>")
_LINK: Final = re.compile(r'<a href="([^"]*)">[^<]*</a>')
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
    """Shorten a file name, and isolate a right-to-left name from the figures next to it.

    The name is still plain text. U+2068 and U+2069 are the only bidi controls in a message, and
    are added here: `clean_name` has removed those of the sender.
    """
    short = shorten(name)
    if any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in short):
        return f"\u2068{short}\u2069"
    return short


def visible_length(html: str) -> int:
    """Count the UTF-16 units that Telegram counts: the text without tags."""
    return len(unescape(_TAG.sub("", html)).encode("utf-16-le", "surrogatepass")) // 2


def without_markup(html: str) -> str:
    """Return the text of a message without its formatting: each link is followed by its address,
    which is not shown a second time.
    """
    for address in _LINK.findall(html):
        html = html.replace(f"<code>{address}</code>\n", "")
    return unescape(_TAG.sub("", _LINK.sub(r"\g<0>: \1", html)))


def fits(html: str) -> bool:
    """Return whether the text fits into one message."""
    return visible_length(html) <= LONGEST_TEXT and len(html.encode()) <= LONGEST_RAW


LOCALES: Final = Path(__file__).parent / "locales"
"""The folder of the locale files that come with the bot."""

ENGLISH: Final = "en"
CHINESE: Final = "zh-Hans"

CHOICES: Final = ("", ENGLISH, CHINESE)
"""The languages that a person can choose; "" is the language that Telegram reports. The indices
are part of the data of sent buttons: only append.
"""


def pick_language(tag: str) -> str:
    """Return the tag of the best locale file for a user: `en` or `zh-Hans`.

    `tag` is the IETF tag that Telegram reports, or "". Traditional Chinese maps to Simplified
    Chinese, the nearest one available; all other languages map to English.
    """
    primary = tag.replace("_", "-").partition("-")[0].lower()
    return CHINESE if primary == "zh" else ENGLISH


class Language:
    """One locale file, parsed. `tag` is its IETF tag, `source` its text.

    Raises:
        ValueError: the text has a syntax error, or names a message twice.
    """

    def __init__(self, tag: str, source: str) -> None:
        self.tag = tag
        self._bundle = FluentBundle([tag], use_isolating=False)
        self._variables: dict[str, frozenset[str]] = {}
        resource = FluentParser().parse(source)
        junk = [entry.content or "" for entry in resource.body if isinstance(entry, ast.Junk)]
        if junk:
            raise ValueError(f"{tag}: cannot read {junk[0].splitlines()[:1]}")
        for message in resource.body:
            if isinstance(message, ast.Message):
                if message.id.name in self._variables:
                    raise ValueError(f"{tag}: {message.id.name} is there twice")
                self._variables[message.id.name] = frozenset(_variables(message))
        self._bundle.add_resource(resource)

    @property
    def messages(self) -> Mapping[str, frozenset[str]]:
        """The name of every message, with its variables."""
        return self._variables

    def say(self, name: str, **args: str | int) -> str:
        """Return a message as plain text. An `int` selects a plural form and is grouped by
        thousands.

        Raises:
            MessageRefused: there is no such message, or one of its variables is missing.
        """
        pattern = self._bundle.get_message(name).value if name in self._variables else None
        if pattern is None:
            raise MessageRefused(f"no message {name} in {self.tag}")
        text, errors = self._bundle.format_pattern(pattern, args)
        if errors:
            raise MessageRefused(f"message {name} in {self.tag}: {errors[0]}")
        return str(text)

    def html(self, name: str, **args: str | int) -> Html:
        """Return a message as HTML: arguments are escaped, unless they are HTML already.

        The message itself needs no escaping; a test checks that.
        """
        safe = {key: _escaped(value) for key, value in args.items()}
        return Html(self.say(name, **safe))


@cache
def load_languages(folder: Path = LOCALES) -> Mapping[str, Language]:
    """Read every locale file of a folder, once per process; the file's name is the language's tag.
    Blocks.

    Raises:
        ValueError: a file cannot be read as Fluent.
        OSError: a file cannot be read at all.
    """
    return {
        path.stem: Language(path.stem, path.read_text("utf-8"))
        for path in sorted(folder.glob("*.ftl"))
    }


def _escaped(value: str | int) -> str | int:
    return value if isinstance(value, int | Html) else plain(value)


def _variables(node: object) -> Iterator[str]:
    if isinstance(node, ast.VariableReference):
        yield node.id.name
    elif isinstance(node, ast.BaseNode):
        for child in vars(node).values():
            yield from _variables(child)
    elif isinstance(node, list):
        for child in node:
            yield from _variables(child)


class ChatLanguages:
    """The language of the last person in a chat with a client that reported one.

    A user who writes as a chat has none (source: Bot API, "User": `language_code` is that of the
    stand-in); the language of the others there fits best. Kept in memory only.
    """

    def __init__(self) -> None:
        self._last: BoundedMap[int, str] = BoundedMap()

    def of(self, message: Message) -> str:
        """Return the IETF tag for the reply to a message, "" if none is known."""
        user, chat_id = message.from_user, message.chat.id
        if message.sender_chat is not None or user is None or not user.language_code:
            return self._last.get(chat_id) or ""
        self._last.set(chat_id, user.language_code)
        return user.language_code
