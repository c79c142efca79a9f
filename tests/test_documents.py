"""The README and `docs/`: they name what exists, and say the same in both languages."""

import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.main import get_command

from bot import __version__
from bot.adapters.ledger.totals import SAID_IS_KEPT_FOR
from bot.adapters.telegram.commands import BOT_ADMIN_MENU, GROUP_ADMIN_MENU, PRIVATE_MENU
from bot.adapters.telegram.intake import KEPT_FOR
from bot.cli.main import app
from bot.core.errors import all_codes
from bot.settings import Settings
from bot.settings.problems import walk

ROOT = Path(__file__).parent.parent
CHINESE = ".zh-Hans"
"""What the name of a Chinese twin has before its suffix."""
PAGES = (
    "README.md",
    "docs/using.md",
    "docs/commands.md",
    "docs/errors.md",
    "docs/CONTRIBUTING.md",
    "deploy/README.md",
    "SECURITY.md",
)
"""English pages with a twin."""
EACH = pytest.mark.parametrize("page", PAGES)


def twin_of(page: str) -> str:
    """Return the name of the Chinese twin."""
    return page.removesuffix(".md") + CHINESE + ".md"


def read(page: str) -> str:
    """Return the text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def both(page: str) -> list[str]:
    """Return the texts of a page in both languages."""
    return [read(page), read(twin_of(page))]


ALL_PAGES = (*PAGES, *map(twin_of, PAGES), "docs/wording.md", "ARCHITECTURE.md")


def headings(text: str) -> list[str]:
    """Return the marks of all headings, in order."""
    return re.findall(r"^(#+) ", without_code(text), re.MULTILINE)


def without_code(text: str) -> str:
    """Return a text without its blocks of code."""
    return re.sub(r"(?ms)^```.*?^```$", "", text)


def code_blocks(text: str) -> list[list[str]]:
    """Return the lines of every block of code, without comments, which are translated."""
    blocks = re.findall(r"(?ms)^```.*?\n(.*?)^```$", text)
    return [[line.partition("#")[0].rstrip() for line in block.splitlines()] for block in blocks]


def rows(text: str) -> list[int]:
    """Return how many cells each row of a table has, in order."""
    return [line.count("|") for line in text.splitlines() if line.startswith("|")]


def spans(text: str) -> list[str]:
    """Return everything in code spans, sorted: commands, settings, codes, paths."""
    return sorted(re.findall(r"`([^`\n]+)`", without_code(text)))


def targets(text: str) -> list[str]:
    """Return where links and pictures lead, in order."""
    return re.findall(r"\]\(([^)]+)\)", text)


def common(target: str) -> str:
    """Return a target without its language, and without the heading, which is translated."""
    return re.sub(r"\.(en|zh-Hans)\.", ".", target).partition("#")[0]


def anchors(text: str) -> set[str]:
    """Return the anchors of all headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("text", both("docs/errors.md"), ids=["en", "zh-Hans"])
def test_every_error_code_is_explained(text: str) -> None:
    """The table of errors has every code of the tree."""
    missing = {code for code in all_codes() if f"`{code}`" not in text}

    assert set() == missing


@pytest.mark.parametrize("text", both("docs/commands.md"), ids=["en", "zh-Hans"])
def test_every_command_is_named(text: str) -> None:
    """The table of commands has every command."""
    commands = get_command(app).commands  # type: ignore[attr-defined] # typer builds a click group.
    missing = {name for name in commands if f"relay-bot {name}" not in text}

    assert set() == missing


@pytest.mark.parametrize("text", both("docs/using.md"), ids=["en", "zh-Hans"])
def test_every_chat_command_and_limit_is_named(text: str) -> None:
    """Every command in the menus of Telegram is explained, and every limit is in the table."""
    names = {*PRIVATE_MENU, *GROUP_ADMIN_MENU, *BOT_ADMIN_MENU}
    keys = {key for key, _ in walk(Settings) if key.startswith("limits.")}

    assert {name for name in names if not re.search(rf"`/{name}\b", text)} == set()
    assert {key for key in keys if f"`{key}`" not in text} == set()


@pytest.mark.parametrize("text", both("README.md"), ids=["en", "zh-Hans"])
def test_readme_is_short(text: str) -> None:
    """The README is read at a sitting; longer pages stand in `docs/`."""
    assert len(text.splitlines()) <= 110


def test_readme_tells_what_is_kept() -> None:
    """The periods in the README are those of the program."""
    keep = Settings.model_fields["ledger"].annotation.model_fields["keep"].default  # type: ignore[union-attr] # a section.
    days = (timedelta(days=3), keep, KEPT_FOR)

    for text, hour, day in zip(both("README.md"), ("hours", "小时"), ("days", "天"), strict=True):
        section = text.split("\n## ")[3]
        assert f" {SAID_IS_KEPT_FOR // timedelta(hours=1)} {hour}" in section
        assert [d for d in days if f" {d.days} {day}" not in section] == []


@pytest.mark.parametrize("page", ALL_PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Relative links point at files that exist, and at headings that they have."""
    folder, dead = (ROOT / page).parent, list[str]()
    for target in targets(read(page)):
        name, _, anchor = target.partition("#")
        if "://" in target:
            continue
        path = folder / name if name else ROOT / page
        if not path.exists() or (anchor and anchor not in anchors(path.read_text("utf-8"))):
            dead.append(target)

    assert dead == []


@EACH
def test_twins_have_the_same_structure(page: str) -> None:
    """Headings, tables, blocks of code and links follow each other alike."""
    english, chinese = both(page)

    assert headings(english) == headings(chinese)
    assert rows(english) == rows(chinese)
    assert code_blocks(english) == code_blocks(chinese)
    assert [*map(common, targets(english))] == [*map(common, targets(chinese))]


@EACH
def test_twins_name_the_same_things(page: str) -> None:
    """Every command, setting, code and path is in both."""
    english, chinese = both(page)

    assert spans(english) == spans(chinese)


@EACH
def test_twins_know_each_other(page: str) -> None:
    """Each links to the one in the other language, before the first section."""
    english, chinese = (text.split("\n## ")[0] for text in both(page))

    assert Path(twin_of(page)).name in targets(english)
    assert Path(page).name in targets(chinese)


@EACH
def test_chinese_pages_lead_to_chinese_ones(page: str) -> None:
    """A link of a Chinese page leads to the Chinese twin where there is one; the only other is the
    one to its own twin.
    """
    folder = (ROOT / page).parent
    english = {ROOT / one for one in (*PAGES, "settings.example.toml")}
    found = [
        target
        for target in targets(read(twin_of(page)))
        if (folder / target.partition("#")[0]).resolve() in english
    ]

    assert found == [Path(page).name]


def barred_words() -> Iterator[str]:
    """Yield the words of the last column of the word list."""
    for line in read("docs/wording.md").partition("|---|\n")[2].splitlines():
        yield from line.strip("| ").rpartition("|")[2].strip().split("、")


def chinese_texts() -> list[Path]:
    """Return every file with texts in Chinese: documents, settings, messages, the chat page."""
    found = [*ROOT.glob(f"*{CHINESE}.*"), *ROOT.glob(f"*/*{CHINESE}.md")]
    return sorted([*found, *(ROOT / "bot").rglob("*zh-Hans*.ftl"), *(ROOT / "bot").rglob("*.mjs")])


def test_chinese_words() -> None:
    """No Chinese text has a word that the list replaces by another one."""
    words = [*barred_words()]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {word}"
        for path in chinese_texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for word in words
        if word in line
    ]

    assert len(words) > 50
    assert len(chinese_texts()) > len(PAGES)
    assert found == []


def test_version() -> None:
    """The newest dated section of the changelog is that of this version, and older ones follow."""
    changes = read("CHANGELOG.md")
    found = re.findall(r"(?m)^## \[(\d[\d.]*)\] - (\d{4}-\d{2}-\d{2})$", changes)
    project = tomllib.loads(read("pyproject.toml"))["project"]

    assert "## [Unreleased]\n" in changes
    assert [version for version, _ in found][:1] == [project["version"]] == [__version__]
    assert [day for _, day in found] == sorted((day for _, day in found), reverse=True)
