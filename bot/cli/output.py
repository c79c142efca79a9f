"""How commands show their results: a table for people, JSON for scripts."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from bot.jobs.audit import Finding


def show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print what an audit found; nothing found is said too."""
    if as_json:
        for finding in findings:
            print_json(asdict(finding))
        return
    if not findings:
        typer.echo("audit: nothing found")
        return
    rows = [
        (finding.kind.value, finding.subject, finding.detail, "yes" if finding.fixed else "no")
        for finding in findings
    ]
    print_table(f"{len(findings)} found", ("what", "where", "detail", "fixed"), rows)


def print_json(value: Any) -> None:
    """Print one JSON value on a line of its own; texts stay readable, times are ISO 8601."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=str))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    styles: Sequence[str] = (),
) -> None:
    """Print a table; long cells are folded, never cut. `styles` are those of the rows, and show
    on a terminal only.
    """
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for number, row in enumerate(rows):
        style = styles[number] if number < len(styles) else None
        # As texts, because square brackets of a name are no markup.
        table.add_row(*(Text(cell) for cell in row), style=style)
    Console().print(table)


def size(count: int | None) -> str:
    """Word a number of bytes in decimal units; `None` is a size that nobody knows yet."""
    return "?" if count is None else decimal(count)


def duration(length: timedelta) -> str:
    """Word a duration to the minute, below a minute to the second."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
