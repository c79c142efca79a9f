"""`relay-bot backup` and `relay-bot restore`: files that are copies of a ledger; `relay-bot ledger
move`: from a file to a server, and back.
"""

import asyncio
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Final

import typer

from bot.adapters.ledger.backup import (
    BEGUN,
    back_up,
    examine_ledger,
    examine_server,
    move_rows,
    put_back,
    put_rows_back,
    require_sound,
)
from bot.adapters.ledger.database import Database, open_alone, sending
from bot.adapters.ledger.schema import VERSION
from bot.adapters.ledger.sqlite import SendingLock, process_lock
from bot.cli.common import (
    CommandFailed,
    SettingsFile,
    failing_in_a_line,
    load_settings,
    log_quietly,
    require_ledger,
    size,
)
from bot.core.errors import LedgerUnusable
from bot.core.ports.ledger import LedgerPlace, LedgerServer

_NAME: Final = "relay-%Y%m%dT%H%M%SZ.sqlite3"
_NAMED: Final = re.compile(r"relay-[0-9]{8}T[0-9]{6}Z\.sqlite3")
_STALE: Final = 24 * 60 * 60
"""Seconds (real) after which no process works in a folder of an unfinished copy any more."""


def backup(
    file: Annotated[Path, typer.Argument(help="A new file, or a folder for one named by time.")],
    *,
    settings: SettingsFile = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="In a folder: so many backups are kept.")
    ] = None,
) -> None:
    """Copy the ledger to a file, and check the copy. Works beside a running bot, and replaces no
    file.

    Example: relay-bot backup --keep 14 /var/backups/relay-bot
    """
    loaded = load_settings(settings)
    log_quietly(loaded)
    is_folder = file.is_dir()
    if keep and not is_folder:
        raise typer.BadParameter(f"{file} is no folder", param_hint="--keep")
    to = file / datetime.now(UTC).strftime(_NAME) if is_folder else file
    with failing_in_a_line(), _putting(to):
        require_ledger(loaded.ledger.place)
        back_up(loaded.ledger.place, to)
        removed = _thin_out(file, keep) if keep else 0
    typer.echo(f"{to}: {size(to.stat().st_size)}, checked")
    if removed:
        typer.echo(f"removed {removed} older ones")


def _thin_out(folder: Path, keep: int) -> int:
    """Remove the oldest backups, by their names, and what killed processes have left."""
    found = sorted(path for path in folder.iterdir() if _NAMED.fullmatch(path.name))
    for path in found[:-keep]:
        path.unlink(missing_ok=True)
    for path in folder.glob(f"{BEGUN}*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _STALE:
                shutil.rmtree(path, ignore_errors=True)
    return max(0, len(found) - keep)


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    *,
    settings: SettingsFile = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check the backup; change nothing.")
    ] = False,
) -> None:
    """Put a backup in the place of the ledger, which is kept under another name. A ledger on a
    server is not replaced: it has to be empty. Only while no bot runs.

    Example: relay-bot restore --check /var/backups/relay-bot/relay-20260101T044000Z.sqlite3
    """
    loaded = load_settings(settings)
    log_quietly(loaded)
    with failing_in_a_line():
        version = require_sound(file)
        if check:
            typer.echo(f"{file}: ok, schema {version}, {size(file.stat().st_size)}")
            return
        place = loaded.ledger.place
        if isinstance(place, Path):
            kept = _replace(place, file)
        else:
            kept = None
            _require_version(place, examine_server(place).version or VERSION)
            with _putting(Path(gettempdir())):
                asyncio.run(_restore(file, place))
    typer.echo(f"{place}: restored" + (f"; the former one is {kept}" if kept else ""))
    typer.echo("start the bot, then compare the ledger with the bucket: relay-bot audit")


def _replace(path: Path, file: Path) -> Path | None:
    """Put a backup in the place of the file; return where the former one is, if there was one."""
    kept = path.with_name(path.name + datetime.now(UTC).strftime(".replaced-%Y%m%dT%H%M%SZ"))
    with _alone(path), _putting(kept):
        had_one = path.exists()
        put_back(file, path, kept)
    return kept if had_one else None


async def _restore(file: Path, server: LedgerServer) -> None:
    """Put the rows of a backup into the ledger while this process has it for itself."""
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(put_rows_back, file, await _open_alone(stack, server))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let neither a bot nor a command that sends work on the ledger meanwhile.

    Raises:
        CommandFailed: a command sends files.
        LedgerLocked: a bot runs.
    """
    with process_lock(path):
        lock = SendingLock(path)
        try:
            if not lock.take_alone():
                raise CommandFailed(f"relay-bot send runs on the ledger {path}")
            yield
        finally:
            lock.close()


@contextmanager
def _putting(path: Path) -> Iterator[None]:
    """Say in words why nothing can be put at a path.

    Raises:
        CommandFailed: something is there, or the disk refuses it.
    """
    try:
        yield
    except FileExistsError as error:
        raise CommandFailed(f"{path} exists already; nothing was changed") from error
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror or error}") from error


class LedgerAction(StrEnum):
    """What `relay-bot ledger` can do."""

    MOVE = "move"


class MoveTarget(StrEnum):
    """Where a ledger can move to: `ledger.url` or `ledger.path`."""

    SERVER = "server"
    FILE = "file"


def ledger(
    action: Annotated[LedgerAction, typer.Argument(help="Copy all rows, and compare both sides.")],
    *,
    to: Annotated[
        MoveTarget,
        typer.Option("--to", help="From ledger.path to the server of ledger.url, or back."),
    ],
    settings: SettingsFile = None,
) -> None:
    """Move the ledger from its file to its server, or back. Only while no bot runs. What it was
    moved from stays as it is; what it is moved to has to be empty.

    Example: relay-bot ledger move --to server
    """
    del action
    loaded = load_settings(settings)
    log_quietly(loaded)
    with failing_in_a_line():
        file, server = loaded.ledger.path, loaded.ledger.place
        if not isinstance(server, LedgerServer):
            raise CommandFailed("name the server in ledger.url, or in RELAY_LEDGER__URL_FILE")
        source, target = (file, server) if to is MoveTarget.SERVER else (server, file)
        _require_newest(source)
        counts = asyncio.run(_move(source, target))
    for table, count in counts.items():
        typer.echo(f"{table}: {count}")
    typer.echo(f"{target}: {sum(counts.values())} rows, compared; {source} is as before")
    if to is MoveTarget.FILE:
        typer.echo("remove ledger.url from the settings before you start the bot")


def _require_newest(source: LedgerPlace) -> None:
    """Refuse to move what is no whole ledger of this version: only its own start upgrades it."""
    if isinstance(source, Path):
        require_ledger(source)
        found = examine_ledger(source)
        if reason := found.damage or found.unusable:
            raise LedgerUnusable(source, reason)
        version = found.version
    else:
        version = examine_server(source).version
    if not version:
        raise CommandFailed(f"there is no ledger in {source}; has the bot ever run here?")
    _require_version(source, version)


def _require_version(place: LedgerPlace, version: str) -> None:
    if version != VERSION:
        raise CommandFailed(
            f"the ledger {place} has schema {version}, and this version of the bot {VERSION};"
            " start the bot on it once"
        )


async def _refuse_workers(database: Database) -> None:
    # Here, because a ledger in a file has none.
    from bot.adapters.ledger.runs import list_workers

    if found := await database.read(list_workers):
        names = ", ".join(worker.name for worker in found)
        raise CommandFailed(f"workers run on the ledger {database.place}: {names}")


async def _open_alone(stack: AsyncExitStack, place: LedgerPlace) -> Database:
    """Open a ledger that no other process works on, until the end of the stack.

    Raises:
        CommandFailed: workers run, or a command sends files.
        LedgerLocked: a bot runs.
    """
    database = await stack.enter_async_context(open_alone(place))
    if isinstance(place, LedgerServer):
        await _refuse_workers(database)
    mark = await stack.enter_async_context(sending(database))
    if not await mark.take_alone():
        raise CommandFailed(f"relay-bot send runs on the ledger {place}")
    return database


async def _move(source: LedgerPlace, target: LedgerPlace) -> dict[str, int]:
    """Move the rows while this process has both ledgers for itself."""
    async with AsyncExitStack() as stack:
        opened = [await _open_alone(stack, place) for place in (source, target)]
        return await asyncio.to_thread(move_rows, *opened)
