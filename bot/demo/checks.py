"""What the demo measured, and whether it is what was promised."""

from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass
class Checks:
    """A list of measured facts; a line is true only because it was looked at."""

    lines: list[tuple[str, str, bool]] = field(default_factory=list)

    def add(self, what: str, measured: object, *, holds: bool) -> None:
        """Record one measurement."""
        self.lines.append((what, str(measured), holds))

    @property
    def all_hold(self) -> bool:
        """Whether every line holds, and there is any."""
        return bool(self.lines) and all(holds for _, _, holds in self.lines)

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(title="What was checked", title_justify="left", show_lines=False)
        table.add_column("check")
        table.add_column("measured", overflow="fold")
        table.add_column("holds")
        for what, measured, holds in self.lines:
            table.add_row(what, measured, "[green]yes[/]" if holds else "[bold red]NO[/]")
        console.print(table)
