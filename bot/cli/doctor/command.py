"""`relay-bot doctor`: runs every check and prints the rows."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

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
    warning,
    worst,
)
from bot.cli.doctor.machine import examine_machine
from bot.cli.doctor.store import examine_store
from bot.cli.doctor.telegram import examine_telegram
from bot.clock import SystemClock
from bot.core.ports.clock import Clock
from bot.logs import configure
from bot.settings import Settings, SettingsError, endpoint_problems, load, overrides, warnings


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
    found = [line for line in warnings(settings, path) if line not in elsewhere]
    found += overrides(path, environ)
    if found:
        return warning("settings", "; ".join(found), "see settings.example.toml for each")
    return ok("settings", f"{settings.link.mode.value} links in {settings.oss.bucket}")


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
