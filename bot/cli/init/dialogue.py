"""Questions of `relay-bot init` on a terminal, and the files that its answers are written to."""

import errno
import json
import os
import re
import secrets
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import typer

from bot.adapters.telegram.languages import ENGLISH
from bot.cli.common import BAD_SETTINGS, FAILED, CommandFailed, fail, say, spoken
from bot.cli.doctor import PROXIES
from bot.cli.init.checks import BadAnswer, Draft, draft_settings
from bot.settings.types import EXAMPLE_BUCKET, PLACEHOLDER

T = TypeVar("T")

BACK: Final = "<"
"""The answer that goes back to the question before."""
_PASTED: Final = re.compile(r"[\s\u200b-\u200f\u2060\ufeff]+")
"""Blanks, some of them invisible, that come along with what is copied from a page."""
_QUOTES: Final = ("''", '""', "``", "\u201c\u201d", "\u2018\u2019", "\u300c\u300d")


def tidy(text: str) -> str:
    """Return an answer without what is pasted along with it: blanks and quotes around it."""
    text = _PASTED.sub(" ", text).strip()
    while len(text) > 1 and text[0] + text[-1] in _QUOTES:
        text = text[1:-1].strip()
    return text


class Back(Exception):
    """The person wants to answer the question before once more."""


class Dialogue:
    """Asks a person on a terminal; without one the command line must give every answer."""

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
    ) -> T:
        """Return the result of `check` for an answer that passes it.

        `given` is tried first; on a terminal the question is repeated until the answer is right.
        Exits without a terminal; raises `Back`.
        """
        while True:
            text = given or self.ask(question, option, default=default, secret=secret)
            given = None
            try:
                return check(text)
            except Back:
                # At a question within the check: back to this one.
                continue
            except BadAnswer as error:
                self.refuse(error)

    def ask(
        self, question: str, option: str, *, default: str | None = None, secret: bool = False
    ) -> str:
        """Return the answer of a person, without a terminal the default. Exits if there is none
        of them; raises `Back`.
        """
        if not self.is_interactive:
            if default is not None:
                return default
            typer.echo(f"relay-bot: {say('init-no-terminal', option=option)}", err=True)
            raise typer.Exit(BAD_SETTINGS)
        text = tidy(self.read(question, default=default, secret=secret))
        if text == BACK:
            raise Back
        return text

    def read(self, question: str, *, default: str | None, secret: bool) -> str:
        """Read one line from the terminal; an answer that is a secret is not shown, nor is its
        default.
        """
        if secret and default:
            question = f"{question} {say('init-keep')}"
        given: str = typer.prompt(
            question, default=default, hide_input=secret, show_default=bool(default) and not secret
        )
        return given

    def refuse(self, error: BadAnswer) -> None:
        """Print why an answer is wrong. Exits if the question cannot be repeated."""
        typer.echo(f"  {error}", err=True)
        if not self.is_interactive:
            raise typer.Exit(FAILED) from error

    def agrees(self, question: str) -> bool:
        """Ask for a yes, which Enter is too; without a terminal the answer is no. Raises
        `Back`.
        """
        while self.is_interactive:
            text = self.ask(f"{question} [Y/n]", "", default="").lower()
            if text in {"", "y", "yes", "是", "好"}:
                return True
            if text in {"n", "no", "否", "不"}:
                return False
            typer.echo(f"  {say('init-yes-or-no')}", err=True)
        return False


def ask_proxy(dialogue: Dialogue, draft: Draft, name: str) -> Draft | None:
    """Ask for the proxy that is stored as `name`; `None` if the person gives none."""
    side = say("init-telegram" if name == "proxy" else "init-oss")
    found = next((key for key in PROXIES if os.environ.get(key)), None)
    if found and not getattr(draft, name):
        question = say("init-use-variable", variable=found, other=side)
        if dialogue.agrees(f"  {question}"):
            return draft.with_proxy(name, os.environ[found])
    while text := dialogue.ask(f"  {say('init-proxy', other=side)}", "", default=""):
        changed = draft.with_proxy(name, text)
        try:
            draft_settings(changed)
        except BadAnswer as error:
            dialogue.refuse(error)
        else:
            return changed
    return None


_SECTION = re.compile(r"\[([a-z]+)\]")
_SETTING = re.compile(r"#?(?: e\.g\. )?([a-z_]+) = ")


def example() -> str:
    """Return the text of `settings.example.toml` from the package or the source tree, in the
    language of the terminal.
    """
    tag = spoken()
    name = "example.toml" if tag == ENGLISH else f"example.{tag}.toml"
    packaged = resources.files("bot.settings") / name
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parents[3] / f"settings.{name}").read_text(encoding="utf-8")


def render(values: Mapping[str, str | int | list[int]]) -> str:
    """Return the example with these values, by dotted key, in the lines of the settings.

    Raises:
        LookupError: the example has no line for one of them.
    """
    section, left, lines = "", dict(values), []
    for line in example().splitlines():
        if found := _SECTION.fullmatch(line):
            section = found[1]
        setting = _SETTING.match(line)
        key = f"{section}.{setting[1]}" if setting else ""
        # JSON's strings and lists of numbers are valid TOML.
        lines.append(
            f"{key.partition('.')[2]} = {json.dumps(left.pop(key), ensure_ascii=False)}"
            if key in left
            else line
        )
    if left:
        raise LookupError(f"the example does not show {', '.join(left)}")
    return "\n".join(lines) + "\n"


def write_settings(path: Path, text: str, *, force: bool) -> None:
    """Write the file atomically, readable by its owner only.

    Raises:
        OperationImpossible: it exists already and must not be overwritten, or cannot be written.
    """
    if path.exists() and not force:
        raise CommandFailed(say("init-exists", path=path))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except OSError as error:
        raise CommandFailed(say("init-unwritable", path=path, why=error.strerror)) from error
    finally:
        draft.unlink(missing_ok=True)


class DraftFile:
    """The answers so far, in a file beside the settings file, so that an `init` that was
    interrupted goes on where it ended. It is removed when the settings file is written.

    It reads like the settings file, with the placeholders of the example for what is not answered.
    """

    def __init__(self, settings: Path) -> None:
        self.path = settings.with_name(f"{settings.name}.part")

    def read(self) -> Draft:
        """Return the answers of last time; none if there are none, or if they cannot be read."""
        try:
            content = tomllib.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Draft()
        values = {
            f"{section}.{key}": value
            for section, settings in content.items()
            if isinstance(settings, dict)
            for key, value in settings.items()
            if value != EXAMPLE_BUCKET and PLACEHOLDER not in str(value)
        }
        return Draft.of(values)

    def write(self, draft: Draft) -> None:
        """Store the answers so far. Raises `CommandFailed` if the file cannot be written."""
        write_settings(self.path, render(draft.values()), force=True)

    def remove(self) -> None:
        """Remove the file, if it is there."""
        self.path.unlink(missing_ok=True)


def require_folder(settings: Path) -> None:
    """Exit if no file can be written there: better now than after all questions."""
    folder = settings.absolute().parent
    if not folder.is_dir():
        fail(say("init-unwritable", path=settings, why=os.strerror(errno.ENOENT)))
    if not os.access(folder, os.W_OK | os.X_OK):
        fail(say("init-unwritable", path=settings, why=os.strerror(errno.EACCES)))


def may_overwrite(dialogue: Dialogue, settings: Path) -> bool:
    """Return whether to overwrite a settings file that is there; exits if not."""
    if not settings.exists():
        return False
    try:
        agreed = dialogue.agrees(say("init-overwrite", path=settings))
    except Back:
        agreed = False
    if not agreed:
        fail(say("init-exists", path=settings))
    return True


def leave_unfinished(file: DraftFile) -> NoReturn:
    """Exit with a line that says where the answers are."""
    typer.echo()
    if file.path.exists():
        fail(say("init-stopped-with-answers", path=file.path))
    fail(say("init-stopped"))
