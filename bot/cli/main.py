"""The commands. Each prints what a person needs, and leaves with a documented exit code."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from bot import __version__
from bot.adapters.oss.anonymous_access import BucketExposed
from bot.adapters.telegram.errors import TokenRefused
from bot.adapters.telegram.intake import WebhookRefused
from bot.adapters.web.server import PortTaken
from bot.app import serve
from bot.cli.audit import run_audit
from bot.cli.common import (
    BAD_SETTINGS,
    FAILED,
    OK,
    SettingsFile,
    failing_in_a_line,
    load_settings,
    log_quietly,
    secrets_of,
)
from bot.cli.doctor.command import doctor
from bot.cli.init.command import init
from bot.cli.interpreter import favour_the_loop
from bot.cli.notify import Notifier
from bot.cli.output import show_findings
from bot.cli.send.command import send
from bot.cli.setup.command import setup
from bot.cli.status import status
from bot.core.errors import RelayError
from bot.logs import configure
from bot.settings import Settings, warnings

HOPELESS: Final = (
    BucketExposed,
    TokenRefused,
    PortTaken,
    WebhookRefused,
    RelayError,
)
"""Why a bot cannot run; the text of each says what to do."""

app = typer.Typer(
    name="relay-bot",
    help="A Telegram bot that turns files into links which end within 24 hours.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"relay-bot {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A Telegram bot that turns files into links which end within 24 hours."""


@app.command()
def run(
    settings: SettingsFile = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check the settings; exit code 2 if they are bad.")
    ] = False,
) -> None:
    """Run the bot until SIGTERM or SIGINT; a second signal ends it at once.

    Example: relay-bot run --settings /etc/relay-bot/settings.toml
    """
    loaded = load_settings(settings)
    for line in warnings(loaded):
        typer.echo(f"warning: {line}", err=True)
    if check:
        typer.echo("settings: ok")
        return
    configure(loaded.log.level, loaded.log.format, secrets=secrets_of(loaded))
    asyncio.run(_serve_until_signal(loaded))


async def _serve_until_signal(settings: Settings) -> None:
    stop, notifier = asyncio.Event(), Notifier(os.environ)
    _on_signals(stop, notifier)

    def ready(username: str) -> None:
        favour_the_loop()
        notifier.ready(f"listening as @{username}")

    # Held here, because the loop itself forgets a task that nobody holds.
    signs_of_life = asyncio.create_task(notifier.keep_alive())
    try:
        await serve(settings, stop=stop, ready=ready)
    except HOPELESS as error:
        typer.echo(f"relay-bot: {error}", err=True)
        _leave(FAILED)
    finally:
        signs_of_life.cancel()
    _leave(OK)


def _on_signals(stop: asyncio.Event, notifier: Notifier) -> None:
    def on_signal() -> None:
        if stop.is_set():
            # The second signal: whoever sends it does not want to wait for anything.
            os._exit(FAILED)
        stop.set()
        notifier.stopping()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)


def _leave(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # From inside the loop, and not by sys.exit: both the loop's end and the interpreter's would
    # wait for threads that hang in sockets. Everything is in the ledger by now.
    os._exit(code)


@app.command()
def audit(
    settings: SettingsFile = None,
    fix: Annotated[bool, typer.Option("--fix", help="Remove what is found.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per finding.")] = False,
) -> None:
    """Compare the ledger with the bucket; exit code 1 if anything is wrong. Works beside a running
    bot.

    Example: relay-bot audit --json
    """
    loaded = load_settings(settings)
    log_quietly(loaded)
    with failing_in_a_line():
        findings = asyncio.run(run_audit(loaded, fix=fix))
    show_findings(findings, as_json=as_json)
    raise typer.Exit(FAILED if findings else OK)


app.command()(init)
app.command()(setup)
app.command()(doctor)
app.command()(send)
app.command()(status)


@app.command()
def sandbox(
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

    _until_interrupted(
        run_sandbox(
            folder, typer.echo, telegram_port=telegram_port, oss_port=oss_port, local=local
        )
    )


@app.command()
def demo(
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


def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        typer.echo("stopped")
