"""`relay-bot doctor`: runs every check and prints the rows; checks settings and this machine."""

import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from bot import __version__
from bot.adapters.ledger.backup import (
    LedgerInspection,
    ServerInspection,
    examine_ledger,
    examine_server,
)
from bot.adapters.ledger.schema import VERSION
from bot.cli.common import (
    FAILED,
    OK,
    WARNED,
    Lang,
    Row,
    SettingsFile,
    Verdict,
    broken,
    log_quietly,
    named,
    ok,
    print_json,
    print_table,
    say,
    settings_file,
    size,
    speak,
    warning,
    worst,
)
from bot.cli.doctor.store import examine_store
from bot.cli.doctor.telegram import examine_pages, examine_telegram
from bot.clock import SystemClock
from bot.core.errors import LedgerUnusable
from bot.core.jobs import MIB
from bot.core.ports import Clock
from bot.core.ports.ledger import LedgerServer
from bot.core.ports.runs import Role
from bot.logs import configure
from bot.settings import Settings, SettingsError, endpoint_problems, load, warnings
from bot.transfer.spool import free_bytes


async def examine(
    path: Path | None, environ: Mapping[str, str], *, clock: Clock | None = None
) -> list[Row]:
    """Check everything that these settings refer to; if they are unusable, only the settings.

    Changes nothing except for a test object below the bot's own prefix, which is deleted again.
    """
    try:
        settings = load(path, environ)
    except SettingsError as error:
        remedy = say("doctor-put-right", path=path) if path else say("doctor-write-settings")
        return [broken("settings", "; ".join(error.problems), remedy)]
    clock = clock or SystemClock()
    telegram, store = await asyncio.gather(
        examine_telegram(settings, clock), examine_store(settings, clock)
    )
    pages = await examine_pages(settings, clock)
    machine = await examine_machine(settings, environ)
    return [_settings(settings, path, environ), *telegram, *store, *pages, *machine]


def _settings(settings: Settings, path: Path | None, environ: Mapping[str, str]) -> Row:
    # Those about endpoints have rows of their own.
    elsewhere = endpoint_problems(settings)
    found = [line for line in warnings(settings, path, environ) if line not in elsewhere]
    if found:
        return warning("settings", "; ".join(found), say("doctor-see-example"))
    where = {"mode": settings.link.mode.value, "bucket": settings.oss.bucket}
    return ok("settings", say("doctor-settings-ok", **where))


SAMPLE: Final = 32 * MIB
"""Bytes that are written to measure the speed of the disk."""
SLOW: Final = 20 * MIB
"""Bytes per second below which the disk, not the network, is likely to limit a transfer."""
SPARE_FILES: Final = 64
"""Descriptors needed beside those of transfers: ledger, spool, logs, the Bot API."""
PROXIES: Final = tuple(
    name for upper in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY") for name in (upper, upper.lower())
)


async def examine_machine(settings: Settings, environ: Mapping[str, str]) -> list[Row]:
    """Check this machine. Writes 32 MiB into the spool, and removes them."""
    return [
        await asyncio.to_thread(_spool, settings),
        *await asyncio.to_thread(_ledger, settings),
        _descriptors(settings),
        _proxies(settings, environ),
    ]


def _existing(folder: Path) -> Path:
    """Return the folder, or its nearest existing parent: the rest will be created."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _spool(settings: Settings) -> Row:
    given = settings.spool
    place = _existing(given.folder)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        meaning = say("doctor-unwritable", place=place)
        return broken("spool", meaning, say("doctor-spool-remedy"))
    free = free_bytes(place)
    room = free - given.keep_free
    if room < settings.telegram.limit:
        return broken(
            "spool",
            say("doctor-no-room", free=size(free), kept=size(given.keep_free)),
            say("doctor-no-room-remedy"),
        )
    try:
        rate = _write_rate(place)
    except OSError as error:
        meaning = say("doctor-unwritable-why", place=place, why=error.strerror)
        return broken("spool", meaning, say("doctor-look-at-disk"))
    meaning = say("doctor-spool-ok", room=size(room), rate=size(int(rate)))
    if room < given.quota:
        text = say("doctor-over-quota", meaning=meaning)
        return warning("spool", text, say("doctor-over-quota-remedy"))
    if rate < SLOW:
        return warning("spool", say("doctor-slow", meaning=meaning), say("doctor-slow-remedy"))
    return ok("spool", meaning)


def _write_rate(folder: Path) -> float:
    """Measure the write rate of the disk in bytes per second. The file has no name, so it cannot
    be left behind.
    """
    block = os.urandom(MIB)
    with tempfile.TemporaryFile(dir=folder) as file:
        begun = time.monotonic()
        for _ in range(SAMPLE // MIB):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        return SAMPLE / max(time.monotonic() - begun, 1e-6)


def _ledger(settings: Settings) -> list[Row]:
    place = settings.ledger.place
    return [_file(place)] if isinstance(place, Path) else _server_rows(place)


def _file(path: Path) -> Row:
    place = _existing(path)
    if not os.access(place, os.R_OK | os.W_OK) or (place != path and not place.is_dir()):
        meaning = say("doctor-unwritable", place=place)
        return broken("ledger", meaning, say("doctor-ledger-path"))
    if place != path:
        return ok("ledger", say("doctor-no-ledger", path=path))
    return _ledger_row(path, examine_ledger(path))


def _ledger_row(path: Path, actual: LedgerInspection) -> Row:
    if actual.damage:
        return broken(
            "ledger",
            say("doctor-damaged", path=path, why=actual.damage),
            say("doctor-damaged-remedy"),
        )
    if actual.unusable:
        return broken(
            "ledger",
            say("doctor-unusable", path=path, why=actual.unusable),
            say("doctor-unusable-remedy"),
        )
    if actual.version and not actual.is_known:
        return broken(
            "ledger",
            say("doctor-too-new", path=path, version=actual.version),
            say("doctor-too-new-remedy"),
        )
    if not actual.is_newest:
        if not actual.version:
            return ok("ledger", say("doctor-empty-ledger"))
        return ok("ledger", say("doctor-old-ledger", version=actual.version))
    return ok("ledger", say("doctor-ledger-ok", version=actual.version))


CONNECTIONS: Final[Mapping[Role, int]] = {Role.ALL: 3, Role.FRONT: 5, Role.WORKER: 8}
"""Connections of a process to the server, at most."""
CONNECTIONS_OF_COMMAND: Final = 4
"""Those of the command that has most: `send`."""
SLOW_ANSWER: Final = timedelta(milliseconds=20)
"""Round trip above which the ledger, not the network of files, is likely to limit small files."""
LARGEST_DIFFERENCE: Final = timedelta(seconds=60)
"""Between two clocks, beyond which times in logs and in the ledger mislead."""


def _server_rows(place: LedgerServer) -> list[Row]:
    try:
        found = examine_server(place)
    except LedgerUnusable as error:
        meaning = say("doctor-unusable", path=str(place), why=error.reason)
        return [broken("ledger", meaning, say("doctor-database-remedy"))]
    if found.version and not found.is_known:
        meaning = say("doctor-too-new", path=str(place), version=found.version)
        return [broken("ledger", meaning, say("doctor-too-new-remedy"))]
    if found.missing:
        meaning = say("doctor-database-rights", missing=", ".join(found.missing))
        return [broken("ledger", meaning, say("doctor-database-rights-remedy"))]
    return [_schema_row(found), *_way_rows(found), *_worker_rows(found)]


def _worker_rows(found: ServerInspection) -> list[Row]:
    """Return one row about the workers, where there are any."""
    if not found.workers:
        return []
    names = ", ".join(worker.name for worker in found.workers)
    versions = {worker.version for worker in found.workers} | {__version__}
    slots = sum(worker.slots for worker in found.workers)
    if len(versions) > 1:
        meaning = say("doctor-workers-versions", versions=", ".join(sorted(versions)))
        return [warning("workers", meaning, say("doctor-workers-versions-remedy"))]
    if idle := [f"{one.name} ({one.root})" for one in found.workers if not one.slots]:
        meaning = say("doctor-workers-idle", names="; ".join(idle), slots=slots)
        return [warning("workers", meaning, say("doctor-workers-idle-remedy"))]
    return [ok("workers", say("doctor-workers-ok", names=names, slots=slots))]


def _schema_row(found: ServerInspection) -> Row:
    if not found.version:
        return ok("ledger", say("doctor-database-empty", server=found.server))
    values = {"server": found.server, "version": found.version}
    if found.version != VERSION:
        return ok("ledger", say("doctor-database-old", **values))
    return ok("ledger", say("doctor-database-ok", **values))


def _way_rows(found: ServerInspection) -> list[Row]:
    """Return the warnings about the way to the server, or one row without any."""
    milliseconds = f"{found.latency / timedelta(milliseconds=1):.1f}"
    rows: list[Row] = []

    def warn(meaning: str, remedy: str) -> None:
        rows.append(warning("ledger server", meaning, remedy))

    if not found.is_private:
        warn(say("doctor-database-open"), say("doctor-database-open-remedy"))
    if found.latency > SLOW_ANSWER:
        meaning = say("doctor-database-slow", latency=milliseconds)
        warn(meaning, say("doctor-database-slow-remedy"))
    if abs(found.ahead) > LARGEST_DIFFERENCE:
        seconds = f"{found.ahead.total_seconds():+.0f}"
        meaning = say("doctor-database-clock", seconds=seconds)
        warn(meaning, say("doctor-database-clock-remedy"))
    each = {role.value: count for role, count in CONNECTIONS.items()}
    each["command"] = CONNECTIONS_OF_COMMAND
    if found.free < (needed := _needed(found)):
        meaning = say("doctor-database-full", free=found.free, needed=needed)
        warn(meaning, say("doctor-database-full-remedy", **each))
    meaning = say("doctor-database-way", latency=milliseconds, free=found.free, **each)
    return rows or [ok("ledger server", meaning)]


def _needed(found: ServerInspection) -> int:
    """Return how many connections the next process and a command beside it need. A bot without
    workers is complete.
    """
    if found.workers:
        return CONNECTIONS[Role.WORKER] + CONNECTIONS_OF_COMMAND
    return CONNECTIONS_OF_COMMAND + (0 if found.bot_runs else CONNECTIONS[Role.ALL])


def _descriptors(settings: Settings) -> Row:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    transfer = settings.transfer
    needed = 2 * transfer.connections + 2 * transfer.at_once + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        return warning(
            "file descriptors",
            say("doctor-few-files", may=soft, needed=needed),
            say("doctor-few-files-remedy"),
        )
    may = say("doctor-any-number") if soft < 0 else soft
    return ok("file descriptors", say("doctor-files-ok", may=may, needed=needed))


def _proxies(settings: Settings, environ: Mapping[str, str]) -> Row:
    found = [name for name in PROXIES if environ.get(name)]
    unset = [
        name
        for name, value in (
            ("telegram.proxy", settings.telegram.proxy),
            ("oss.proxy", settings.oss.proxy),
        )
        if value is None
    ]
    if found and unset:
        return warning(
            "proxy",
            say("doctor-proxy-unused", variable=found[0]),
            say("doctor-proxy-remedy", keys=say("doctor-and").join(unset)),
        )
    return ok("proxy", say("doctor-no-proxy" if len(unset) == 2 else "doctor-proxy-ok"))


CODES: Final = {Verdict.OK: OK, Verdict.WARNING: WARNED, Verdict.BROKEN: FAILED}
_STYLES: Final = {Verdict.OK: "", Verdict.WARNING: "yellow", Verdict.BROKEN: "bold red"}


def doctor(
    *,
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per row.")] = False,
    lang: Lang = None,
) -> None:
    """Check settings, Telegram, OSS and this machine; print the meaning and remedy of each
    finding. Exit code 0: all ok, 3: warnings only, 1: something is broken.

    Example: relay-bot doctor --settings /etc/relay-bot/settings.toml
    """
    speak(lang)
    path = settings_file(settings)
    # Problems become rows, so no log is needed beside them.
    try:
        log_quietly(load(path, os.environ), "error")
    except SettingsError:
        configure("error", "auto", stream=sys.stderr, tracebacks=False)
    rows = asyncio.run(examine(path, os.environ))
    show_rows(rows, as_json=as_json)
    raise typer.Exit(CODES[worst(rows)])


def show_rows(rows: Sequence[Row], *, as_json: bool) -> None:
    """Print the rows of a check."""
    if as_json:
        for row in rows:
            print_json(asdict(row))
        return
    cells = [
        (named("row", row.name), named("verdict", row.verdict.value), row.meaning, row.remedy)
        for row in rows
    ]
    styles = [_STYLES[row.verdict] for row in rows]
    columns = ("doctor-what", "doctor-is", "doctor-meaning", "doctor-remedy")
    print_table(
        f"doctor: {named('verdict', worst(rows).value)}",
        [say(column) for column in columns],
        cells,
        styles=styles,
    )
