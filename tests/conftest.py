"""Which tests run side by side, and which need the machine for themselves."""

import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
ALONE = (
    "bench",
    "adapters/oss/test_wire.py",
    "conversations/test_burst.py",
    "conversations/test_crowd.py",
    "conversations/test_deadlines.py",
    "sandbox/test_shaping.py",
)
"""Below `tests`: they measure real time."""


def pytest_configure() -> None:
    """Commands that tests start must hear Ctrl-C, also where the tests themselves run in the
    background of a shell, which lets its children ignore it.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what has to run alone."""
    for item in items:
        path = item.path.relative_to(ROOT).as_posix()
        if any(path == place or path.startswith(f"{place}/") for place in ALONE):
            item.add_marker(pytest.mark.alone)
