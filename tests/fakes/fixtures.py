"""Fixtures of tests that work on a real ledger; a `conftest` imports what it needs."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from structlog.testing import capture_logs

from bot.adapters.ledger.database import Database
from bot.demo import local_stack
from bot.demo.local_stack import LocalStack
from tests.fakes.ledger import empty_ledger

if TYPE_CHECKING:
    from tests.fakes.postgres import Databases

FILE: Final = "file"
SERVER: Final = "postgresql"
ROLES: Final = "roles"
"""A ledger on a server, and a front and a worker in the place of a bot that does everything."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Capture the log, so that a test prints no lines."""
    with capture_logs():
        yield


@pytest.fixture(scope="session")
def databases() -> Iterator["Databases"]:
    """Databases on a PostgreSQL server."""
    from tests.fakes.postgres import databases

    with databases() as served:
        yield served


@pytest.fixture
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """Open an empty ledger, in a file or on a server."""
    if getattr(request, "param", None) == SERVER:
        # Not by an argument, which would start a server for tests of files too.
        served: Databases = request.getfixturevalue("databases")
        place = served.shared()
        served.empty(place)
        opened = Database(place)
        yield opened
        await opened.close()
        return
    async with empty_ledger(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture(scope="module", autouse=True)
def ledgers(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let the bots of every stage have their ledger in a file, or on a server: one database for
    all, which each stage finds empty. Return the kind; see `stages_on_both`.
    """
    kind = getattr(request, "param", FILE)
    if kind == FILE:
        yield FILE
        return
    served: Databases = request.getfixturevalue("databases")
    place, enter, variables = served.shared(), LocalStack.__aenter__, LocalStack.variables

    async def enter_empty(stage: LocalStack) -> LocalStack:
        served.empty(place)
        return await enter(stage)

    def with_url(stage: LocalStack, *users: int) -> dict[str, str]:
        return {"RELAY_LEDGER__URL": place.url} | variables(stage, *users)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalStack, "__aenter__", enter_empty)
        patch.setattr(LocalStack, "variables", with_url)
        if kind == ROLES:
            from tests.fakes.roles import serve_both

            patch.setattr(local_stack, "serve", serve_both)
        yield kind


def stages_on_both(metafunc: pytest.Metafunc) -> None:
    """Run every test with ledgers in files, and once more as `TEST_LEDGERS` says, unless the
    test is about one kind: with a front and a worker on a server (`roles`, by `make test-all`), or
    with one process there (`postgresql`, by `make test-server`).
    """
    if "ledgers" not in metafunc.fixturenames:
        return
    places: list[object] = [FILE]
    kind = os.environ.get("TEST_LEDGERS")
    is_of_files = metafunc.definition.get_closest_marker("in_a_file")
    if kind in {SERVER, ROLES} and not is_of_files:
        places.append(pytest.param(kind, marks=pytest.mark.long))
    metafunc.parametrize("ledgers", places, indirect=True, scope="module")


def on_both(metafunc: pytest.Metafunc, *, in_every_run: bool = False) -> None:
    """Run a test that uses a ledger with a file and with a server; with the latter only in the
    long run, unless it is `in_every_run`.
    """
    if "database" in metafunc.fixturenames:
        marks = [] if in_every_run else [pytest.mark.long]
        both = [FILE, pytest.param(SERVER, marks=marks)]
        metafunc.parametrize("database", both, indirect=True)
