"""Imports are resolved to modules, and circles among them are found."""

from pathlib import Path

from tests.tools.circles import circles, imports_of
from tests.tools.sources import sources


def write(root: Path, **texts: str) -> None:
    """Write modules of the package `bot`; two underscores stand for a folder."""
    for name, text in texts.items():
        path = root / "bot" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_names_that_are_modules_stand_for_themselves(tmp_path: Path) -> None:
    """`from bot.x import y` imports `bot.x.y` if that is a module, else `bot.x`."""
    write(tmp_path, a="from bot.x import y, Z\nimport bot.x.w, os", x__y="1", x__w="1")
    (tmp_path / "bot/x/__init__.py").write_text("Z = 1", encoding="utf-8")

    assert imports_of(sources("bot", tmp_path))["bot.a"] == {"bot.x.y", "bot.x", "bot.x.w"}


def test_relative_imports_are_resolved(tmp_path: Path) -> None:
    """Dots count from the package of the module."""
    write(tmp_path, x__a="from . import b\nfrom ..c import D\nfrom .b import E", x__b="1", c="1")
    (tmp_path / "bot/x/__init__.py").write_text("from .a import E", encoding="utf-8")
    found = imports_of(sources("bot", tmp_path))

    assert found["bot.x.a"] == {"bot.x.b", "bot.c"}
    assert found["bot.x"] == {"bot.x.a"}


def test_hidden_imports_count(tmp_path: Path) -> None:
    """Imports under `TYPE_CHECKING` and in functions make circles as well."""
    write(
        tmp_path,
        a="if TYPE_CHECKING:\n    from bot.b import B",
        b="def f():\n    import bot.c",
        c="import bot.a",
        d="import bot.a",
    )

    assert circles(imports_of(sources("bot", tmp_path))) == [["bot.a", "bot.b", "bot.c"]]


def test_circles_are_separate() -> None:
    """Two circles that one import connects are two."""
    graph = {"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"e"}, "e": {"c"}, "f": set[str]()}

    assert circles(graph) == [["c", "d", "e"], ["a", "b"]]
