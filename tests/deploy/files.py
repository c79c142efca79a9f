"""The files of `deploy/`, and what the program knows of itself."""

import re
from pathlib import Path
from typing import Final

import typer.main

from bot.cli.main import app
from bot.settings import Settings
from bot.settings.loading import SECRETS
from bot.settings.problems import walk

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"

KEYS: Final = frozenset(key for key, _ in walk(Settings))
SECTIONS: Final = frozenset(key.partition(".")[0] for key in KEYS)


def read(name: str) -> str:
    """Return the text of a file of `deploy/`, or of the folder above."""
    path = DEPLOY / name if (DEPLOY / name).is_file() else ROOT / name
    return path.read_text(encoding="utf-8")


def variables(text: str) -> set[str]:
    """Return every variable in a text that names a setting."""
    return set(re.findall(r"\bRELAY_[A-Z_]+[A-Z]\b", text))


def settings_named(text: str) -> set[str]:
    """Return every dotted name in a text that begins with a section of the settings."""
    names = set(re.findall(r"(?<![\w./-])([a-z]+\.[a-z_]+)\b(?![\w./-]*/)", text))
    return {name for name in names if name.partition(".")[0] in SECTIONS}


def known_variables() -> set[str]:
    """Return every variable that the program reads."""
    plain = {f"RELAY_{key.upper().replace('.', '__')}" for key in KEYS}
    files = {f"RELAY_{key.upper().replace('.', '__')}_FILE" for key in SECRETS}
    defaults = {name.replace("RELAY_", "RELAY_DEFAULT__", 1) for name in plain}
    return plain | files | defaults


def known_commands() -> dict[str, set[str]]:
    """Return every command with its options."""
    group = typer.main.get_group(app)
    return {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in group.commands.items()
    }


def commands_named(text: str) -> set[tuple[str, tuple[str, ...]]]:
    """Return every call of `relay-bot` in a text, as the command and its options."""
    # Behind -g and -u it is the user of that name.
    calls = re.findall(r"(?<!-g )(?<!-u )\brelay-bot ([a-z]+)((?: --[a-z-]+)*)", text)
    return {(command, tuple(options.split())) for command, options in calls}
