"""A stage for each test, and logs as they were before."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from bot.demo.local_stack import LocalStack
from bot.logs import RelayHandler, configure
from tests.fakes.fixtures import databases  # noqa: F401 -- fixtures.


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """Log as in production: the library's own default words tracebacks for seconds. Restore the
    logging of the process after each test.
    """
    root = logging.getLogger()
    level, levels = root.level, _levels()
    configure("info", "pretty")
    yield
    # `send` silences loggers, as it is the only command of its process.
    for name in _levels():
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
    for handler in [handler for handler in root.handlers if isinstance(handler, RelayHandler)]:
        root.removeHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


def _levels() -> dict[str, int]:
    loggers = logging.root.manager.loggerDict
    return {n: found.level for n, found in loggers.items() if isinstance(found, logging.Logger)}


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalStack]:
    """Both stand-ins, without a bot, and an empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    async with LocalStack(tmp_path) as stage:
        yield stage
