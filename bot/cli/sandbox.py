"""`relay-bot sandbox`: the loopback stand-ins for Telegram and OSS."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer


def sandbox(
    *,
    folder: Annotated[Path, typer.Option(help="Where the stand-ins keep their data.")] = Path(
        "sandbox"
    ),
    telegram_port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    oss_port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    local: Annotated[
        bool, typer.Option("--local", help="Let the Bot API server run in local mode.")
    ] = False,
) -> None:
    """Run the loopback stand-ins for Telegram and OSS, and print settings for a bot that uses
    them.

    Example: relay-bot sandbox --folder /tmp/sandbox
    """
    from bot.sandbox.run import run_sandbox

    try:
        asyncio.run(
            run_sandbox(
                folder, typer.echo, telegram_port=telegram_port, oss_port=oss_port, local=local
            )
        )
    except KeyboardInterrupt:
        typer.echo("stopped")
