"""The README names what exists, in both languages."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from bot.adapters.telegram.application import ADMIN_COMMANDS, CHIEF_COMMANDS, COMMANDS
from bot.cli.main import app
from bot.core.errors import all_codes
from bot.settings import Settings
from bot.settings.problems import walk

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-Hans.md").read_text(encoding="utf-8")
BOTH = pytest.mark.parametrize("text", [README, CHINESE], ids=["en", "zh-Hans"])


def headings(text: str) -> list[str]:
    """Return the marks of all headings, in order."""
    return re.findall(r"^(#+) ", text, re.MULTILINE)


def rows(text: str) -> list[int]:
    """Return how many cells each row of a table has, in order."""
    return [line.count("|") for line in text.splitlines() if line.startswith("|")]


def spans(text: str) -> list[str]:
    """Return everything in code spans, sorted: commands, settings, codes, paths."""
    return sorted(re.findall(r"`([^`\n]+)`", text))


def targets(text: str) -> list[str]:
    """Return where links lead, in order."""
    return re.findall(r"\]\(([^)]+)\)", text)


@BOTH
def test_every_error_code_is_explained(text: str) -> None:
    """The table of errors has every code of the tree."""
    missing = {code for code in all_codes() if f"`{code}`" not in text}

    assert set() == missing


@BOTH
def test_every_command_is_named(text: str) -> None:
    """The table of commands has every command."""
    commands = get_command(app).commands  # type: ignore[attr-defined] # typer builds a click group.
    missing = {name for name in commands if f"relay-bot {name}" not in text}

    assert set() == missing


@BOTH
def test_every_chat_command_is_named(text: str) -> None:
    """Every command in the menus of Telegram is explained."""
    names = {*COMMANDS, *ADMIN_COMMANDS, *CHIEF_COMMANDS}
    missing = {name for name in names if not re.search(rf"`/{name}\b", text)}

    assert set() == missing


@BOTH
def test_every_limit_is_named(text: str) -> None:
    """The table of limits has every setting of their section."""
    keys = {key for key, _ in walk(Settings) if key.startswith("limits.")}
    missing = {key for key in keys if f"`{key}`" not in text}

    assert set() == missing


@BOTH
def test_every_link_into_the_project_leads_somewhere(text: str) -> None:
    """Relative links point at files that exist."""
    dead = [t for t in targets(text) if "://" not in t and not (ROOT / t).exists()]

    assert dead == []


def test_twins_have_the_same_structure() -> None:
    """Headings and tables follow each other alike, and so do the links."""
    assert headings(README) == headings(CHINESE)
    assert rows(README) == rows(CHINESE)

    own = {"README.md", "README.zh-Hans.md"}
    assert [t for t in targets(README) if t not in own] == [
        t for t in targets(CHINESE) if t not in own
    ]


def test_twins_name_the_same_things() -> None:
    """Every command, setting, code and path is in both."""
    assert spans(README) == spans(CHINESE)


def test_twins_know_each_other() -> None:
    """Each README links to the one in the other language, before the first section."""
    assert "README.zh-Hans.md" in README.split("\n## ")[0]
    assert "README.md" in CHINESE.split("\n## ")[0]
