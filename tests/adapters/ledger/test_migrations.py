"""Migrations lead to the schema that the code uses."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Inspector, create_engine, inspect, text

from bot.adapters.ledger.database import migrate
from bot.adapters.ledger.migration import MIGRATIONS, upgrade, version_of
from bot.adapters.ledger.schema import VERSION, metadata


def migrated(path: Path) -> None:
    """Make a ledger by all migrations."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        upgrade(connection, path)
    engine.dispose()


BOTH = pytest.mark.parametrize("make", [migrate, migrated])
"""A new ledger is made at once, an old one is migrated step by step."""
Make = Callable[[Path], None]


@BOTH
def test_migrations_equal_the_schema(path: Path, make: Make) -> None:
    """A ledger that was made from nothing has exactly the tables of `schema`."""
    make(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()

    assert differences == []


@BOTH
def test_newest_version(path: Path, make: Make) -> None:
    """The version that counts as up to date is that of the last migration."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    make(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        version = version_of(connection)
    engine.dispose()

    assert {scripts.get_current_head(), version} == {VERSION}


def test_ledger_of_an_earlier_version(path: Path) -> None:
    """The data of an earlier version is there afterwards."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        upgrade(connection, path, to="0001")
        connection.execute(text("INSERT INTO chats VALUES (-5, 1, 0, NULL, NULL)"))
        connection.commit()
    migrate(path)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT chat_id, auto, zone FROM chats")).all()
        version = version_of(connection)
    engine.dispose()

    assert (rows, version) == ([(-5, 1, "")], VERSION)


@BOTH
def test_constraints_equal_the_schema(path: Path, make: Make) -> None:
    """What a comparison by the library leaves out is equal too: nullable columns, unique keys,
    foreign keys.
    """
    make(path)
    engine = create_engine(f"sqlite:///{path}")
    plain = create_engine("sqlite://")
    metadata.create_all(plain)
    found = inspect(engine)
    wanted = inspect(plain)
    for table in metadata.tables:
        assert _shape(found, table) == _shape(wanted, table), table
    engine.dispose()
    plain.dispose()


def _shape(inspector: Inspector, table: str) -> list[object]:
    return [
        [
            (c["name"], str(c["type"]), c["nullable"])
            for c in _by_name(inspector.get_columns(table))
        ],
        _by_name(inspector.get_unique_constraints(table)),
        _by_name(inspector.get_foreign_keys(table)),
        _by_name({**i, "dialect_options": _as_text(i)} for i in inspector.get_indexes(table)),
        inspector.get_pk_constraint(table),
    ]


def _as_text(index: Mapping[str, Any]) -> dict[str, str]:
    return {option: str(value) for option, value in index.get("dialect_options", {}).items()}


def _by_name(entries: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(entries, key=lambda entry: str(entry["name"]))
