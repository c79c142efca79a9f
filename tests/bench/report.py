"""The result of a benchmark, and its printed form."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Sheet:
    """The outcome of one benchmark: a table of ratios within one run."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def show(sheet: Sheet) -> None:
    """Print a sheet to the terminal."""
    console = Console()
    console.width = max(console.width, 110)  # Piped output would be cut to 80 columns.
    table = Table(title=sheet.title, title_justify="left")
    for number, column in enumerate(sheet.columns):
        table.add_column(column, justify="right" if number else "left")
    for row in sheet.rows:
        table.add_row(*row)
    console.print(table)
    for note in sheet.notes:
        console.print(note, soft_wrap=True)


def spread(figures: Sequence[float], form: str) -> str:
    """Return the median, and the least and the greatest of several figures."""
    shown = form.format(statistics.median(figures))
    if len(figures) == 1:
        return shown
    return f"{shown} ({form.format(min(figures))}-{form.format(max(figures))})"


def bar(figures: Sequence[float], most: float, form: str) -> str:
    """Return the most that the median may be, and whether it holds."""
    holds = statistics.median(figures) <= most
    return f"<= {form.format(most)}: {'holds' if holds else 'MISSED'}"


def least(figures: Sequence[float], wanted: float, form: str) -> str:
    """Return the least that the median may be, and whether it holds."""
    holds = statistics.median(figures) >= wanted
    return f">= {form.format(wanted)}: {'holds' if holds else 'MISSED'}"
