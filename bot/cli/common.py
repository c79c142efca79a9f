"""Shared by the commands: exit codes, loading of the settings, and error messages."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Final, NoReturn, ParamSpec

import typer

from bot.adapters.ledger.errors import opening
from bot.adapters.telegram.intake import webhook_secret
from bot.core.errors import RelayError, leaf
from bot.logs import Level, configure
from bot.settings import Settings, SettingsError, load

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
    derived = webhook_secret(settings.telegram.token.get_secret_value())
    return [derived, *(secret.get_secret_value() for secret in given if secret is not None)]


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
    """Let a command that meets an unexpected error leave with one line that says its kind. Texts
    of such errors may quote anything; the log of level debug has them, redacted.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
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


def require_ledger(path: Path) -> None:
    """Raise an error if there is no ledger.

    Raises:
        OperationImpossible: there is no file at `path`.
        LedgerUnusable: this user lacks the permission to check.
    """
    with opening(path):
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise CommandFailed(
                f"there is no ledger at {path}; has the bot ever run here?"
            ) from error
