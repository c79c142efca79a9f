"""`python -m tests.tools.words [--list]`: vague pronouns per 1,000 words of docstrings and prose.

Docstrings are all strings that stand alone as a statement. Code in backticks or fences is not
counted, neither are the Python comments.
"""

import argparse
import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.tools.sources import ROOT, sources

BARRED = ("whoever", "whatever", "nobody", "somebody", "everybody", "theirs")
"""The words that the bar of `tests/test_structure.py` limits."""
COUNTED = (*BARRED, "anybody", "whose")
DOCUMENTS = (
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "deploy/README.md",
    "docs/CONTRIBUTING.md",
    "docs/commands.md",
    "docs/errors.md",
    "docs/using.md",
)

_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*")
_CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of English: the file and the line (from 1) where it begins."""

    path: Path
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """A counted word in lower case, and where it stands (line from 1)."""

    word: str
    path: Path
    line: int
    excerpt: str


@dataclass(frozen=True, slots=True)
class Count:
    """The number of words of some texts, and every place of a counted word."""

    total: int
    places: tuple[Place, ...]

    def per_thousand(self, *words: str) -> float:
        """Return how many of 1,000 words are one of `words`; 0 for no text."""
        found = sum(place.word in words for place in self.places)
        return 1000 * found / self.total if self.total else 0.0


def docstrings(package: str, root: Path = ROOT) -> Iterator[Text]:
    """Yield every docstring of a package, those of attributes included."""
    for source in sources(package, root):
        for node in ast.walk(source.tree):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                yield Text(source.path, node.lineno, node.value.value)


def prose(root: Path = ROOT) -> Iterator[Text]:
    """Yield the English documents and the comments of the settings."""
    for name in DOCUMENTS:
        yield Text(Path(name), 1, (root / name).read_text(encoding="utf-8"))
    settings = (root / "settings.example.toml").read_text(encoding="utf-8")
    yield Text(Path("settings.example.toml"), 1, _comments(settings))


def _comments(toml: str) -> str:
    """Return the comments, each on its line; `#key = value` is a default and no comment."""
    lines = toml.splitlines()
    return "\n".join(line if line.startswith("# ") else "" for line in lines)


def count(texts: Iterator[Text]) -> Count:
    """Count the words of some texts."""
    total, places = 0, list[Place]()
    for text in texts:
        plain = _CODE.sub(lambda code: "\n" * code[0].count("\n"), text.text)
        for number, line in enumerate(plain.splitlines(), start=text.line):
            found = [word.lower() for word in _WORD.findall(line)]
            total += len(found)
            excerpt = line.strip()
            places += [Place(w, text.path, number, excerpt) for w in found if w in COUNTED]
    return Count(total, tuple(places))


def measure(root: Path = ROOT) -> dict[str, Count]:
    """Count the docstrings of both packages and the prose."""
    return {
        "docstrings of bot": count(docstrings("bot", root)),
        "docstrings of tests": count(docstrings("tests", root)),
        "prose": count(prose(root)),
    }


def main(arguments: list[str]) -> int:
    """Print the counts, with `--list` also the places; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.words")
    parser.add_argument("--list", action="store_true", help="print every place of a counted word")
    options = parser.parse_args(arguments)
    for name, counted in measure().items():
        words = Counter(place.word for place in counted.places)
        each = ", ".join(f"{word} {words[word]}" for word in COUNTED)
        rate, all_rate = counted.per_thousand(*BARRED), counted.per_thousand(*COUNTED)
        sys.stdout.write(
            f"{name}: {counted.total} words; per 1,000: barred {rate:.2f}, all {all_rate:.2f}\n"
            f"  {each}\n"
        )
        for place in counted.places if options.list else ():
            sys.stdout.write(f"  {place.path}:{place.line}: {place.word}: {place.excerpt}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
