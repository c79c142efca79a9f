"""`relay-bot init`: the dialogue that writes a settings file."""

import asyncio
import json
import logging
import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from bot.adapters.telegram.inspection import BotProfile, MessageAuthor
from bot.cli.common import (
    BAD_SETTINGS,
    DEFAULT_FILE,
    FAILED,
    OK,
    CommandFailed,
    Verdict,
    fail,
    worst,
)
from bot.cli.doctor.command import examine, show_rows
from bot.cli.init.checks import BadAnswer, Draft, check_key, find_bot, find_bucket, watch_writers
from bot.cli.setup.command import run_setup
from bot.cli.setup.plan import desired_for
from bot.core.errors import RelayError
from bot.core.files import LinkMode
from bot.settings import load

T = TypeVar("T")


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
    ) -> tuple[str, T]:
        """Return an answer that passes `check`, and the result of `check`.

        `given` is tried first; on a terminal the question is repeated until the answer is right.
        Exits without a terminal.
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
        """Return `given` if it is set, else the answer of a person, else the default. Exits if
        there is none of them.
        """
        if given:
            return given
        if not self.is_interactive:
            if default is not None:
                return default
            typer.echo(f"relay-bot: no terminal for questions; {option} is needed", err=True)
            raise typer.Exit(BAD_SETTINGS)
        asked: str = typer.prompt(question, default=default, hide_input=secret)
        return asked.strip()

    def is_right(self, check: Callable[[], None]) -> bool:
        """Return whether `check` passes, and print why not. Exits if the question cannot be
        repeated.
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
        """Ask for a yes; without a terminal the answer is no."""
        return self.is_interactive and typer.confirm(question, default=True)


PATIENCE = 300.0
"""Seconds to wait for a person to write to the bot."""

Text = str | None


def init(  # noqa: PLR0913 - one option for each question.
    *,
    settings: Annotated[
        Path, typer.Option("--settings", "-s", help="The file to write.")
    ] = DEFAULT_FILE,
    token: Annotated[
        Text, typer.Option(envvar="RELAY_TELEGRAM__TOKEN", help="From @BotFather.")
    ] = None,
    access_key_id: Annotated[
        Text, typer.Option(envvar="RELAY_OSS__ACCESS_KEY_ID", help="Of a RAM user.")
    ] = None,
    access_key_secret: Annotated[
        Text, typer.Option(envvar="RELAY_OSS__ACCESS_KEY_SECRET", help="Goes with the id.")
    ] = None,
    region: Annotated[
        Text, typer.Option(envvar="RELAY_OSS__REGION", help="Such as cn-hongkong, the default.")
    ] = None,
    bucket: Annotated[
        Text, typer.Option(envvar="RELAY_OSS__BUCKET", help="Is created if there is none.")
    ] = None,
    mode: Annotated[
        Text, typer.Option(envvar="RELAY_LINK__MODE", help="signed (the default) or public.")
    ] = None,
    admin: Annotated[
        list[int] | None,
        typer.Option(help="User id of an admin; without it, write to the bot when asked."),
    ] = None,
    base_url: Annotated[
        str, typer.Option(envvar="RELAY_TELEGRAM__BASE_URL", help="Of another Bot API server.")
    ] = "",
    endpoint: Annotated[
        str, typer.Option(envvar="RELAY_OSS__ENDPOINT", help="Of another OSS endpoint.")
    ] = "",
    create: Annotated[
        bool, typer.Option("--create", help="Create a missing bucket without asking.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Ask for what the bot needs, check each answer at once, and write the settings file; then run
    the doctor. Every answer can be given by options or variables (secrets best by variables); then
    there are no questions.

    Example: relay-bot init --settings settings.toml
    """
    # Problems are printed in place; there is no log to read yet.
    logging.disable(logging.CRITICAL)
    dialogue = Dialogue()
    if settings.exists() and not force:
        force = dialogue.agrees(f"{settings} is there already. Overwrite it?")
        if not force:
            fail(f"{settings} is there already; --force overwrites it")
    try:
        draft = Draft(base_url=base_url, endpoint=endpoint)
        draft, profile = _ask_token(dialogue, draft, token)
        draft = _ask_key(dialogue, draft, region, access_key_id, access_key_secret)
        draft = _ask_bucket(dialogue, draft, bucket, create=create)
        draft = _ask_mode(dialogue, draft, mode)
        draft = replace(draft, admins=tuple(admin or [_find_admin(dialogue, draft, profile)]))
        write_settings(settings, render(draft.values()), force=force)
    except (BadAnswer, CommandFailed, RelayError) as error:
        fail(error)
    finally:
        logging.disable(logging.NOTSET)
    _conclude(settings, profile)


def _ask_token(dialogue: Dialogue, draft: Draft, given: Text) -> tuple[Draft, BotProfile]:
    token, profile = dialogue.answer(
        "Token of the bot (talk to @BotFather, /newbot)",
        given,
        lambda text: asyncio.run(find_bot(replace(draft, token=text))),
        option="--token",
        secret=True,
    )
    typer.echo(f"  this is @{profile.username}")
    return replace(draft, token=token), profile


def _ask_key(dialogue: Dialogue, draft: Draft, region: Text, key_id: Text, secret: Text) -> Draft:
    while True:
        answered = replace(
            draft,
            region=dialogue.ask("Region of the bucket", region, "--region", default="cn-hongkong"),
            access_key_id=dialogue.ask(
                "AccessKey id (RAM console, a user without console access)",
                key_id,
                "--access-key-id",
            ),
            access_key_secret=dialogue.ask(
                "AccessKey secret", secret, "--access-key-secret", secret=True
            ),
        )
        # They can be checked only together, and any of them may be the wrong one.
        if dialogue.is_right(lambda: asyncio.run(check_key(answered))):  # noqa: B023 - called at once.
            typer.echo("  OSS knows this key")
            return answered
        region = key_id = secret = None


def _ask_bucket(dialogue: Dialogue, draft: Draft, given: Text, *, create: bool) -> Draft:
    name, found = dialogue.answer(
        "Bucket (best one of its own; it is created if there is none)",
        given,
        lambda text: asyncio.run(find_bucket(replace(draft, bucket=text))),
        option="--bucket",
    )
    draft = replace(draft, bucket=name)
    if found is not None:
        typer.echo(f"  {name} in {found.region}")
    elif create or dialogue.agrees(f"There is no bucket {name}. Create it in {draft.region}?"):
        chosen = load(None, draft.variables())
        asyncio.run(run_setup(chosen, desired_for(chosen), agree=lambda _: False))
        typer.echo(f"  {name} has been created in {draft.region}")
    else:
        typer.echo("  there is none; relay-bot setup creates it later")
    return draft


def _ask_mode(dialogue: Dialogue, draft: Draft, given: Text) -> Draft:
    def known(text: str) -> None:
        if text not in set(LinkMode):
            raise BadAnswer(f"{text}: signed or public")

    question = "Links: signed (OSS itself ends them) or public (short; only the bot ends them)"
    mode, _ = dialogue.answer(question, given, known, option="--mode", default="signed")
    return replace(draft, mode=mode)


def _find_admin(dialogue: Dialogue, draft: Draft, profile: BotProfile) -> int:
    if not dialogue.is_interactive:
        fail("there is no terminal to ask for the admin; give the id by --admin")
    typer.echo(f"Who looks after the bot? Write anything to @{profile.username} now, in Telegram.")
    admin = asyncio.run(_wait_for_admin(dialogue, draft))
    if admin is None:
        fail("no message has arrived; give the id by --admin")
    return admin


async def _wait_for_admin(dialogue: Dialogue, draft: Draft) -> int | None:
    refused: set[int] = set()
    try:
        async with asyncio.timeout(PATIENCE):
            async for writers in watch_writers(draft):
                for writer in writers:
                    if writer.id in refused:
                        continue
                    if dialogue.agrees(f"  {_describe(writer)} has written. Is that the admin?"):
                        return writer.id
                    refused.add(writer.id)
    except TimeoutError:
        return None
    return None


def _describe(writer: MessageAuthor) -> str:
    username = f" @{writer.username}" if writer.username else ""
    # Names are chosen by users, and this goes to a terminal.
    name = "".join(char for char in writer.name if char.isprintable())
    return f"{name}{username} (id {writer.id})"


def _conclude(path: Path, profile: BotProfile) -> None:
    typer.echo(f"{path} is written\n")
    rows = asyncio.run(examine(path, os.environ))
    show_rows(rows, as_json=False)
    typer.echo(
        f"\nNext: relay-bot setup --settings {path}, relay-bot run --settings {path},"
        f" then send a file to @{profile.username}."
    )
    raise typer.Exit(FAILED if worst(rows) is Verdict.BROKEN else OK)


_SECTION = re.compile(r"\[([a-z]+)\]")
_SETTING = re.compile(r"#?(?: e\.g\. )?([a-z_]+) = ")


def example() -> str:
    """Return the text of `settings.example.toml` from the package or the source tree."""
    packaged = resources.files("bot.settings") / "example.toml"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parents[3] / "settings.example.toml").read_text(encoding="utf-8")


def render(values: Mapping[str, str | list[int]]) -> str:
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
        raise CommandFailed(f"{path} is there already; --force overwrites it")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise CommandFailed(f"cannot write {path}: {error.strerror}") from error
