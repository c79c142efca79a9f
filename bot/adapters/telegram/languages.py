"""The languages that the bot speaks: one locale file each, and the choice between them.

Sentences live in `locales/*.ftl` (Project Fluent). They are plain text; markup comes from the
arguments and from the code around them.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from fluent.runtime import FluentBundle
from fluent.syntax import FluentParser, ast

from bot.adapters.telegram.markup import Html, plain
from bot.core.errors import MessageRefused

LOCALES: Final = Path(__file__).parent / "locales"
"""The folder of the locale files that come with the bot."""

ENGLISH: Final = "en"
CHINESE: Final = "zh-Hans"

CHOICES: Final = ("", ENGLISH, CHINESE)
"""What a person can choose; "" is what Telegram says. The places are part of buttons that are out
there: only append.
"""


def pick_language(tag: str) -> str:
    """Return the tag of the locale file that serves a user best: `en` or `zh-Hans`.

    `tag` is the IETF tag that Telegram gives, or "". Traditional Chinese gets Simplified Chinese,
    the nearest that there is; everybody else gets English.
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
        """The name of every message, with the variables that it needs."""
        return self._variables

    def say(self, name: str, **args: str | int) -> str:
        """Return a message as plain text. An `int` decides a plural and is grouped by thousands.

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

        The message itself has nothing to escape; a test holds that.
        """
        safe = {key: _escaped(value) for key, value in args.items()}
        return Html(self.say(name, **safe))


@cache
def load_languages(folder: Path = LOCALES) -> Mapping[str, Language]:
    """Read every locale file of a folder, once in the life of a process; the file's name is the
    language's tag. Blocks.

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
