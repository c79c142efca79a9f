"""Functions of the program are told from everything else, in every thread."""

import sys
import threading
from pathlib import Path
from types import CodeType

import pytest

from tests.tools.sources import ROOT
from tests.tools.trace import Tracer, main, measured_module, trace

TEXT = """
class Body:
    pass

def function():
    return [n for n in (1,)]

word = lambda: 1
"""


def code_objects(code: CodeType) -> dict[str, CodeType]:
    """Return a code object and all those within it by name."""
    inner = [code_objects(const) for const in code.co_consts if isinstance(const, CodeType)]
    return {code.co_name: code} | {name: found for each in inner for name, found in each.items()}


def measured(path: Path | str) -> set[str]:
    """Return which code objects of the text count if it stands in a file."""
    codes = code_objects(compile(TEXT, str(path), "exec"))
    return {name for name, code in codes.items() if measured_module(code) is not None}


def test_only_functions_count() -> None:
    """Import code, class bodies and comprehensions do not count; functions and lambdas do."""
    assert measured(ROOT / "bot/anything/here.py") == {"function", "<lambda>"}


@pytest.mark.parametrize(
    "path", ["<string>", ROOT / "bot/sandbox/a.py", ROOT / "bot/demo/a.py", ROOT / "tests/a.py"]
)
def test_only_the_program_counts(path: Path | str) -> None:
    """Generated code, the stand-ins, the stage and the tests do not count."""
    assert measured(path) == set()


def test_module_has_its_dotted_name() -> None:
    """An `__init__` is the package."""
    codes = [
        code_objects(compile(TEXT, str(ROOT / path), "exec"))["function"]
        for path in ("bot/x/y.py", "bot/x/__init__.py")
    ]

    assert [measured_module(code) for code in codes] == ["bot.x.y", "bot.x"]


def functions_of(path: str) -> dict[str, object]:
    """Return what the text defines, as if it stood in a file of the program."""
    names: dict[str, object] = {}
    exec(compile(TEXT, str(ROOT / path), "exec"), names)  # noqa: S102 # the text is above.
    return names


def test_every_thread_is_seen_between_the_marks() -> None:
    """A function counts once, in whichever thread; calls outside the marks do not count."""
    first, second, third = (functions_of(f"bot/{name}.py")["function"] for name in "abc")
    assert callable(first)
    assert callable(second)
    assert callable(third)
    tracer = Tracer()
    before = sys.getprofile()
    with tracer.installed():
        third()
        begun, mark = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            mark.wait()
            second()
            first()

        thread = threading.Thread(target=work)
        thread.start()
        begun.wait()
        with tracer.recording():
            mark.set()
            thread.join()
            first()
        third()

    assert list(tracer.functions.items()) == [("bot.b", 1), ("bot.a", 1)]
    assert sys.getprofile() is before


def test_threads_that_would_be_missed_are_an_error() -> None:
    """No scenario begins beside a thread that the tracer cannot see."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError):
            trace("status")
    finally:
        end.set()
        thread.join()


def test_unknown_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the scenarios that there are."""
    with pytest.raises(SystemExit):
        main(["documents"])

    assert "document, status, delete, restart" in capsys.readouterr().err
