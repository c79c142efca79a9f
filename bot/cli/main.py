"""`relay-bot`: registers and dispatches the commands, one module or package each. Each prints its
result and exits with a documented code.
"""

from typing import Annotated

import typer

from bot import __version__
from bot.cli.audit import audit
from bot.cli.common import ending_in_a_line
from bot.cli.demo import demo
from bot.cli.doctor.command import doctor
from bot.cli.init.command import init
from bot.cli.run import run
from bot.cli.sandbox import sandbox
from bot.cli.send.command import send
from bot.cli.setup.command import setup
from bot.cli.status import status

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


for command in (run, audit, init, setup, doctor, send, status, sandbox, demo):
    app.command()(ending_in_a_line(command))
