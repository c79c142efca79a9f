"""`relay-bot demo`: relays files through the whole bot on this machine."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.common import BAD_SETTINGS


def demo(
    *,
    file: Annotated[
        Path | None, typer.Option("--file", help="The file to send; default: 12 MB made up.")
    ] = None,
) -> None:
    """Send files through the whole bot on this machine, without any account.

    Example: relay-bot demo --file holiday.zip
    """
    from bot.demo import run_demo

    if file is not None and not file.is_file():
        typer.echo(f"there is no file {file}", err=True)
        raise typer.Exit(BAD_SETTINGS)
    raise typer.Exit(asyncio.run(run_demo(file)))
