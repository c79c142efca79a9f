"""The help of every command."""

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from bot.cli.main import app

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined] # a click group.


@pytest.mark.parametrize("command", COMMANDS)
def test_one_example(command: str) -> None:
    """Each command shows what it does and exactly one example of itself."""
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    examples = [line for line in shown.output.splitlines() if "Example:" in line]

    assert (shown.exit_code, len(examples)) == (0, 1)
    assert f"relay-bot {command}" in examples[0]
