"""What the commands share: texts in two languages, exit codes, settings, failures, and results as
tables or JSON.

Texts are in the language of the person at the terminal: that of `--lang`, or else that of the
first variable which is set of `LC_ALL`, `LC_MESSAGES` and `LANG` (source: POSIX, "Environment
Variables"). `init`, `setup` and `doctor` have them in both languages.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache, wraps
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, ParamSpec

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.adapters.ledger.sqlite import opening
from bot.adapters.telegram.application import webhook_secret
from bot.adapters.telegram.languages import CHINESE, ENGLISH, Language, pick_language
from bot.core.errors import RelayError, leaf
from bot.core.files import shown_size
from bot.core.ports.ledger import LedgerPlace, LedgerServer
from bot.logs import Level, configure
from bot.settings import Settings, SettingsError, load

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


def spoken() -> str:
    """Return the tag of the language that was chosen."""
    return _tag.get()


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


def print_json(value: Any) -> None:
    """Print one JSON value on a line of its own; texts stay readable, times are ISO 8601."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=str))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    styles: Sequence[str] = (),
) -> None:
    """Print a table; long cells are wrapped, never cut. `styles` are those of the rows, and appear
    on a terminal only. A terminal that is too narrow for columns gets a list.
    """
    console = Console()
    if console.width < NARROWEST * len(columns):
        _print_list(console, title, columns, rows)
        return
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for number, row in enumerate(rows):
        style = styles[number] if number < len(styles) else None
        # As text objects, because square brackets of a name are no markup.
        table.add_row(*(Text(cell) for cell in row), style=style)
    console.print(table)


NARROWEST: Final = 12
"""Characters of a column; in narrower ones words are broken."""


def _print_list(
    console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    console.print(Text(title))
    for row in rows:
        console.print()
        for column, cell in zip(columns, row, strict=True):
            if cell:
                console.print(Text(f"{column}: {cell}"))


def size(count: int | None) -> str:
    """Format a number of bytes as everywhere; `None` is an unknown size."""
    return "?" if count is None else shown_size(count)


def duration(length: timedelta) -> str:
    """Format a duration to the minute, below a minute to the second."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


class Verdict(StrEnum):
    """Result of a check, from good to bad. The values are stable: scripts read them."""

    OK = "ok"
    WARNING = "warning"
    """It works, but needs attention."""
    BROKEN = "broken"
    """The bot cannot work, or cannot delete links on time."""


@dataclass(frozen=True, slots=True)
class Row:
    """One check: its stable name, the result and its meaning, and the remedy (empty if it is in
    order).
    """

    name: str
    verdict: Verdict
    meaning: str
    remedy: str = ""


def ok(name: str, meaning: str) -> Row:
    """Return a row about a check that passed."""
    return Row(name, Verdict.OK, meaning)


def warning(name: str, meaning: str, remedy: str) -> Row:
    """Return a row about a check with a warning."""
    return Row(name, Verdict.WARNING, meaning, remedy)


def broken(name: str, meaning: str, remedy: str) -> Row:
    """Return a row about a check that failed."""
    return Row(name, Verdict.BROKEN, meaning, remedy)


def worst(rows: Sequence[Row]) -> Verdict:
    """Return the worst verdict of all rows; `OK` without any."""
    order = list(Verdict)
    return max((row.verdict for row in rows), key=order.index, default=Verdict.OK)


P = ParamSpec("P")

OK: Final = 0
FAILED: Final = 1
BAD_SETTINGS: Final = 2
"""Also typer's exit code for a wrong command line."""
WARNED: Final = 3
"""`doctor` only: nothing is broken, but there are warnings."""

SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        "-s",
        help="The settings file (default: settings.toml, if it is here); RELAY_… variables count.",
    ),
]
DEFAULT_FILE: Final = Path("settings.toml")


def settings_file(path: Path | None) -> Path | None:
    """Return the settings file to use, `None` if there is none and variables must suffice."""
    return path or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)


def load_settings(path: Path | None) -> Settings:
    """Load the settings, or exit with one line for each mistake."""
    try:
        return load(settings_file(path), os.environ)
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(f"settings: {problem}", err=True)
        looked_for = path or DEFAULT_FILE
        is_wanted = path is not None or any(": is missing" in line for line in error.problems)
        if is_wanted and not looked_for.exists():
            typer.echo(
                f"settings: there is no file {looked_for.absolute()}; relay-bot init makes one,"
                " and --settings names another one",
                err=True,
            )
        raise typer.Exit(BAD_SETTINGS) from error


def secrets_of(settings: Settings) -> list[str]:
    """Return the values that must not appear in a log."""
    given = (
        settings.telegram.token,
        settings.telegram.proxy,
        settings.oss.access_key_secret,
        settings.oss.proxy,
    )
    # The library logs its calls at level debug, and with them the webhook's secret.
    derived = [webhook_secret(settings.telegram.token.get_secret_value())]
    if isinstance(settings.ledger.place, LedgerServer):
        derived += [settings.ledger.place.url, settings.ledger.place.password]
    return [
        *filter(None, derived),
        *(secret.get_secret_value() for secret in given if secret is not None),
    ]


def log_quietly(settings: Settings, level: Level = "warning") -> None:
    """Log to standard error, because standard output is the answer of the command: lines of
    `level`, or with `log.level = "debug"` all of them and tracebacks.
    """
    is_debug = settings.log.level == "debug"
    configure(
        "debug" if is_debug else level,
        settings.log.format,
        secrets=secrets_of(settings),
        stream=sys.stderr,
        tracebacks=is_debug,
    )


def ending_in_a_line(command: Callable[P, None]) -> Callable[P, None]:
    """Let a command that meets an unexpected error leave with one line that says its kind, and one
    that is stopped by Ctrl-C with a line too. Texts of such errors may quote anything; the log of
    level debug has them, redacted.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, typer.BadParameter, BrokenPipeError):
            raise
        except (KeyboardInterrupt, typer.Abort):
            # The cursor stands behind a question or "^C".
            typer.echo(err=True)
            fail(say("common-stopped"))
        except Exception as error:
            # Without a configured log this is not shown.
            logging.getLogger(__name__).debug("the command failed", exc_info=error)
            cause = leaf(error) if isinstance(error, ExceptionGroup) else error
            if isinstance(cause, OSError) and cause.strerror:
                fail(cause.strerror)
            fail(f'unexpected error, {type(cause).__name__}; log.level = "debug" shows where')

    return run


@contextmanager
def failing_in_a_line() -> Iterator[None]:
    """Exit with one line if the block raises an error of the program."""
    try:
        yield
    except (CommandFailed, RelayError) as error:
        fail(error)


def fail(error: Exception | str) -> NoReturn:
    """Exit with one line that gives the reason of the failure."""
    typer.echo(f"relay-bot: {error}", err=True)
    raise typer.Exit(FAILED)


class CommandFailed(Exception):
    """The command cannot do its work here; the text has the reason."""


def require_ledger(path: LedgerPlace) -> None:
    """Raise an error if there is no ledger; on a server, opening it tells.

    Raises:
        CommandFailed: there is no file at `path`.
        LedgerUnusable: this user lacks the permission to check.
    """
    if isinstance(path, LedgerServer):
        return
    with opening(path):
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise CommandFailed(
                f"there is no ledger at {path}; has the bot ever run here?"
            ) from error
