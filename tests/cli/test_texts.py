"""The texts of `init`, `setup` and `doctor` in both languages."""

import ast
import io
import sys
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path

import pytest
import typer

from bot.adapters.telegram.languages import CHINESE, ENGLISH, Language
from bot.cli.common import LOCALES, named, say, speak
from bot.cli.doctor.store import _ADVICE
from bot.demo.local_stack import LocalStack
from tests.cli.shell import type_in

COMMANDS = ("init", "setup", "doctor")
NAMED = ("allowed-", "row-", "verdict-", "change-")
"""Begin the messages of stable names, which are looked up by `named`."""


def read(tag: str) -> Language:
    """Return a file, every message of which has been parsed."""
    return Language(tag, (LOCALES / f"{tag}.ftl").read_text("utf-8"))


def modules() -> list[Path]:
    """Return the modules that have texts in both languages."""
    folders = [LOCALES.parent / name for name in COMMANDS]
    return [LOCALES.parent / "common.py", *(p for folder in folders for p in folder.glob("*.py"))]


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Yield every call of `say` with a literal name: its place, the name and the call."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say":
                for constant in ast.walk(node.args[0]):
                    if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                        yield f"{path.parent.name}/{path.name}:{node.lineno}", constant.value, node


def literals() -> set[str]:
    """Return every literal in the commands that can be the name of a message."""
    return {
        node.value
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith(tuple(f"{name}-" for name in ("common", *COMMANDS)))
    }


def test_both_languages_say_the_same() -> None:
    """Both files have the same messages, in the same order and with the same variables."""
    english, chinese = read(ENGLISH).messages, read(CHINESE).messages

    assert [*english] == [*chinese]
    assert english == chinese


def test_every_message_exists_and_is_used() -> None:
    """The code names no message that is missing, and no message is left over."""
    messages = {name for name in read(ENGLISH).messages if not name.startswith(NAMED)}

    assert literals() == messages


def test_every_variable_is_given() -> None:
    """Each call gives the variables of its message, neither more nor fewer."""
    messages, wrong = read(ENGLISH).messages, list[str]()
    for place, name, call in calls():
        if any(keyword.arg is None for keyword in call.keywords) or name not in messages:
            continue
        if {keyword.arg for keyword in call.keywords} != messages[name]:
            wrong.append(f"{place}: {name}")

    assert wrong == []


def test_names_of_rows() -> None:
    """What OSS can refuse has a name in both languages."""
    names = {f"row-{name.lower().replace(' ', '-')}" for _, name, _ in _ADVICE}

    assert names <= {*read(CHINESE).messages}


@pytest.mark.parametrize(
    ("lang", "variables", "expected"),
    [
        (None, {}, "y or n"),
        (None, {"LANG": "zh_CN.UTF-8"}, "请输入 y 或 n"),
        (None, {"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "y or n"),
        (None, {"LANG": "en_US.UTF-8", "LC_ALL": "zh_TW"}, "请输入 y 或 n"),
        (None, {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "y or n"),
        (None, {"LANG": "de_DE.UTF-8"}, "y or n"),
        ("zh", {"LANG": "C.UTF-8"}, "请输入 y 或 n"),
        ("zh-Hans", {}, "请输入 y 或 n"),
        ("en", {"LANG": "zh_CN.UTF-8"}, "y or n"),
    ],
)
def test_choice(lang: str | None, variables: dict[str, str], expected: str) -> None:
    """The option decides, then the first variable that is set."""
    context = copy_context()
    context.run(speak, lang, variables)

    assert context.run(say, "init-yes-or-no") == expected


def test_no_such_language() -> None:
    """A language that there is not is a mistake of the command line."""
    with pytest.raises(typer.BadParameter, match="en or zh"):
        speak("fr", {})


def test_a_terminal_without_chinese(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A terminal that cannot show Chinese gets English, and the way to change that."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    context = copy_context()
    context.run(speak, "zh", {})
    shown = [context.run(say, "init-yes-or-no"), context.run(named, "row", "ledger")]

    assert shown == ["y or n", "ledger"]
    assert "LC_ALL=C.UTF-8" in capsys.readouterr().err


async def test_the_commands_in_chinese(stage: LocalStack) -> None:
    """Tables, names and verdicts are Chinese; what scripts read is the same as ever."""
    seen = await type_in(stage, "doctor", "--lang", "zh")
    stage.more["LC_ALL"] = "zh_CN.UTF-8"
    rows = await type_in(stage, "doctor", "--json")
    setup = await type_in(stage, "setup", "--dry-run")
    made = await type_in(stage, "init", "--settings", "made.toml", "--admin", "7")

    assert ["怎么办" in seen.out, "存储空间策略" in seen.out, "what" in seen.out] == [
        True,
        True,
        False,
    ]
    assert '"name": "bucket policy", "verdict": "ok", "meaning": "没有语句"' in rows.out
    assert ["将要更改" in setup.out, "生命周期" in setup.out] == [True, True]
    assert "下一步：relay-bot setup" in made.out
    assert "全部设置的参考手册" in (stage.folder / "made.toml").read_text(encoding="utf-8")
