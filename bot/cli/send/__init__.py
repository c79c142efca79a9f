"""`relay-bot send`: relays files from a shell, in the same way as from a chat."""

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from bot.cli.common import (
    FAILED,
    OK,
    CommandFailed,
    SettingsFile,
    duration,
    fail,
    failing_in_a_line,
    load_settings,
    log_quietly,
    print_json,
    size,
)
from bot.cli.send.files import open_input
from bot.cli.send.sender import FileSender, SendFailed, Sent, open_sender
from bot.core.jobs import ProgressMeter
from bot.settings import Settings

LOOK_EVERY = 0.2
"""Seconds between two readings of the progress."""
STANDARD_INPUT = ("-", "/dev/stdin")
UNNAMED = "stdin.bin"


def send(
    files: Annotated[list[str], typer.Argument(help="Files to send; - is standard input.")],
    *,
    settings: SettingsFile = None,
    name: Annotated[
        str | None, typer.Option(help="The name of one file, or of what comes from a pipe.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per file.")] = False,
) -> None:
    """Relay files from this machine and print link, expiry, size and SHA-256 of each. The link
    expires like any other. Without a running bot only signed links can be made. Exit code 1 if any
    file failed; Ctrl-C removes the unfinished one.

    Example: tar c photos | relay-bot send --name photos.tar -
    """
    if name is not None and len(files) > 1:
        raise typer.BadParameter("it names one file, and there are several", param_hint="--name")
    loaded = load_settings(settings)
    log_quietly(loaded)
    # These lines are for the log of a bot; here every failure is printed in one line of its own.
    for module in ("runner", "lifecycle"):
        logging.getLogger(f"bot.jobs.{module}").setLevel(logging.CRITICAL)
    try:
        with failing_in_a_line():
            failed = asyncio.run(_send_all(loaded, files, name, as_json=as_json))
    except (KeyboardInterrupt, asyncio.CancelledError):
        fail("stopped; nothing of the unfinished file is left")
    raise typer.Exit(FAILED if failed else OK)


async def _send_all(
    settings: Settings, files: Sequence[str], name: str | None, *, as_json: bool
) -> int:
    failed = 0
    _cancel_on_sigterm()
    async with open_sender(settings) as sender:
        if not sender.beside_bot:
            typer.echo(
                "note: no bot runs on this ledger; OSS refuses each link at its end, and the bytes"
                " go when a bot next starts",
                err=True,
            )
        for file in files:
            try:
                sent = await _send_one(sender, file, name)
            except (SendFailed, CommandFailed) as error:
                failed += 1
                _show_failure(file, error, as_json=as_json)
            else:
                _show(sent, as_json=as_json)
    return failed


def _cancel_on_sigterm() -> None:
    """Make SIGTERM act as Ctrl-C does: the unfinished file is removed."""
    task = asyncio.current_task()
    # Only the main thread may handle signals.
    if task is not None and threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def _send_one(sender: FileSender, file: str, name: str | None) -> Sent:
    is_piped = file in STANDARD_INPUT
    path = None if is_piped else Path(file)
    shown = name or (UNNAMED if path is None else path.name)
    meter = ProgressMeter()
    standard_input = sys.stdin.fileno() if is_piped else -1
    with open_input(path, standard_input=standard_input, name=shown) as given, _bar() as bar:
        task = bar.add_task(shown, total=given.size)
        looking = asyncio.create_task(_look(bar, task, meter))
        try:
            return await sender.send(
                given,
                meter,
                on_wait=lambda code, at: bar.console.print(
                    f"{shown}: {code}; trying again at {at.astimezone():%H:%M:%S}", markup=False
                ),
            )
        finally:
            looking.cancel()


class _Moved(ProgressColumn):
    """Bytes at OSS, of how many, and how fast; rich's own columns have other units than a chat."""

    def render(self, task: Task) -> Text:
        """Return the text of one bar."""
        total = None if task.total is None else int(task.total)
        speed = f", {size(int(task.speed))}/s" if task.speed else ""
        return Text(f"{size(int(task.completed))} of {size(total)}{speed}")


def _bar() -> Progress:
    # On standard error and on a terminal only: standard output is what scripts read.
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _Moved(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


async def _look(bar: Progress, task: Any, meter: ProgressMeter) -> None:
    while True:
        snapshot = meter.snapshot()
        bar.update(task, completed=snapshot.stored, total=snapshot.total)
        await asyncio.sleep(LOOK_EVERY)


def _show(sent: Sent, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "name": sent.name,
                "link": sent.link,
                "expires_at": sent.expires_at.isoformat(),
                "size": sent.size,
                "sha256": sent.sha256,
            }
        )
        return
    left = duration(sent.expires_at - datetime.now(UTC))
    typer.echo(
        f"{sent.name}, {size(sent.size)}\n"
        f"{sent.link}\n"
        f"SHA-256 {sent.sha256}\n"
        f"ends {sent.expires_at:%Y-%m-%d %H:%M} UTC, in {left}"
    )


def _show_failure(file: str, error: Exception, *, as_json: bool) -> None:
    code = error.code if isinstance(error, SendFailed) else "impossible"
    if as_json:
        print_json({"name": file, "error": code})
    text = f"{error} (codes: docs/errors.md)" if isinstance(error, SendFailed) else error
    typer.echo(f"relay-bot: {text}", err=True)
