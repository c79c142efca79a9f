"""The settings file: the example with the answers in it, so that it stays the manual it is."""

import json
import os
import re
import secrets
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from bot.cli.common import CommandFailed

_SECTION = re.compile(r"\[([a-z]+)\]")
_SETTING = re.compile(r"#?(?: e\.g\. )?([a-z_]+) = ")


def example() -> str:
    """Return the text of `settings.example.toml`: of the package, or of the source tree."""
    packaged = resources.files("bot.settings") / "example.toml"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parents[3] / "settings.example.toml").read_text(encoding="utf-8")


def render(values: Mapping[str, str | list[int]]) -> str:
    """Return the example with these values, by dotted key, in the lines that show the settings.

    Raises:
        LookupError: the example does not show one of them.
    """
    section, left, lines = "", dict(values), []
    for line in example().splitlines():
        if found := _SECTION.fullmatch(line):
            section = found[1]
        setting = _SETTING.match(line)
        key = f"{section}.{setting[1]}" if setting else ""
        # JSON's texts and lists of numbers are TOML's too.
        lines.append(
            f"{key.partition('.')[2]} = {json.dumps(left.pop(key), ensure_ascii=False)}"
            if key in left
            else line
        )
    if left:
        raise LookupError(f"the example does not show {', '.join(left)}")
    return "\n".join(lines) + "\n"


def write_settings(path: Path, text: str, *, force: bool) -> None:
    """Write the file, readable by its owner only, whole or not at all.

    Raises:
        OperationImpossible: it is there already and must not be overwritten, or cannot be written.
    """
    if path.exists() and not force:
        raise CommandFailed(f"{path} is there already; --force overwrites it")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise CommandFailed(f"cannot write {path}: {error.strerror}") from error
