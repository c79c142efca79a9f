"""`relay-bot init`: the interview that writes a settings file."""

import asyncio
import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from bot.adapters.telegram.inspection import BotProfile
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
from bot.cli.doctor.command import examine, show_rows
from bot.cli.init.checks import BadAnswer, unfinished_of
from bot.cli.init.interview import Dialogue, Interview, stop
from bot.core.errors import RelayError

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
    proxy: Annotated[
        str,
        typer.Option(envvar="RELAY_TELEGRAM__PROXY", help="For Telegram: http://… or socks5://…"),
    ] = "",
    oss_proxy: Annotated[
        str, typer.Option(envvar="RELAY_OSS__PROXY", help="For OSS, which seldom needs one.")
    ] = "",
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
    lang: Lang = None,
) -> None:
    """Ask for what the bot needs, check each answer at once, and write the settings file; then run
    the doctor. Every answer can be given by options or variables (secrets best by variables); then
    there are no questions. Stopped by Ctrl-C, it goes on there next time.

    Example: relay-bot init --settings settings.toml
    """
    speak(lang)
    given = {
        "telegram.token": token,
        "telegram.base_url": base_url,
        "telegram.proxy": proxy,
        "oss.region": region,
        "oss.endpoint": endpoint,
        "oss.proxy": oss_proxy,
        "oss.access_key_id": access_key_id,
        "oss.access_key_secret": access_key_secret,
        "oss.bucket": bucket,
        "link.mode": mode,
    }
    answers = {key: text for key, text in given.items() if text}
    # Problems are printed in place; there is no log to read yet.
    logging.disable(logging.CRITICAL)
    try:
        interview = Interview(
            Dialogue(), settings, answers, admins=tuple(admin or ()), create=create
        )
        profile = interview.run(force=force)
    except (BadAnswer, CommandFailed, RelayError) as error:
        fail(error)
    except (typer.Abort, KeyboardInterrupt):
        unfinished = unfinished_of(settings)
        if not unfinished.exists():
            raise
        stop(say("init-stopped", file=str(unfinished)))
    finally:
        logging.disable(logging.NOTSET)
    _conclude(settings, profile)


def _conclude(path: Path, profile: BotProfile) -> None:
    typer.echo(say("init-written", file=str(path)) + "\n")
    rows = asyncio.run(examine(path, os.environ))
    show_rows(rows, as_json=False)
    typer.echo("\n" + say("init-next", file=str(path), bot=profile.username))
    raise typer.Exit(FAILED if worst(rows) is Verdict.BROKEN else OK)
