"""The Python sources of the repository, parsed once."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SANDBOX = "bot.sandbox"
"""The stand-ins are a program of their own and are measured only where a function says so."""


@dataclass(frozen=True, slots=True)
class Source:
    """One Python module: its dotted name, its path below the root, its text and its tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """The number of lines, blank lines and comments included."""
        return len(self.text.splitlines())

    @property
    def is_package(self) -> bool:
        """Whether this is the `__init__` of a package."""
        return self.path.name == "__init__.py"


@cache
def sources(package: str, root: Path = ROOT) -> tuple[Source, ...]:
    """Parse every module below `root / package`, ordered by path; an empty file is no module."""
    paths = sorted((root / package).rglob("*.py"))
    parsed = (_parse(path, root) for path in paths)
    return tuple(source for source in parsed if source.text.strip())


def _parse(path: Path, root: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    relative = path.relative_to(root)
    return Source(module_name(relative), relative, text, ast.parse(text))


def module_name(relative: Path) -> str:
    """Return the dotted name of the module at a path below the root."""
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_within(name: str, package: str) -> bool:
    """Return whether the module `name` is `package` or lies below it."""
    return name == package or name.startswith(f"{package}.")


def program() -> list[Source]:
    """Return the modules of `bot` without the sandbox."""
    return [source for source in sources("bot") if not is_within(source.name, SANDBOX)]
