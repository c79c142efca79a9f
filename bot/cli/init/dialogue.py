"""Questions, one at a time, each with its answer checked at once."""

import sys
from collections.abc import Callable
from typing import TypeVar

import typer

from bot.cli.common import BAD_SETTINGS, FAILED
from bot.cli.init.checks import BadAnswer

T = TypeVar("T")


class Dialogue:
    """Asks a person, where there is one; else what was given on the command line must do."""

    def __init__(self) -> None:
        self.is_interactive = sys.stdin.isatty()

    def answer(
        self,
        question: str,
        given: str | None,
        check: Callable[[str], T],
        *,
        option: str,
        default: str | None = None,
        secret: bool = False,
    ) -> tuple[str, T]:
        """Return an answer that `check` lets pass, and what `check` found.

        `given` is tried first; whoever is asked is asked again until the answer is right. Leaves
        the program where nobody can be asked.
        """
        while True:
            text = self.ask(question, given, option, default=default, secret=secret)
            found: list[T] = []
            if self.is_right(lambda: found.append(check(text))):  # noqa: B023 - called at once.
                return text, found[0]
            given = None

    def ask(
        self,
        question: str,
        given: str | None,
        option: str,
        *,
        default: str | None = None,
        secret: bool = False,
    ) -> str:
        """Return `given` if there is such, else what a person answers, else the default. Leaves
        the program where there is none of them.
        """
        if given:
            return given
        if not self.is_interactive:
            if default is not None:
                return default
            typer.echo(f"relay-bot: nobody can be asked here; {option} is needed", err=True)
            raise typer.Exit(BAD_SETTINGS)
        asked: str = typer.prompt(question, default=default, hide_input=secret)
        return asked.strip()

    def is_right(self, check: Callable[[], None]) -> bool:
        """Say whether `check` passes, and to the person why not. Leaves the program where nobody
        can be asked again.
        """
        try:
            check()
        except BadAnswer as error:
            typer.echo(f"  {error}", err=True)
            if not self.is_interactive:
                raise typer.Exit(FAILED) from error
            return False
        return True

    def agrees(self, question: str) -> bool:
        """Ask for a yes; without anybody to ask, it is a no."""
        return self.is_interactive and typer.confirm(question, default=True)
