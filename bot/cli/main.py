"""`relay-bot`: registers and dispatches the commands. Each prints its result and exits with a
documented code.

A command is imported when it is called: all together, they need every library of the program,
which costs a second and 100 MiB.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from io import TextIOWrapper
from types import ModuleType
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from bot import __version__

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "run": ("bot.cli.run", "Run the bot until SIGTERM or SIGINT"),
    "audit": ("bot.cli.status", "Compare the ledger with the bucket"),
    "init": ("bot.cli.init", "Ask for what the bot needs"),
    "setup": ("bot.cli.setup", "Configure the bucket for the bot"),
    "doctor": ("bot.cli.doctor", "Check settings, Telegram, OSS and this machine"),
    "send": ("bot.cli.send", "Relay files from this machine"),
    "status": (
        "bot.cli.status",
        "Show running and waiting jobs, and live links with their expiry",
    ),
    "links": ("bot.cli.status", "List the live pages behind links, or take one down"),
    "backup": ("bot.cli.ledger", "Copy the ledger to a file, and check the copy"),
    "restore": ("bot.cli.ledger", "Put a backup in the place of the ledger"),
    "ledger": ("bot.cli.ledger", "Move the ledger from its file to its server, or back"),
    "sandbox": ("bot.cli.demo", "Run simulators of Telegram and OSS on this machine"),
    "demo": ("bot.cli.demo", "Send files through the whole bot on this machine"),
}
"""The module of each command and its summary, with which its help begins."""

_HELP: Final = {"help_option_names": ["-h", "--help"]}


def _imported(module: str) -> ModuleType:
    """Import a module without garbage collection, which would traverse again and again what all
    stays, for a sixth of the time; exempt what is there from later collections.
    """
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        gc.enable()


class _Commands(Mapping[str, Any]):
    """The commands by name, each imported when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        module, _ = COMMANDS[name]
        from bot.cli.common import ending_in_a_line

        command: Callable[..., None] = getattr(_imported(module), name)
        single = typer.Typer(add_completion=False, context_settings=_HELP)
        single.command(name)(ending_in_a_line(command))
        return get_command(single)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _LazyGroup(TyperGroup):
    """Lists the commands by their summaries, and imports the one that is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands()  # type: ignore[assignment] # Nothing is added to it.

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a summary of the command, without importing it."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, help=f"{COMMANDS[cmd_name][1]}.")

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command that is called, and import it."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, self.commands[name or ""], rest


app = typer.Typer(
    name="relay-bot",
    cls=_LazyGroup,
    help="A Telegram bot that turns files into links which end within 24 hours.",
    no_args_is_help=True,
    context_settings=_HELP,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line."""
    # A terminal of another encoding shows "?" for what it lacks; the command goes on.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="relay-bot")
    except OSError as error:
        # Of the help or the version, on a full disk: the commands end in a line themselves.
        typer.echo(f"relay-bot: {error.strerror or type(error).__name__}", err=True)
        os._exit(1)


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
