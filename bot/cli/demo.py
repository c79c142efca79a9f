"""`relay-bot demo` and `relay-bot sandbox`: the bot, or the simulators alone."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli.common import BAD_SETTINGS, OK, fail


def demo(
    *,
    file: Annotated[
        Path | None, typer.Option("--file", help="The file to send; default: a made one of 12 MB.")
    ] = None,
    chat: Annotated[
        bool, typer.Option("--chat", help="Send files yourself, from a page in the browser.")
    ] = False,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page of --chat.")
    ] = True,
    local: Annotated[
        bool, typer.Option("--local", help="With a Bot API server in local mode: larger files.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the page of --chat; 0 takes a free one.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option(
            # One is killed, and another goes on.
            min=2,
            max=8,
            help="A front and so many workers, each a process, on PostgreSQL; one is killed.",
        ),
    ] = None,
) -> None:
    """Send files through the whole bot on this machine, without any account.

    Example: relay-bot demo --file holiday.zip
    """
    from bot.demo import run_chat, run_demo

    if workers is not None:
        raise typer.Exit(_run_workers(workers, is_alone=not (chat or local or file)))
    if file is not None and not file.is_file():
        typer.echo(f"there is no file {file}", err=True)
        raise typer.Exit(BAD_SETTINGS)
    if not chat:
        raise typer.Exit(_run(run_demo(file, local=local)))
    if local:
        raise typer.BadParameter("--chat has no local mode; relay-bot sandbox --local has")
    if file is not None:
        raise typer.BadParameter("--chat takes no file: drop it on the page")
    try:
        asyncio.run(run_chat(typer.echo, port=port, browser=browser))
    except KeyboardInterrupt:
        fail("interrupted before a clean end")
    raise typer.Exit(OK)


def _run(story: Coroutine[Any, Any, int]) -> int:
    with _ending_in_a_line():
        return asyncio.run(story)


def _run_workers(workers: int, *, is_alone: bool) -> int:
    if not is_alone:
        raise typer.BadParameter("--workers takes none of --chat, --local and --file")
    # Imported only here: no other demo needs a server.
    from bot.demo.workers import NoCluster, run_workers_demo

    with _ending_in_a_line():
        try:
            return run_workers_demo(workers)
        except NoCluster as error:
            fail(error)


@contextmanager
def _ending_in_a_line() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        fail("stopped; nothing is kept")
    except TimeoutError:
        fail("what the demo waited for did not happen in time; is this machine very busy?")


def sandbox(
    *,
    folder: Annotated[Path, typer.Option(help="Where the simulators keep their data.")] = Path(
        "sandbox"
    ),
    telegram_port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    oss_port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    local: Annotated[
        bool, typer.Option("--local", help="Let the Bot API server run in local mode.")
    ] = False,
) -> None:
    """Run simulators of Telegram and OSS on this machine, and print settings for a bot that uses
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
