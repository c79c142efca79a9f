"""`relay-bot init`: the dialogue that writes a checked settings file."""

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from bot.adapters.telegram.inspection import BotProfile, MessageAuthor
from bot.cli.common import (
    DEFAULT_FILE,
    FAILED,
    OK,
    CommandFailed,
    Lang,
    Verdict,
    fail,
    say,
    speak,
    worst,
)
from bot.cli.doctor import examine, show_rows
from bot.cli.doctor.telegram import PagesElsewhere
from bot.cli.init.checks import (
    PAGES_PORT,
    BadAnswer,
    Draft,
    Elsewhere,
    KeyRefused,
    LacksRights,
    RegionRefused,
    Unreachable,
    check_key,
    check_pages,
    check_region,
    create_bucket,
    draft_settings,
    find_bot,
    find_bucket,
    find_token,
    find_writers,
    needed_policy,
    order_key,
    origin_of,
    plain_region,
    region_of,
    with_scheme,
)
from bot.cli.init.dialogue import (
    Back,
    Dialogue,
    DraftFile,
    ask_proxy,
    leave_unfinished,
    may_overwrite,
    render,
    require_folder,
    write_settings,
)
from bot.cli.setup import show_policy
from bot.core.errors import RelayError
from bot.core.files import LinkMode

T = TypeVar("T")

PATIENCE: Final = 30.0
"""Seconds to wait for a message to the bot before the question is repeated."""

Text = str | None


def init(  # noqa: PLR0913 - one option for each question.
    *,
    settings: Annotated[
        Path, typer.Option("--settings", "-s", help="The file to write.")
    ] = DEFAULT_FILE,
    token: Annotated[
        Text,
        typer.Option(envvar="RELAY_TELEGRAM__TOKEN", help="Token of the bot, from @BotFather."),
    ] = None,
    access_key_id: Annotated[
        Text, typer.Option(envvar="RELAY_OSS__ACCESS_KEY_ID", help="Access key of a RAM user.")
    ] = None,
    access_key_secret: Annotated[
        Text, typer.Option(envvar="RELAY_OSS__ACCESS_KEY_SECRET", help="The secret of that key.")
    ] = None,
    region: Annotated[
        Text, typer.Option(envvar="RELAY_OSS__REGION", help="Of the bucket; default: cn-hongkong.")
    ] = None,
    bucket: Annotated[
        Text,
        typer.Option(envvar="RELAY_OSS__BUCKET", help="The bucket; created if there is none."),
    ] = None,
    mode: Annotated[
        Text,
        typer.Option(envvar="RELAY_LINK__MODE", help="Of links: signed (default), public, page."),
    ] = None,
    url: Annotated[
        Text, typer.Option(envvar="RELAY_WEB__URL", help="Host name of the pages, for mode page.")
    ] = None,
    port: Annotated[
        Text, typer.Option(envvar="RELAY_WEB__PORT", help="Port of the bot; 8080 for pages.")
    ] = None,
    admin: Annotated[
        list[int] | None,
        typer.Option(help="User id of an admin; without it, write to the bot when asked."),
    ] = None,
    base_url: Annotated[
        Text, typer.Option(envvar="RELAY_TELEGRAM__BASE_URL", help="Another Bot API server.")
    ] = None,
    endpoint: Annotated[
        Text, typer.Option(envvar="RELAY_OSS__ENDPOINT", help="Another OSS endpoint.")
    ] = None,
    proxy: Annotated[
        Text,
        typer.Option(envvar="RELAY_TELEGRAM__PROXY", help="A URL, for Telegram: http or socks5."),
    ] = None,
    oss_proxy: Annotated[
        Text, typer.Option(envvar="RELAY_OSS__PROXY", help="The same for OSS.")
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Create a missing bucket without asking.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    lang: Lang = None,
) -> None:
    """Ask for what the bot needs, check each answer at once, and write the settings file; then run
    the doctor. Every answer can be given by options or variables (secrets best by variables); then
    there are no questions. Answers are kept: the next init goes on where this one was stopped.

    Example: relay-bot init --settings settings.toml
    """
    speak(lang)
    require_folder(settings)
    dialogue, file = Dialogue(), DraftFile(settings)
    before = file.read() if dialogue.is_interactive else Draft()
    given = {
        "token": token,
        "region": region,
        "access_key_id": access_key_id,
        "access_key_secret": access_key_secret,
        "bucket": bucket,
        "mode": mode,
        "url": url,
        "admins": ",".join(map(str, admin or [])),
    }
    draft = replace(
        before,
        base_url=base_url or before.base_url,
        endpoint=endpoint or before.endpoint,
        proxy=with_scheme(proxy or before.proxy),
        oss_proxy=with_scheme(oss_proxy or before.oss_proxy),
        port=port or before.port,
    )
    wizard = Wizard(dialogue, file, draft, {k: v or _text(before, k) for k, v in given.items()})
    # Problems are printed in place; there is no log to read yet.
    logging.disable(logging.CRITICAL)
    try:
        force = force or may_overwrite(dialogue, settings)
        wizard.run(create=create)
        write_settings(settings, render(wizard.draft.values()), force=force)
        file.remove()
    except (BadAnswer, CommandFailed, RelayError) as error:
        fail(error)
    except (typer.Abort, KeyboardInterrupt):
        leave_unfinished(file)
    finally:
        logging.disable(logging.NOTSET)
    _conclude(settings, wizard.profile)


def _text(draft: Draft, name: str) -> str:
    value = getattr(draft, name)
    return value if isinstance(value, str) else ",".join(map(str, value))


class Wizard:
    """Asks one question after the other. `given` are answers that need not be asked for, by the
    names of `Draft`: each is used once, so that a person who goes back is asked.
    """

    def __init__(
        self, dialogue: Dialogue, file: DraftFile, draft: Draft, given: dict[str, str]
    ) -> None:
        self._dialogue = dialogue
        self._file = file
        self._given = given
        self.draft = draft
        self._profile: BotProfile | None = None
        self._may_create = False

    @property
    def profile(self) -> BotProfile:
        """The bot of the token; there is one after the first question."""
        if self._profile is None:
            raise RuntimeError("the token has not been asked for")
        return self._profile

    def run(self, *, create: bool) -> None:
        """Ask everything, in order; `<` goes back by one question. Stores each answer.

        Raises:
            BadAnswer: an answer is wrong, and there is no person to ask again.
            CommandFailed: the answers cannot be stored.
        """
        self._may_create = create
        draft_settings(self.draft)  # The options without a question.
        if self._dialogue.is_interactive:
            typer.echo(say("init-intro", path=self._file.path))
        steps = (
            self._ask_token,
            self._ask_region,
            self._ask_key_id,
            self._ask_key_secret,
            self._ask_bucket,
            self._ask_mode,
            self._ask_url,
            self._ask_admin,
        )
        at = 0
        while at < len(steps):
            try:
                steps[at]()
            except Back:
                at = max(0, at - 1)
                continue
            at += 1
            if self._dialogue.is_interactive:
                self._file.write(self.draft)

    def _answer(
        self,
        name: str,
        question: str,
        check: Callable[[str], T],
        *,
        default: str = "",
        secret: bool = False,
    ) -> T:
        """Ask for one answer; without a `default`, it is the last right one."""
        return self._dialogue.answer(
            question,
            self._given.pop(name, None),
            check,
            option=f"--{name.replace('_', '-')}",
            default=default or _text(self.draft, name) or None,
            secret=secret,
        )

    def _ask_token(self) -> None:
        def check(text: str) -> tuple[str, BotProfile]:
            token = find_token(text)
            return token, self._reaching(
                "proxy", lambda: find_bot(replace(self.draft, token=token))
            )

        token, self._profile = self._answer("token", say("init-token"), check, secret=True)
        self.draft = replace(self.draft, token=token)
        typer.echo(f"  {say('init-this-is', username=self._profile.username)}")

    def _reaching(self, proxy: str, check: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of a check; where the other side cannot be reached, ask for a proxy
        and try again, until the person gives none.
        """
        while True:
            try:
                return asyncio.run(check())
            except Unreachable as error:
                if not self._dialogue.is_interactive:
                    option = f"--{proxy.replace('_', '-')}"
                    text = say("init-needs-proxy", problem=error, option=option)
                    raise BadAnswer(text) from error
                typer.echo(f"  {error}", err=True)
                changed = ask_proxy(self._dialogue, self.draft, proxy)
                if changed is None:
                    raise BadAnswer(say("init-once-more")) from error
                self.draft = changed

    def _ask_region(self, near: str = "") -> None:
        """Ask for the region; `near` is proposed where the last answer was refused."""

        def check(text: str) -> str:
            region = plain_region(text)
            self._reaching("oss_proxy", lambda: check_region(replace(self.draft, region=region)))
            return region

        known = self.draft.region or region_of(self.draft.endpoint) or "cn-hongkong"
        region = self._answer("region", say("init-region"), check, default=near or known)
        self.draft = replace(self.draft, region=region)

    def _ask_key_id(self) -> None:
        def check(text: str) -> str:
            draft_settings(replace(self.draft, access_key_id=text))
            return text

        key_id = self._answer("access_key_id", say("init-key-id"), check)
        self.draft = replace(self.draft, access_key_id=key_id)

    def _ask_key_secret(self) -> None:
        def check(text: str) -> Draft:
            key_id, secret = order_key(self.draft.access_key_id, text)
            while True:
                changed = replace(self.draft, access_key_id=key_id, access_key_secret=secret)
                try:
                    asyncio.run(check_key(changed))
                except RegionRefused as error:
                    self._dialogue.refuse(error)
                    self._ask_region(error.near)
                else:
                    return changed

        try:
            changed = self._answer("access_key_secret", say("init-key-secret"), check, secret=True)
        except KeyRefused as error:
            # Either of the two may be the wrong one.
            self._dialogue.refuse(BadAnswer(str(error)))
            raise Back from error
        if changed.access_key_id != self.draft.access_key_id:
            typer.echo(f"  {say('init-swapped')}")
        self.draft = changed
        typer.echo(f"  {say('init-key-known')}")

    def _ask_bucket(self) -> None:
        def check(text: str) -> Draft:
            changed = replace(self.draft, bucket=text)
            try:
                self._look_for_bucket(changed)
            except Elsewhere as error:
                question = say("init-other-region", region=error.region)
                if not self._dialogue.agrees(f"  {error}\n  {question}"):
                    raise
                # An endpoint of OSS is that of the other region, and the default one is not.
                endpoint = "" if region_of(changed.endpoint) else changed.endpoint
                changed = replace(changed, region=error.region, endpoint=endpoint)
                self._look_for_bucket(changed)
            return changed

        self.draft = self._answer("bucket", say("init-bucket"), check)

    def _look_for_bucket(self, draft: Draft) -> None:
        where = {"bucket": draft.bucket, "region": draft.region}
        try:
            found = self._with_rights(draft, lambda: asyncio.run(find_bucket(draft)))
            if found is not None:
                typer.echo(
                    f"  {say('init-bucket-found', bucket=draft.bucket, region=found.region)}"
                )
            elif self._may_create or self._dialogue.agrees(say("init-create", **where)):
                self._with_rights(draft, lambda: asyncio.run(create_bucket(draft)))
                typer.echo(f"  {say('init-created', **where)}")
            else:
                typer.echo(f"  {say('init-not-created')}")
        except _Skipped:
            typer.echo(f"  {say('init-skipped')}")

    def _with_rights(self, draft: Draft, work: Callable[[], T]) -> T:
        """Return the result of `work`. Where the key lacks a right for it, print the policy to
        attach, and try again when the person says so.
        """
        shown = False
        while True:
            try:
                return work()
            except LacksRights as error:
                typer.echo(f"  {say('init-lacks-rights', why=error)}", err=True)
                if not shown:
                    show_policy(needed_policy(draft))
                shown = True
                if not self._dialogue.is_interactive:
                    raise
            if self._dialogue.ask(say("init-retry"), "", default="").lower() in {"s", "skip"}:
                raise _Skipped

    def _ask_mode(self) -> None:
        def known(text: str) -> str:
            if text.lower() not in set(LinkMode):
                raise BadAnswer(say("init-which-mode", text=text))
            return text.lower()

        default = self.draft.mode or "signed"
        mode = self._answer("mode", say("init-mode"), known, default=default)
        self.draft = replace(self.draft, mode=mode)

    def _ask_url(self) -> None:
        if self.draft.mode != LinkMode.PAGE:
            self.draft = replace(self.draft, url="")
            return
        port = self.draft.port or PAGES_PORT

        def check(text: str) -> Draft:
            changed = replace(self.draft, url=origin_of(text), port=port)
            self._look_for_pages(changed)
            return changed

        self.draft = self._answer("url", say("init-url", port=port), check)

    def _look_for_pages(self, draft: Draft) -> None:
        """Check that the address leads here. It may do so later only: without a person the answer
        is kept, and a person may go on without.
        """
        while True:
            try:
                asyncio.run(check_pages(draft))
            except PagesElsewhere as error:
                typer.echo(f"  {error}; {error.remedy}", err=True)
            else:
                typer.echo(f"  {say('init-url-ok')}")
                return
            if not self._dialogue.is_interactive:
                return
            if self._dialogue.ask(say("init-url-retry"), "", default="").lower() in {"s", "skip"}:
                typer.echo(f"  {say('init-url-later')}")
                return

    def _ask_admin(self) -> None:
        given = self._given.pop("admins", "")
        if not given and not self._dialogue.is_interactive:
            raise BadAnswer(say("init-no-admin"))
        admins = [int(admin) for admin in given.split(",") if admin] or [self._find_admin()]
        self.draft = replace(self.draft, admins=tuple(admins))

    def _find_admin(self) -> int:
        question = say("init-admin", username=self.profile.username)
        declined = set[int]()
        while True:
            text = self._dialogue.ask(question, "--admin", default="")
            if text.isdecimal() and int(text):
                return int(text)
            if text:
                typer.echo(f"  {say('init-not-an-id')}", err=True)
                continue
            with suppress(Back):
                for writer in self._writers(declined):
                    if self._dialogue.agrees(f"  {say('init-is-admin', who=_describe(writer))}"):
                        return writer.id
                    declined.add(writer.id)

    def _writers(self, declined: Collection[int]) -> list[MessageAuthor]:
        typer.echo(f"  {say('init-waiting', seconds=round(PATIENCE))}")
        try:
            found = self._reaching("proxy", lambda: find_writers(self.draft, PATIENCE, declined))
        except BadAnswer as error:
            typer.echo(f"  {error}", err=True)
            return []
        if not found:
            typer.echo(f"  {say('init-no-message')}")
        return found


class _Skipped(Exception):
    """The person goes on without the right that a key lacks."""


def _describe(writer: MessageAuthor) -> str:
    username = f" @{writer.username}" if writer.username else ""
    # Names are chosen by users, and this goes to a terminal.
    name = "".join(char for char in writer.name if char.isprintable())
    return f"{name}{username} (id {writer.id})"


def _conclude(path: Path, profile: BotProfile) -> None:
    typer.echo(f"{say('init-written', path=path)}\n")
    rows = asyncio.run(examine(path, os.environ))
    show_rows(rows, as_json=False)
    typer.echo(f"\n{say('init-next', path=path, username=profile.username)}")
    raise typer.Exit(FAILED if worst(rows) is Verdict.BROKEN else OK)
