"""Sizes, names and protocols are measured as documented."""

import ast
from pathlib import Path

import pytest

from tests.tools.protocols import lonely_protocols
from tests.tools.sources import Source
from tests.tools.structure import duplicate_classes, functions, percentile, too_long


def source(text: str, name: str = "bot.a", path: str = "bot/a.py") -> Source:
    """Return a module with this text."""
    return Source(name, Path(path), text, ast.parse(text))


def long_function(lines: int) -> str:
    """Return a function with a docstring and so many body lines."""
    return "def f():\n    '''Docstring.'''\n" + "    g()\n" * lines


def test_docstring_is_no_body() -> None:
    """Body lines begin after the docstring; a function within another counts for both."""
    text = "def f():\n    '''One.\n    Two.'''\n    a = [\n    ]\n    def g():\n        return a\n"

    assert [(f.name, f.body, f.whole) for f in functions([source(text)])] == [
        ("f", 4, 7),
        ("g", 1, 2),
    ]


def test_long_functions_are_found() -> None:
    """45 body lines are allowed, 46 are not, except in migrations."""
    modules = [
        source(long_function(45)),
        source(long_function(46), "bot.b", "bot/b.py"),
        source(long_function(46), "bot.migrations.c", "bot/migrations/c.py"),
    ]

    assert [function.source.name for function in too_long(modules)] == ["bot.b"]


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 5), (90, 9), (100, 10)])
def test_percentile(percent: int, expected: int) -> None:
    """It is the smallest value that covers the share."""
    assert percentile(range(10, 0, -1), percent) == expected


def test_same_class_name_in_two_modules() -> None:
    """A name counts once per module, and two modules make a duplicate."""
    one = source("class A: pass\nclass B: pass\nclass B: pass")
    two = source("def f():\n    class A: pass", "bot.b")

    assert duplicate_classes([one, two]) == {"A": ["bot.a", "bot.b"]}


PROTOCOL = "class Door(Protocol):\n    width: int\n    def open(self) -> None: ...\n"
ONE = "class Gate:\n    def __init__(self):\n        self.width = 1\n    def open(self): ...\n"


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ("", []),
        (ONE, ["bot.a.Gate"]),
        (ONE + "class Wall:\n    width: int\n", ["bot.a.Gate"]),
        (ONE + "class Iron(Gate): ...\n", None),
        (ONE + "class Named(Door): ...\n", None),
    ],
)
def test_protocols_with_one_implementation(others: str, expected: list[str] | None) -> None:
    """All members, own or inherited, make an implementation; so does the Protocol as a base."""
    found = lonely_protocols([source(PROTOCOL + others)])

    assert found == ({} if expected is None else {"bot.a.Door": expected})


def test_ports_may_have_one_implementation() -> None:
    """Protocols of the ports and those of functions are not listed."""
    port = source(PROTOCOL, "bot.core.ports.doors")
    call = source("class Ring(Protocol):\n    def __call__(self) -> None: ...")

    assert lonely_protocols([port, call]) == {}
