"""Lines of one kind are bounded, and tracebacks can be left out."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from bot.logs import MOST_ALIKE, WINDOW, FloodFilter, RelayHandler, configure


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """Leave the process as it was for the tests of others."""
    root = logging.getLogger()
    level = root.level
    yield
    for handler in [h for h in root.handlers if isinstance(h, RelayHandler)]:
        root.removeHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("name", ["bot.x", "asyncio"])
def test_one_kind_is_bounded(name: str) -> None:
    """Of a thousand warnings alike a hundred are written; other kinds and news all are."""
    out = io.StringIO()
    configure("info", stream=out)
    ours, library = structlog.stdlib.get_logger(name), logging.getLogger(name)
    for number in range(1000):
        if name == "asyncio":
            library.error("too many open files: %s", number)
        else:
            ours.warning("too many open files", number=number)
    for _ in range(200):
        ours.info("job ended")
    ours.warning("other")
    lines = [json.loads(line)["event"] for line in out.getvalue().splitlines()]
    kinds = [event.partition(":")[0] for event in lines]

    assert kinds.count("too many open files") == MOST_ALIKE
    assert [kinds.count("job ended"), kinds.count("other")] == [200, 1]


def test_left_out_lines_are_counted() -> None:
    """The first line of the next window says how many were left out."""
    now = 0.0
    flood = FloodFilter(lambda: now)

    def passes() -> tuple[bool, str]:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "again %s", ("a",), None)
        return flood.filter(record), record.getMessage()

    first = [passes()[0] for _ in range(MOST_ALIKE + 7)]
    now = WINDOW

    assert first.count(True) == MOST_ALIKE
    assert [passes(), passes()] == [(True, "again a (left out: 7)"), (True, "again a")]


def test_without_tracebacks() -> None:
    """A line has the kind of the error, and nothing of where it arose."""
    out = io.StringIO()
    configure("info", stream=out, tracebacks=False)
    try:
        dict[str, int]()["file name.pdf"]
    except KeyError as error:
        structlog.get_logger("bot.x").error("failed", exc_info=error)
        structlog.stdlib.get_logger("bot.x").exception("failed")
        logging.getLogger("library").exception("failed")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]

    assert len(lines) == 3
    assert out.getvalue().count("KeyError") == 3
    assert not [text for text in ("Traceback", "name.pdf") if text in out.getvalue()]
