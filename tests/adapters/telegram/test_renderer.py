"""Every view becomes a message, and every sentence comes from a locale file."""

import ast
import builtins
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import telegram.error

import bot.adapters.telegram as package
from bot import inbound, jobs, outbound
from bot.adapters.telegram.languages import load_languages
from bot.adapters.telegram.renderer import Rendered, Renderer
from bot.clock import find_zone
from bot.core import errors
from bot.core.errors import MessageRefused
from bot.core.files import NoFile
from bot.core.jobs import JobState
from bot.core.ports.views import (
    ItemState,
    LanguageMenu,
    Notice,
    Overview,
    StatusLine,
    StatusMessage,
    View,
    Welcome,
)
from tests.adapters.telegram.views import LIFETIME, NOW, answer, ended, live, live_link

TEXTS = Renderer()
LINE = StatusLine(5, "next.zip", JobState.QUEUED)
VIEWS: list[View] = [
    Notice("help-any-text"),
    answer(live()),
    answer(live(), ended(ItemState.FAILED, code="unexpected")),
    StatusMessage((LINE,)),
    Overview((LINE,), (live_link(7),), NOW),
    Welcome(20 << 20, LIFETIME),
    LanguageMenu(5),
]

# Notices that answer a press; Telegram shows at most 200 characters of them.
PRESSES = [
    "press-not-yours",
    "press-too-late",
    "press-unknown",
    "press-not-handled",
    "cancelling",
    "deleting",
    "deleted",
    "nothing-to-cancel",
    "paused",
]


@pytest.mark.parametrize("language", ["", "en", "zh-hans", "zh-TW", "de"])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: type(view).__name__)
def test_every_view_is_worded_in_every_language(view: View, language: str) -> None:
    """Every view has words in every language; Chinese users get Chinese ones."""
    rendered = TEXTS.render(view, language)

    assert isinstance(rendered, Rendered)
    assert language.startswith("zh") == bool(re.search("[\u4e00-\u9fff]", rendered.html))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", PRESSES)
def test_answers_to_presses_are_short(name: str, language: str) -> None:
    """They are one plain line that a phone shows over the chat."""
    assert 0 < len(TEXTS.notice(Notice(name), language)) <= 200


def test_refused_press_can_be_answered_with_an_error() -> None:
    """The sentence of an error code is a notice like any other."""
    told = TEXTS.notice(Notice("error-rejected"), "en")

    assert told == "This is not possible here; ask the bot’s admin what is allowed."


def test_unknown_notice_is_refused() -> None:
    """A view that no locale file can word is a defect of ours."""
    with pytest.raises(MessageRefused, match="nonsense"):
        TEXTS.render(Notice("nonsense"), "en")


def test_buttons_come_with_their_view() -> None:
    """Answers, status messages and overviews have buttons; the others have none."""
    counts = [sum(map(len, TEXTS.render(view, "en").buttons)) for view in VIEWS]

    assert counts == [0, 3, 1, 1, 3, 0, 3]


def test_fit_is_that_of_the_language() -> None:
    """At least one item always fits, and three short ones do."""
    assert TEXTS.fit(answer(live()), "en") == 1
    assert TEXTS.fit(answer(live(), live(), live()), "zh") == 3


def test_zone_is_that_of_the_chat() -> None:
    """Or that of the settings, where the chat chose none or its zone is not known any more."""
    renderer = Renderer(zone=find_zone("Asia/Kolkata"))
    zones = ["Asia/Hong_Kong", "UTC-3:30", "", "Atlantis/Center"]
    told = [renderer.render(replace(answer(live()), zone=zone), "en").html for zone in zones]

    assert [re.findall(r"UTC[-+\d:]*", html) for html in told] == [
        ["UTC+8"],
        ["UTC-3:30"],
        ["UTC+5:30"],
        ["UTC+5:30"],
    ]


def test_locale_folder_can_be_another(tmp_path: Path) -> None:
    """A broken file of an operator's own is refused at start."""
    (tmp_path / "en.ftl").write_text("help-any-text = {", "utf-8")

    with pytest.raises(ValueError, match="en: cannot read"):
        Renderer(tmp_path)


def test_every_message_is_used() -> None:
    """No locale file carries a sentence that no code can show."""
    packages = (package, inbound, jobs, outbound)
    folders = [Path(one.__path__[0]) for one in packages]
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    code = "\n".join(path.read_text("utf-8") for path in paths)
    notices = {*PRESSES, *NoFile, "stranger"}
    built = ("error-", "reason-", "card-", "answer-", "command-", "limit-")
    unused = {
        name
        for name in load_languages()["en"].messages
        if f'"{name}"' not in code and f"'{name}'" not in code
        if name not in notices and not name.startswith(built)
    }

    assert set() == unused


def literals(path: Path) -> Iterator[str]:
    """Walk over the strings of a module that could reach a user: no docstring, error or log."""
    tree = ast.parse(path.read_text("utf-8"))
    hidden: set[int] = set()
    for node in ast.walk(tree):
        quiet = isinstance(node, ast.Raise) or (
            isinstance(node, ast.Call) and is_quiet(ast.unparse(node.func))
        )
        if quiet or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            hidden.update(id(child) for child in ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in hidden:
            yield str(node.value)


def is_quiet(function: str) -> bool:
    """Say whether a call makes an error or a log line, or compiles a pattern."""
    name = function.rpartition(".")[2]
    kinds = (getattr(module, name, None) for module in (errors, telegram.error, builtins))
    is_error = any(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds)
    logs = re.search(r"\blog(ger|s)?\.\w+$", function.lower()) is not None
    return is_error or logs or function in {"re.compile", "super().__init__"}


def test_no_sentence_lives_in_code() -> None:
    """Strings of this package that look like language are in the locale files instead."""
    sentence = re.compile(r"[\u4e00-\u9fff]|^[A-Z][a-z]+[,:;…]? +[a-z]")
    folder = Path(package.__path__[0])
    found = {
        f"{path.name}: {text}"
        for path in folder.rglob("*.py")
        for text in literals(path)
        if sentence.search(text)
    }

    assert set() == found
