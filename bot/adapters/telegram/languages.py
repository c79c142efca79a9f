"""Texts of the bot: languages, their messages, and how they write sizes, durations and moments."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from functools import cache
from html import escape, unescape
from pathlib import Path
from typing import Final, cast

from fluent.runtime import FluentBundle
from fluent.syntax import FluentParser, ast
from telegram import Message

from bot.clock import name_of_offset
from bot.core.errors import MessageRefused
from bot.core.files import CLOUD_DOWNLOAD_LIMIT, shown_size
from bot.core.limits import BoundedMap

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


def spoiler(text: str) -> Html:
    """Hide text until it is tapped."""
    return Html(f"<tg-spoiler>{plain(text)}</tg-spoiler>")


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


_ENTRY: Final = re.compile(r"^(?=[^\s#}])", re.MULTILINE)
"""Where an entry of a locale file begins: everything else in it is indented."""
_NAME: Final = re.compile(r"([A-Za-z][\w-]*) *=")


_Piece = tuple[str, str | None]
"""Text, or the name of a variable."""


class Language:
    """One locale file. `tag` is its IETF tag, `source` its text.

    A source that `is_checked`, by a test, is parsed message by message, as they are asked for: all
    of them take a tenth of a second and 2 MiB, and a bot that starts needs twenty.

    Raises:
        ValueError: the text has a syntax error, or names a message twice.
    """

    def __init__(self, tag: str, source: str, *, is_checked: bool = False) -> None:
        self.tag = tag
        self._made: FluentBundle | None = None
        self._parsed: list[ast.Resource] = []
        self._pieces: dict[str, Sequence[_Piece]] = {}
        self._variables: dict[str, frozenset[str]] = {}
        self._sources: dict[str, str] = {}
        for entry in _ENTRY.split(source):
            name = _NAME.match(entry)
            if name is None:
                self._parse(entry)
            elif self._sources.setdefault(name[1], entry) is not entry:
                raise ValueError(f"{tag}: {name[1]} is there twice")
        if not is_checked:
            self._load_all()

    def _parse(self, source: str) -> Sequence[ast.EntryType]:
        resource = FluentParser().parse(source)
        if any(isinstance(entry, ast.Junk) for entry in resource.body):
            raise ValueError(f"{self.tag}: cannot read {source.splitlines()[:1]}")
        self._parsed.append(resource)
        return resource.body

    @property
    def _bundle(self) -> FluentBundle:
        # The library loads 5 MiB of figures about languages, which only plurals and numbers need.
        bundle = self._made or FluentBundle([self.tag], use_isolating=False)
        while self._parsed:
            bundle.add_resource(self._parsed.pop())
        self._made = bundle
        return bundle

    def _load(self, name: str) -> None:
        """Parse a message, and those that it refers to, unless that was done."""
        if name in self._variables or name not in self._sources:
            return
        entries = self._parse(self._sources[name])
        self._variables[name] = frozenset(_names(entries, ast.VariableReference))
        self._pieces[name] = _pieces(entries)
        for other in _names(entries, ast.MessageReference):
            self._load(other)

    def _load_all(self) -> None:
        for name in self._sources:
            self._load(name)

    @property
    def messages(self) -> Mapping[str, frozenset[str]]:
        """The name of every message, with its variables."""
        self._load_all()
        return self._variables

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    def variables_of(self, name: str) -> frozenset[str] | None:
        """Return the variables of a message, `None` if there is no such message."""
        self._load(name)
        return self._variables.get(name)

    def say(self, name: str, **args: str | int) -> str:
        """Return a message as plain text. An `int` selects a plural form and is grouped by
        thousands.

        Raises:
            MessageRefused: there is no such message, or one of its variables is missing.
        """
        self._load(name)
        if pieces := self._pieces.get(name):
            texts = [text if variable is None else args.get(variable) for text, variable in pieces]
            if all(isinstance(text, str) for text in texts):
                return "".join(cast("list[str]", texts))
        pattern = self._bundle.get_message(name).value if name in self._sources else None
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
        path.stem: Language(path.stem, path.read_text("utf-8"), is_checked=folder == LOCALES)
        for path in sorted(folder.glob("*.ftl"))
    }


def _escaped(value: str | int) -> str | int:
    return value if isinstance(value, int | Html) else plain(value)


def _pieces(entries: Sequence[ast.EntryType]) -> Sequence[_Piece]:
    """Return what a message is made of if it is text and variables alone; otherwise nothing."""
    pieces: list[_Piece] = []
    for entry in entries:
        pattern = entry.value if isinstance(entry, ast.Message) else None
        for element in pattern.elements if pattern is not None else ():
            if isinstance(element, ast.TextElement):
                pieces.append((element.value, None))
            elif isinstance(element.expression, ast.VariableReference):
                pieces.append(("", element.expression.id.name))
            else:
                return ()
    return pieces


def _names(
    node: object, kind: type[ast.VariableReference | ast.MessageReference]
) -> Iterator[str]:
    """Yield the names of all references of a kind."""
    if isinstance(node, kind):
        yield node.id.name
    elif isinstance(node, ast.BaseNode):
        for child in vars(node).values():
            yield from _names(child, kind)
    elif isinstance(node, list):
        for child in node:
            yield from _names(child, kind)


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


BAR_CELLS: Final = 10


def sizes(language: Language, counts: dict[str, int]) -> dict[str, str]:
    """Format several sizes of one sentence: in full if two different ones would look alike."""
    short = {name: shown_size(count) for name, count in counts.items()}
    if len(set(short.values())) == len(set(counts.values())):
        return short
    return {name: language.say("size-exact", count=count) for name, count in counts.items()}


def duration(language: Language, time: timedelta) -> str:
    """Format a time span, rounded down: hours and minutes, or minutes, or seconds."""
    seconds = max(0, int(time.total_seconds()))
    if seconds < 60:
        return language.say("duration-seconds", seconds=str(seconds))
    hours, minutes = divmod(seconds // 60, 60)
    if not hours:
        return language.say("duration-minutes", minutes=str(minutes))
    if not minutes:
        return language.say("duration-hours", hours=str(hours))
    return language.say("duration-hours-minutes", hours=str(hours), minutes=str(minutes))


def remaining(language: Language, time: timedelta) -> str:
    """Format the remaining life of a link, rounded down to the minute."""
    if time < timedelta(minutes=1):
        return language.say("duration-moment")
    return duration(language, time)


def estimate(language: Language, time: timedelta) -> str:
    """Format an estimate, rounded up: to 5 seconds below a minute, else to whole minutes."""
    seconds = max(0.0, time.total_seconds())
    step = 5 if seconds <= 55 else 60
    return duration(language, timedelta(seconds=max(step, -(-seconds // step) * step)))


def moment(at: datetime, zone: tzinfo) -> str:
    """Format a point in time with its zone: `2026-11-25 14:20 UTC`, `2026-11-25 22:20 UTC+8`.

    Rounded down to the minute. The offset is used instead of the zone's abbreviation, because
    those are ambiguous (CST is China and Chicago).
    """
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} {name_of_offset(local.utcoffset() or timedelta(0))}"


def percent(fraction: float) -> str:
    """Format a share from 0 to 1 in whole percent, rounded down: 100 only when all is done."""
    return f"{_whole(fraction, 100)}%"


def bar(fraction: float, cells: int = BAR_CELLS) -> str:
    """Draw a share from 0 to 1 with characters of equal width, rounded down."""
    full = _whole(fraction, cells)
    return "█" * full + "░" * (cells - full)


def _whole(fraction: float, of: int) -> int:
    # The tiny addend keeps 0.57 * 100 from being 56.
    return int(min(1.0, max(0.0, fraction)) * of + 1e-9)


SIZES: Final = frozenset({"size", "limit", "used", "announced", "received"})
"""Variables that are bytes, in any message."""

TIMES: Final = frozenset({"wait"})
"""Variables that are seconds, shown rounded up."""

NAMES: Final = frozenset({"file"})
"""Variables that are names of files."""

PLURALS: Final = frozenset({"count", "links"})
"""Variables that stay numbers, because they select a plural form."""


def notice(language: Language, name: str, args: Mapping[str, str | int]) -> str:
    """Compose a notice as plain text, for the answer to a press."""
    return language.say(_best(language, name, args), **_worded(language, args))


def notice_html(language: Language, name: str, args: Mapping[str, str | int]) -> Html:
    """Compose a notice as HTML; an id can be copied with one tap."""
    worded: dict[str, str | int] = dict(_worded(language, args))
    if "id" in worded:
        worded["id"] = code(str(worded["id"]))
    return language.html(_best(language, name, args), **worded)


def error(language: Language, error_code: str | None, args: Mapping[str, int]) -> Html:
    """Compose what happened and what to do. An unknown code is shown as an unexpected error."""
    name = f"error-{(error_code or '').replace('_', '-')}"
    return notice_html(language, name if name in language else "error-unexpected", args)


def reason(language: Language, error_code: str | None) -> str:
    """Compose in a few words why a job waits for its next attempt."""
    name = f"reason-{(error_code or '').replace('_', '-')}"
    return language.say(name if name in language else "reason-other")


def _best(language: Language, name: str, args: Mapping[str, str | int]) -> str:
    """Return the most detailed variant of a message for which all variables are known."""
    for twin in (name, f"{name}-partly", f"{name}-bare"):
        needed = language.variables_of(twin)
        if needed is not None and needed <= {*args, "where"}:
            return twin
    return name


def _worded(language: Language, args: Mapping[str, str | int]) -> dict[str, str | int]:
    counts = {key: value for key, value in args.items() if key in SIZES and isinstance(value, int)}
    worded: dict[str, str | int] = {
        key: value if key in PLURALS else str(value) for key, value in args.items()
    }
    # A limit above that of the cloud Bot API was set by the operator.
    limit = counts.get("limit", 0)
    where = "cloud" if limit == CLOUD_DOWNLOAD_LIMIT else "local"
    times = {
        key: estimate(language, timedelta(seconds=value))
        for key, value in args.items()
        if key in TIMES and isinstance(value, int)
    }
    names = {key: shown_name(str(args[key])) for key in NAMES & args.keys()}
    return {**worded, **sizes(language, counts), **times, **names, "where": where}


LONGEST_SHOWN_NAME: Final = 120
"""Characters of a name in a message; two of them fit in a line of a phone."""


def shorten(name: str, limit: int = LONGEST_SHOWN_NAME) -> str:
    """Shorten a name for a message: at most `limit` characters, its end kept because the extension
    is there.
    """
    if len(name) <= limit:
        return name
    tail = limit // 3
    return f"{name[: limit - tail - 1]}…{name[len(name) - tail :]}"
