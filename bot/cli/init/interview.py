"""The interview of `relay-bot init`: questions to a person on a terminal, each of which can be
gone back to.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

import typer

from bot.adapters.telegram.inspection import BotProfile, MessageAuthor
from bot.cli.common import BAD_SETTINGS, FAILED, CommandFailed, say
from bot.cli.init.checks import (
    BadAnswer,
    Draft,
    NoRights,
    Unreachable,
    check_key,
    check_region,
    find_bot,
    find_bucket,
    read_answers,
    region_of,
    render,
    render_answers,
    settings_of,
    unfinished_of,
    watch_writers,
    write_privately,
    write_settings,
)
from bot.cli.setup.command import policy_text, run_setup
from bot.cli.setup.plan import desired_for
from bot.core.errors import StoreForbidden
from bot.core.files import LinkMode

BACK: Final = "<"
"""The answer that goes back to the previous question."""


class GoBack(Exception):
    """The person wants the previous question again."""


class Dialogue:
    """Asks a person on a terminal; without one the command line must give every answer."""

    def __init__(self) -> None:
        self.is_interactive = sys.stdin.isatty()

    def ask(
        self,
        question: str,
        option: str,
        *,
        given: str = "",
        default: str | None = None,
        secret: bool = False,
    ) -> str:
        """Return `given` if there is one, else the answer of a person, else the default. Exits if
        there is none of them.

        Raises:
            GoBack: the person asks for the previous question.
        """
        if given:
            return given.strip()
        if not self.is_interactive:
            if default:
                return default
            typer.echo(f"relay-bot: {say('init-no-terminal', option=option)}", err=True)
            raise typer.Exit(BAD_SETTINGS)
        return self.prompt(question, default=default, secret=secret)

    def prompt(self, question: str, *, default: str | None = None, secret: bool = False) -> str:
        """Return the answer of a person; with a default it may be empty. A secret is not shown.

        Raises:
            GoBack: the person asks for the previous question.
        """
        asked: str = typer.prompt(
            question,
            default=default,
            hide_input=secret,
            show_default=bool(default) and not secret,
        )
        if asked.strip() == BACK:
            raise GoBack
        return asked.strip()

    def refuse(self, why: Exception | str) -> None:
        """Print why an answer is wrong. Exits if the question cannot be repeated."""
        typer.echo(f"  {why}", err=True)
        if not self.is_interactive:
            raise typer.Exit(FAILED)

    def tell(self, text: str) -> None:
        """Print what was found out about an answer."""
        typer.echo(f"  {text}")

    def agrees(self, question: str) -> bool:
        """Ask for a yes; without a terminal the answer is no."""
        return self.is_interactive and typer.confirm(question, default=True)


def stop(text: str) -> NoReturn:
    """End the command after Ctrl-C or the end of the input, on a line of its own."""
    typer.echo(f"\n{text}", err=True)
    raise typer.Exit(FAILED)


PATIENCE: Final = 300.0
"""Seconds to wait for a person to write to the bot."""
EXAMPLE_ID: Final = "123456789"


class Interview:
    """Asks the questions in order, each until its answer is right, and keeps what was answered.

    `given` are answers by dotted key that need no question. On a terminal those of an interview
    that was stopped are taken too; all are checked once more.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        path: Path,
        given: Mapping[str, str],
        *,
        admins: tuple[int, ...] = (),
        create: bool = False,
    ) -> None:
        self._dialogue = dialogue
        self._path = path
        self._given = dict(given)
        self._admins = admins
        self._create = create
        self._draft = Draft()
        self._profile: BotProfile | None = None

    def run(self, *, force: bool) -> BotProfile:
        """Ask, write the settings file, and return the profile of the bot.

        Raises:
            CommandFailed: the file is there and must stay, or cannot be written.
            RelayError: OSS refused to look at the bucket or to create it.
        """
        force = self._may_write(force=force)
        self._resume()
        self._draft = Draft(
            base_url=self._given.get("telegram.base_url", ""),
            telegram_proxy=self._given.get("telegram.proxy", ""),
            endpoint=self._given.get("oss.endpoint", ""),
            oss_proxy=self._given.get("oss.proxy", ""),
        )
        self._ask_all()
        write_settings(self._path, render(self._draft.values()), force=force)
        unfinished_of(self._path).unlink(missing_ok=True)
        return self._known_bot()

    def _may_write(self, *, force: bool) -> bool:
        if self._path.exists() and not force:
            name = str(self._path)
            if not self._dialogue.agrees(say("init-exists", file=name)):
                raise CommandFailed(say("init-exists-fail", file=name))
            return True
        return force

    def _resume(self) -> None:
        """Take the answers of an interview that was stopped."""
        unfinished = unfinished_of(self._path)
        if not self._dialogue.is_interactive:
            return
        kept = read_answers(unfinished) if unfinished.exists() else {}
        self._given = {**kept, **self._given}
        message = "init-resumed" if kept else "init-welcome"
        typer.echo(say(message, file=str(unfinished)))

    def _ask_all(self) -> None:
        steps = (
            self._ask_token,
            self._ask_region,
            self._ask_key_id,
            self._ask_key_secret,
            self._ask_bucket,
            self._ask_mode,
            self._ask_admin,
        )
        at = 0
        while at < len(steps):
            try:
                steps[at]()
            except GoBack:
                if at == 0:
                    self._dialogue.tell(say("init-first"))
                at = max(0, at - 1)
            else:
                self._keep()
                at += 1

    def _keep(self) -> None:
        """Write the answers so far, for the next time."""
        if self._dialogue.is_interactive:
            write_privately(unfinished_of(self._path), render_answers(self._draft.values()))

    def _ask(
        self,
        key: str,
        question: str,
        option: str,
        *,
        default: str | None = None,
        secret: bool = False,
    ) -> str:
        """Return the given answer to a question, the first time, or that of the person."""
        given = self._given.pop(key, "")
        return self._dialogue.ask(question, option, given=given, default=default, secret=secret)

    def _ask_token(self) -> None:
        while True:
            question, before = say("init-token"), self._draft.token or None
            token = self._ask("telegram.token", question, "--token", default=before, secret=True)
            try:
                self._profile = asyncio.run(find_bot(replace(self._draft, token=token)))
            except Unreachable as error:
                self._ask_proxy(error)
                self._given["telegram.token"] = token
            except BadAnswer as error:
                self._dialogue.refuse(error)
            else:
                break
        self._draft = replace(self._draft, token=token)
        self._dialogue.tell(say("init-token-found", bot=self._profile.username))

    def _ask_proxy(self, why: Unreachable) -> None:
        """Ask for a proxy, because Telegram did not answer without one, or by another one."""
        if not self._dialogue.is_interactive:
            typer.echo(f"  {say('init-telegram-proxy-hint')}", err=True)
        self._dialogue.refuse(why)
        while True:
            proxy = self._dialogue.prompt(say("init-telegram-proxy"), default="")
            draft = replace(self._draft, telegram_proxy=proxy)
            try:
                settings_of(draft)
            except BadAnswer as error:
                self._dialogue.refuse(error)
            else:
                self._draft = draft
                return

    def _ask_region(self) -> None:
        while True:
            default = self._draft.region or "cn-hongkong"
            text = self._ask("oss.region", say("init-region"), "--region", default=default)
            draft = replace(self._draft, region=region_of(text))
            if self._is_right(lambda: asyncio.run(check_region(draft))):  # noqa: B023 -- called at once.
                break
        self._draft = draft
        self._dialogue.tell(say("init-region-fine", region=draft.region))

    def _is_right(self, check: Callable[[], None]) -> bool:
        """Return whether a check passes; print why not."""
        try:
            check()
        except BadAnswer as error:
            self._dialogue.refuse(error)
            return False
        return True

    def _ask_key_id(self) -> None:
        default = self._draft.access_key_id or None
        key_id = self._ask(
            "oss.access_key_id", say("init-key-id"), "--access-key-id", default=default
        )
        self._draft = replace(self._draft, access_key_id=key_id)

    def _ask_key_secret(self) -> None:
        key, option = "oss.access_key_secret", "--access-key-secret"
        before = self._draft.access_key_secret or None
        secret = self._ask(key, say("init-key-secret"), option, default=before, secret=True)
        draft = replace(self._draft, access_key_secret=secret)
        if not self._is_right(lambda: asyncio.run(check_key(draft))):
            # Either of them may be the wrong one.
            self._draft = replace(self._draft, access_key_secret="")
            raise GoBack
        self._draft = draft
        self._dialogue.tell(say("init-key-known"))

    def _ask_bucket(self) -> None:
        while True:
            default = self._draft.bucket or None
            name = self._ask("oss.bucket", say("init-bucket"), "--bucket", default=default)
            draft = replace(self._draft, bucket=name)
            try:
                found = asyncio.run(find_bucket(draft))
                text = (
                    say("init-bucket-found", bucket=name, region=found.region)
                    if found is not None
                    else self._create_bucket(draft)
                )
            except NoRights as error:
                self._given["oss.bucket"] = self._wait_for_rights(draft, error)
            except BadAnswer as error:
                self._dialogue.refuse(error)
            else:
                break
        self._draft = draft
        self._dialogue.tell(text)

    def _create_bucket(self, draft: Draft) -> str:
        """Create the bucket if that is agreed to, and return what came of it.

        Raises:
            NoRights: the key may not.
            BadAnswer: OSS refused, for another reason.
        """
        name, region = draft.bucket, draft.region
        question = say("init-bucket-create", bucket=name, region=region)
        if not self._create and not self._dialogue.agrees(question):
            return say("init-bucket-later")
        chosen = settings_of(draft)
        try:
            outcome = asyncio.run(run_setup(chosen, desired_for(chosen), agree=lambda _: False))
        except StoreForbidden as error:
            raise NoRights(str(error)) from error
        for refused in outcome.refused:
            raise (NoRights if refused.lacks_rights else BadAnswer)(refused.why)
        return say("init-bucket-created", bucket=name, region=region)

    def _wait_for_rights(self, draft: Draft, why: NoRights) -> str:
        """Show what to attach to the user of the key; return the bucket to try then.

        Raises:
            GoBack: another key shall be used.
        """
        typer.echo(f"  {say('init-rights', why=str(why))}\n", err=True)
        typer.echo(policy_text(settings_of(draft), with_setup=True))
        if not self._dialogue.is_interactive:
            self._dialogue.refuse(say("init-rights-bucket"))
        return self._dialogue.prompt(say("init-rights-again"), default="") or draft.bucket

    def _ask_mode(self) -> None:
        while True:
            default = self._draft.mode or LinkMode.SIGNED.value
            mode = self._ask("link.mode", say("init-mode"), "--mode", default=default)
            if mode in set(LinkMode):
                break
            self._dialogue.refuse(say("init-mode-bad", mode=mode))
        self._draft = replace(self._draft, mode=mode)

    def _ask_admin(self) -> None:
        while not self._admins:
            if not self._dialogue.is_interactive:
                raise CommandFailed(say("init-admin-no-terminal"))
            bot = self._known_bot().username
            given = self._dialogue.prompt(say("init-admin", bot=bot), default="")
            if given.isascii() and given.isdigit() and int(given):
                self._admins = (int(given),)
            elif given:
                self._dialogue.refuse(say("init-admin-bad", given=given, example=EXAMPLE_ID))
            else:
                self._admins = self._find_admin(bot)
        self._draft = replace(self._draft, admins=self._admins)

    def _find_admin(self, bot: str) -> tuple[int, ...]:
        """Wait for the admin to write to the bot; return nothing to ask again."""
        minutes = str(round(PATIENCE / 60))
        self._dialogue.tell(say("init-admin-waiting", bot=bot, minutes=minutes))
        try:
            admin = asyncio.run(self._wait_for_admin())
        except BadAnswer as error:
            self._dialogue.refuse(error)
            return ()
        return () if admin is None else (admin,)

    async def _wait_for_admin(self) -> int | None:
        refused: set[MessageAuthor] = set()
        try:
            async with asyncio.timeout(PATIENCE):
                async for writers in watch_writers(self._draft):
                    for writer in writers:
                        if self._dialogue.agrees(say("init-admin-found", who=_describe(writer))):
                            return writer.id
                        refused.add(writer)
                    if refused:
                        self._dialogue.tell(say("init-admin-not"))
                        return None
        except TimeoutError:
            self._dialogue.tell(say("init-admin-none"))
        return None

    def _known_bot(self) -> BotProfile:
        if self._profile is None:
            raise LookupError("the token is asked for first")
        return self._profile


def _describe(writer: MessageAuthor) -> str:
    username = f" @{writer.username}" if writer.username else ""
    # Names are chosen by users, and this goes to a terminal.
    name = "".join(char for char in writer.name if char.isprintable())
    return f"{name}{username} (id {writer.id})"
