"""Texts of `init`, `setup` and `doctor` in the language of the person at the terminal: that of
`--lang`, or else that of the first variable which is set of `LC_ALL`, `LC_MESSAGES` and `LANG`
(source: POSIX, "Environment Variables").
"""

import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Annotated, Final

import typer

from bot.adapters.telegram.languages import CHINESE, ENGLISH, Language, pick_language

LOCALES: Final = Path(__file__).parent / "locales"

Lang = Annotated[
    str | None,
    typer.Option("--lang", help="en or zh (default: by LC_ALL, LC_MESSAGES or LANG)."),
]

_tag: ContextVar[str] = ContextVar("language of the terminal", default=ENGLISH)


@cache
def language(tag: str) -> Language:
    """Return the texts of a language. A message is parsed when it is first used."""
    return Language(tag, (LOCALES / f"{tag}.ftl").read_text("utf-8"), is_checked=True)


def say(name: str, **args: object) -> str:
    """Return a message in the language that was chosen. `count` selects a plural form.

    Raises:
        MessageRefused: there is no such message, or one of its variables is missing.
    """
    texts: dict[str, str | int] = {
        key: value if key == "count" and isinstance(value, int) else str(value)
        for key, value in args.items()
    }
    return language(_tag.get()).say(name, **texts)


def named(kind: str, name: str) -> str:
    """Return how a stable name is shown, such as that of a row; itself if it has no message."""
    message = f"{kind}-{name.lower().replace(' ', '-')}"
    return say(message) if message in language(_tag.get()) else name


def speak(lang: str | None, environ: Mapping[str, str] | None = None) -> None:
    """Choose the language of all texts of this command: one that the terminal can show.

    Raises:
        BadParameter: `lang` names no language that there is.
    """
    if lang is not None and pick_language(lang) == ENGLISH and lang.lower()[:2] != ENGLISH:
        raise typer.BadParameter("--lang is en or zh")
    tag = pick_language(lang or _locale(os.environ if environ is None else environ))
    if tag == CHINESE and not _can_show("中文"):
        if lang is not None:
            typer.echo(
                f"this terminal's encoding, {sys.stdout.encoding}, has no Chinese characters;"
                " LC_ALL=C.UTF-8 changes it",
                err=True,
            )
        tag = ENGLISH
    _tag.set(tag)


def _locale(environ: Mapping[str, str]) -> str:
    """Return the locale for messages without its encoding: `zh_CN` of `zh_CN.UTF-8`."""
    names = (environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next((name for name in names if name), "").partition(".")[0].partition("@")[0]


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
