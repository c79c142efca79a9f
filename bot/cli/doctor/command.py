"""`relay-bot doctor`: runs every check and prints the rows; checks settings and this machine."""

import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from bot.adapters.ledger.migration import LedgerInspection, examine_ledger
from bot.cli.common import (
    FAILED,
    OK,
    WARNED,
    Row,
    SettingsFile,
    Verdict,
    broken,
    log_quietly,
    ok,
    print_json,
    print_table,
    settings_file,
    size,
    warning,
    worst,
)
from bot.cli.doctor.store import examine_store
from bot.cli.doctor.telegram import examine_telegram
from bot.clock import SystemClock
from bot.core.jobs import MIB
from bot.core.ports.clock import Clock
from bot.logs import configure
from bot.settings import Settings, SettingsError, endpoint_problems, load, warnings


async def examine(
    path: Path | None, environ: Mapping[str, str], *, clock: Clock | None = None
) -> list[Row]:
    """Check everything that these settings refer to; if they are unusable, only the settings.

    Changes nothing except for a test object below the bot's own prefix, which is deleted again.
    """
    try:
        settings = load(path, environ)
    except SettingsError as error:
        remedy = f"put it right in {path}" if path else "write a settings file: relay-bot init"
        return [broken("settings", "; ".join(error.problems), remedy)]
    clock = clock or SystemClock()
    telegram, store = await asyncio.gather(
        examine_telegram(settings, clock), examine_store(settings, clock)
    )
    machine = await examine_machine(settings, environ)
    return [_settings(settings, path, environ), *telegram, *store, *machine]


def _settings(settings: Settings, path: Path | None, environ: Mapping[str, str]) -> Row:
    # Those about endpoints have rows of their own.
    elsewhere = endpoint_problems(settings)
    found = [line for line in warnings(settings, path, environ) if line not in elsewhere]
    if found:
        return warning("settings", "; ".join(found), "see settings.example.toml for each")
    return ok("settings", f"{settings.link.mode.value} links in {settings.oss.bucket}")


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
        await asyncio.to_thread(_ledger, settings),
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
        remedy = "set spool.folder to a folder that this user may write"
        return broken("spool", f"{place} cannot be written", remedy)
    disk = os.statvfs(place)
    free = disk.f_bavail * disk.f_frsize
    room = free - given.keep_free
    if room < settings.telegram.limit:
        return broken(
            "spool",
            f"{size(free)} are free and {size(given.keep_free)} must stay so"
            " (spool.keep_free): there is no room for one file of the largest size",
            "make room on that disk, or lower spool.keep_free or telegram.limit",
        )
    try:
        rate = _write_rate(place)
    except OSError as error:
        remedy = "look at the disk: its file system, its quota, the kernel's log"
        return broken("spool", f"{place} cannot be written: {error.strerror}", remedy)
    meaning = f"{size(room)} to use, written at {size(int(rate))}/s"
    if room < given.quota:
        remedy = "lower spool.quota to what is there, or make room"
        return warning("spool", f"{meaning}; spool.quota promises more", remedy)
    if rate < SLOW:
        remedy = "put spool.folder on a local disk; a network drive is the usual reason"
        return warning("spool", f"{meaning}, which is slow", remedy)
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


def _ledger(settings: Settings) -> Row:
    path = settings.ledger.path
    place = _existing(path)
    if not os.access(place, os.R_OK | os.W_OK) or (place != path and not place.is_dir()):
        remedy = "set ledger.path to a place that this user may write"
        return broken("ledger", f"{place} cannot be written", remedy)
    if place != path:
        return ok("ledger", f"there is none at {path} yet; the first start makes it")
    return _ledger_row(path, examine_ledger(path))


def _ledger_row(path: Path, actual: LedgerInspection) -> Row:
    if actual.damage:
        return broken(
            "ledger",
            f"{path} is damaged: {actual.damage}",
            "stop the bot, keep the file, put back the newest backup, then relay-bot audit --fix",
        )
    if actual.unusable:
        return broken(
            "ledger",
            f"{path} cannot be used: {actual.unusable}",
            "look at its disk (free space, file system, the kernel's log), at the rights of its"
            " files and folder, and at ledger.path; the file itself is not known to be damaged",
        )
    if actual.version and not actual.is_known:
        return broken(
            "ledger",
            f"{path} has schema {actual.version}, which only a newer version of the bot knows",
            "install the newer version, or put back the backup from before the upgrade",
        )
    if not actual.is_newest:
        return ok(
            "ledger", f"whole, schema {actual.version or 'empty'}; the next start upgrades it"
        )
    return ok("ledger", f"whole, schema {actual.version}")


def _descriptors(settings: Settings) -> Row:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    transfer = settings.transfer
    needed = 2 * transfer.connections + 2 * transfer.at_once + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        return warning(
            "file descriptors",
            f"this process may open {soft}, and may need {needed}",
            "raise the limit (ulimit -n, LimitNOFILE= of a service) or lower transfer.connections",
        )
    return ok("file descriptors", f"{'any number' if soft < 0 else soft}, {needed} may be needed")


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
            f"{found[0]} is set, and the bot does not use it",
            f"if this machine needs it, set {' and '.join(unset)}",
        )
    used = "none" if len(unset) == 2 else "as the settings say"
    return ok("proxy", used)


CODES: Final = {Verdict.OK: OK, Verdict.WARNING: WARNED, Verdict.BROKEN: FAILED}
_STYLES: Final = {Verdict.OK: "", Verdict.WARNING: "yellow", Verdict.BROKEN: "bold red"}


def doctor(
    *,
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per row.")] = False,
) -> None:
    """Check settings, Telegram, OSS and this machine; print the meaning and remedy of each
    finding. Exit code 0: all ok, 3: warnings only, 1: something is broken.

    Example: relay-bot doctor --settings /etc/relay-bot/settings.toml
    """
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
    cells = [(row.name, row.verdict.value, row.meaning, row.remedy) for row in rows]
    styles = [_STYLES[row.verdict] for row in rows]
    print_table(
        f"doctor: {worst(rows).value}",
        ("what", "is", "what it means", "what to do"),
        cells,
        styles=styles,
    )
