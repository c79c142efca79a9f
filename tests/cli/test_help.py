"""The help of every command."""

import subprocess
import sys
from importlib import import_module
from inspect import getdoc
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from bot.cli.main import COMMANDS, app

HEAVY = {"telegram", "alibabacloud_oss_v2", "sqlalchemy", "pydantic", "aiohttp", "alembic"}


@pytest.mark.parametrize("command", COMMANDS)
def test_one_example(command: str) -> None:
    """Each command shows what it does and exactly one example of itself."""
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    examples = [line for line in shown.output.splitlines() if "Example:" in line]

    assert (shown.exit_code, len(examples)) == (0, 1)
    assert f"relay-bot {command}" in examples[0]


@pytest.mark.parametrize("words", [["-h"], ["run", "-h"], ["backup", "-h"]])
def test_the_short_option(words: list[str]) -> None:
    """`-h` is `--help`."""
    short = CliRunner().invoke(app, words)
    long = CliRunner().invoke(app, [*words[:-1], "--help"])

    assert (short.exit_code, short.output) == (0, long.output)


def test_the_list_has_a_line_for_each_command() -> None:
    """On a terminal of 80 columns no summary needs a second line."""
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).output
    _, commands = shown.split(" Commands ")

    assert len(commands.strip().splitlines()) == len(COMMANDS) + 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("relay-bot st", {"status"}),
        ("relay-bot setup --d", {"--dry-run"}),
        ("relay-bot run --", {"--settings", "--role", "--check", "--help"}),
    ],
)
def test_completion(line: str, expected: set[str]) -> None:
    """A shell completes the commands, and the options of each."""
    variables = {
        "_RELAY_BOT_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    shown = CliRunner().invoke(app, [], prog_name="relay-bot", env=variables)

    assert set(shown.output.split()) == expected


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_begins_with_its_summary(command: str) -> None:
    """The list of commands, which imports none of them, says of each what its own help says."""
    module, summary = COMMANDS[command]
    text = getdoc(getattr(import_module(module), command)) or ""

    assert " ".join(text.split()).startswith(summary)


def test_every_command_is_there() -> None:
    """The group has all commands, with their options."""
    commands = get_command(app).commands  # type: ignore[attr-defined] # a click group.

    assert {name: bool(command.params) for name, command in commands.items()} == dict.fromkeys(
        COMMANDS, True
    )


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_what_no_command_does_imports_no_library(option: str) -> None:
    """The version and the list of commands need none of the libraries of the commands."""
    code = (
        "import sys; from bot.cli.main import app; app([sys.argv[1]], standalone_mode=False);"
        "print(sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, option], capture_output=True, check=True, text=True
    )

    assert {name for name in HEAVY if f"'{name}'" in done.stderr} == set()


def test_an_unknown_command_is_refused() -> None:
    """A mistyped command is answered with the one that was meant."""
    shown = CliRunner().invoke(app, ["statsu"])

    assert shown.exit_code == 2
    assert "status" in shown.output


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_disk_is_full(words: list[str]) -> None:
    """What cannot be written ends in a line, without a traceback."""
    with Path("/dev/full").open("w") as full:  # the system's own device for this: full(4)
        command = [sys.executable, "-m", "bot", *words]
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert (ended.returncode, ended.stderr) == (1, "relay-bot: No space left on device\n")
