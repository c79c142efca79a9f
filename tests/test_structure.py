"""The bars of the program's structure; `tests/tools/` measures what they limit."""

import os
import re
import subprocess
import sys

import pytest

from tests.tools.sources import ROOT, program
from tests.tools.structure import (
    duplicate_classes,
    functions,
    import_circles,
    percentile,
    too_long,
)
from tests.tools.trace import trace_alone
from tests.tools.words import BARRED, measure

MODULES = 150
"""Modules of `bot` without the sandbox."""
BODY_P90 = 20
"""Body lines that nine of ten functions do not exceed; `structure.LONGEST` limits the rest."""
WORDS = 0.5
"""Vague pronouns (`words.BARRED`) per 1,000 words."""
TEXTS = ("docstrings of bot", "docstrings of tests", "prose")
EXECUTED = {"document": 50, "status": 35, "delete": 35, "restart": 80}
"""Modules that a scenario of `tests/tools/scenarios.py` executes."""
ABOUT_A_SERVER = {"test_ledger_server_away.py", "test_roles.py"}
"""Conversations that bring a server of their own."""

KILLS_ELSEWHERE = {
    "test_chaos.py",
    "test_page_kills.py",
    "test_roles.py",
    "test_seeded_kills.py",
    "test_seeded_roles.py",
    "test_witness.py",
}
"""Modules of `tests/kill` that have processes of several roles anyway, or a counterpart that has
them, or no process.
"""
TOO_LARGE = ("test_kill.py", "test_killed_and_restarted_with_200_mb")
"""A test that differs from one of its module in its size alone."""


def test_modules_are_few() -> None:
    """A reader meets what belongs together in one module."""
    assert len(program()) <= MODULES


def test_functions_are_short() -> None:
    """No function is long, and most are much shorter."""
    found = [f"{f.source.path}:{f.line} {f.name}: {f.body}" for f in too_long(program())]

    assert found == []
    assert percentile([f.body for f in functions(program())], 90) <= BODY_P90


def test_class_names_are_unique() -> None:
    """A class name means one thing outside the sandbox."""
    assert duplicate_classes(program()) == {}


def test_imports_make_no_circles() -> None:
    """No module of `bot`, the sandbox included, imports itself through others."""
    assert import_circles() == []


def test_words_are_plain() -> None:
    """`python -m tests.tools.words --list` shows the places."""
    found = measure()
    per_thousand = {text: found[text].per_thousand(*BARRED) for text in TEXTS}

    assert {text: rate for text, rate in per_thousand.items() if rate > WORDS} == {}


def test_all_conversations_run_on_roles() -> None:
    """`make test-all` repeats every one with a front and a worker, but for those that are about a
    server already.
    """
    found = {
        path.name
        for path in (ROOT / "tests/conversations").glob("*.py")
        if "mark.in_a_file" in path.read_text(encoding="utf-8")
    }

    assert found == ABOUT_A_SERVER


Cell = tuple[str, str, str, str]
"""Module and name of a test, and what its parameters are before and after the kind of ledger."""


def cells(folder: str) -> tuple[set[Cell], set[Cell]]:
    """Return the cells of tests that `make test-all` runs on files, and those on roles."""
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", folder],
        cwd=ROOT,
        env=os.environ | {"TEST_LEDGERS": "roles"},
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.findall(r"/(\w+\.py)::(\w+)\[(.*-)?(file|roles)(-.*)?\]", listed.stdout)
    on_files = {(*name, before, after) for *name, before, kind, after in found if kind == "file"}
    on_roles = {(*name, before, after) for *name, before, kind, after in found if kind == "roles"}
    return on_files, on_roles


@pytest.mark.long
def test_every_cell_of_a_conversation_runs_on_roles() -> None:
    """`make test-all` leaves none out."""
    on_files, on_roles = cells("tests/conversations")
    missing = {cell for cell in on_files - on_roles if cell[0] not in ABOUT_A_SERVER}

    assert len(on_roles) > 700
    assert missing == set()


@pytest.mark.long
def test_every_cell_of_a_kill_test_runs_on_roles() -> None:
    """`make test-all` repeats all with a front and a worker as processes, but for what has them
    already.
    """
    on_files, on_roles = cells("tests/kill")
    missing = on_files - on_roles

    assert len(on_roles) > 30
    assert {module for module, *_ in missing} - {TOO_LARGE[0]} == KILLS_ELSEWHERE
    assert {cell[:2] for cell in missing if cell[0] not in KILLS_ELSEWHERE} == {TOO_LARGE}


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("scenario", "most"), EXECUTED.items())
def test_requests_execute_few_modules(scenario: str, most: int) -> None:
    """`python -m tests.tools.trace` shows the modules. What a timer of the bot runs meanwhile is
    not of the request, and only adds: the least of three counts.
    """
    counted = (list(trace_alone(scenario)) for _ in range(3))
    modules = next((one for one in counted if len(one) <= most), None)

    assert modules is not None
