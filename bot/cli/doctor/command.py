"""`relay-bot doctor`."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Final

import typer

from bot.cli.common import FAILED, OK, WARNED, SettingsFile, settings_file
from bot.cli.doctor.doctor import Row, Verdict, worst
from bot.cli.doctor.run import examine
from bot.cli.output import print_json, print_table
from bot.logs import configure

CODES: Final = {Verdict.OK: OK, Verdict.WARNING: WARNED, Verdict.BROKEN: FAILED}
_STYLES: Final = {Verdict.OK: "", Verdict.WARNING: "yellow", Verdict.BROKEN: "bold red"}


def doctor(
    *,
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per row.")] = False,
) -> None:
    """Examine settings, Telegram, OSS and this machine; say what each finding means and what to
    do. Exit code 0: all ok, 3: warnings only, 1: something is broken.

    Example: relay-bot doctor --settings /etc/relay-bot/settings.toml
    """
    # What is wrong comes as a row; whoever reads it needs no log beside it.
    configure("error", "auto", stream=sys.stderr)
    rows = asyncio.run(examine(settings_file(settings), os.environ))
    show_rows(rows, as_json=as_json)
    raise typer.Exit(CODES[worst(rows)])


def show_rows(rows: Sequence[Row], *, as_json: bool) -> None:
    """Print what an examination found."""
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
