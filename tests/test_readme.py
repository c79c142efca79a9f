"""The README names what exists."""

from pathlib import Path

from typer.main import get_command

from bot.cli import app
from bot.core.errors import all_codes

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_error_code_is_explained() -> None:
    """The table of errors has every code of the tree."""
    missing = {code for code in all_codes() if f"`{code}`" not in README}

    assert set() == missing


def test_every_command_is_named() -> None:
    """The table of commands has every command."""
    commands = get_command(app).commands  # type: ignore[attr-defined] # typer builds a click group.
    missing = {name for name in commands if f"relay-bot {name}" not in README}

    assert set() == missing


def test_every_link_into_the_project_leads_somewhere() -> None:
    """Relative links point at files that exist."""
    targets = [part.split(")")[0] for part in README.split("](")[1:]]
    dead = [t for t in targets if "://" not in t and not (ROOT / t).exists()]

    assert dead == []
