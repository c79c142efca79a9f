"""The result of a benchmark, and its printed form."""

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
