"""Selection of the tests that need all processors for themselves; the others run side by side."""

import gc
import signal
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent
ALONE = (
    "bench",
    "demo",
    "adapters/oss/test_connections.py",
    "conversations/test_burst.py",
    "conversations/test_crowd.py",
    "kill/test_chaos.py",
    "sandbox/test_shaping.py",
)
"""Below `tests`: they measure real time."""
WITH_AIOGRAM = ROOT / "sandbox" / "telegram"
"""Here are the tests that import aiogram, which takes seconds."""


def pytest_configure() -> None:
    """Commands that tests start must hear Ctrl-C, also where the tests themselves run in the
    background of a shell, which lets its children ignore it.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A machine that does other things beside a test says nothing about the code.
    settings.register_profile("without deadlines", deadline=None)
    settings.load_profile("without deadlines")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import what will not run: the models of aiogram alone take seconds."""
    wanted: object = config.getoption("markexpr")
    is_alone = _is_alone(collection_path)
    is_other = {
        "not long and alone": not (is_alone or _leads_to_alone(collection_path)),
        "long and alone": not (is_alone or _leads_to_alone(collection_path)),
        "not long and not alone": is_alone,
        "long and not alone": is_alone,
    }
    return is_other.get(str(wanted)) or None


def pytest_collection(session: pytest.Session) -> None:
    """Import all test modules, each worker from another one on: they store the rewritten modules
    for each other, where otherwise every worker would rewrite every module of a new clone.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    found = sorted(ROOT.rglob("test_*.py"))
    paths = [path for path in found if not pytest_ignore_collect(path, session.config)]
    first = len(paths) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for path in paths[first:] + paths[:first]:
        try:
            import_module(".".join(path.relative_to(ROOT.parent).with_suffix("").parts))
        except Exception:  # noqa: BLE001 -- the collection meets it again, and reports it.
            return


def pytest_collection_finish() -> None:
    """Look at the statements of the ledger if a test has one.

    Take the modules and tests out of what the garbage collector looks through again and
    again; they stay to the end anyway. And let it look less often.
    """
    if "bot.adapters.ledger.schema" in sys.modules:
        from tests.fakes import query_plans

        query_plans.install()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@cache
def _is_alone(path: Path) -> bool:
    return any(path.is_relative_to(ROOT / place) for place in ALONE)


def _leads_to_alone(path: Path) -> bool:
    return any((ROOT / place).is_relative_to(path) for place in ALONE)


@pytest.fixture(autouse=True)
def _no_statement_reads_all_history() -> Iterator[None]:
    """Fail the test that first executes a statement whose cost grows with all that ever was."""
    yield
    if (plans := sys.modules.get("tests.fakes.query_plans")) is not None:
        assert plans.offences() == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what has to run alone, and begin with what needs aiogram: the first tests all go to
    the same worker, so that only one imports it.
    """
    for item in items:
        if _is_alone(item.path):
            item.add_marker(pytest.mark.alone)
    items.sort(key=lambda item: not item.path.is_relative_to(WITH_AIOGRAM))
