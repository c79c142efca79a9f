"""How commands show their results: a table for people, JSON for scripts."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import typer
from rich.console import Console
from rich.table import Table

from bot.service.audit import Finding


def show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print what an audit found; nothing found is said too."""
    if as_json:
        for finding in findings:
            typer.echo(json.dumps(asdict(finding), ensure_ascii=False))
        return
    if not findings:
        typer.echo("audit: nothing found")
        return
    table = Table(title=f"{len(findings)} found", title_justify="left")
    for column in ("what", "where", "detail", "fixed"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        fixed = "yes" if finding.fixed else "no"
        table.add_row(finding.kind.value, finding.subject, finding.detail, fixed)
    Console().print(table)
