"""Versions of the schema: that of a ledger, its tables, and its migration by Alembic."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from bot.adapters.ledger.schema import VERSION, metadata
from bot.core.errors import LedgerTooNew, LedgerUnusable
from bot.core.ports.ledger import LedgerPlace

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"

_SQLITE: Final = "sqlite"
# What the catalogue of each database tells: whether there is a version, the names of tables, and
# the columns of all. On a server only the schema counts that this login works in.
_HAS_VERSION: Final = {
    _SQLITE: "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'",
    # Not to_regclass, which may remember from before a wait that there was none.
    "postgresql": "SELECT 1 FROM information_schema.tables"
    " WHERE table_schema = current_schema() AND table_name = 'alembic_version'",
}
_TABLES: Final = {
    _SQLITE: "SELECT name FROM sqlite_master WHERE type = 'table'"
    " AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND name != 'alembic_version'",
    "postgresql": "SELECT table_name FROM information_schema.tables"
    " WHERE table_schema = current_schema() AND table_name != 'alembic_version'",
}
_COLUMNS: Final = {
    _SQLITE: "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c"
    " WHERE m.type = 'table'",
    "postgresql": "SELECT c.relname, a.attname FROM pg_class AS c"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = current_schema()"
    " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " WHERE c.relkind IN ('r', 'p')",
}
_ALONE: Final = {
    _SQLITE: "BEGIN IMMEDIATE",
    # Held to the end of the transaction. The number is of no other meaning.
    "postgresql": "SELECT pg_advisory_xact_lock(7235412009)",
}
"""Begins a change of the schema, which no other process may make at the same time: two that make
the same table at once on a server both fail.
"""
_OURS: Final = re.compile(r"[0-9]{4}")


def version_of(connection: Connection) -> str:
    """Return the version of the schema, "" without tables."""
    table = connection.exec_driver_sql(_HAS_VERSION[connection.dialect.name])
    if table.scalar_one_or_none() is None:
        return ""
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars()
    # Ours has one row.
    return ",".join(sorted(str(version) for version in found))


def refuse_foreign_tables(connection: Connection, place: LedgerPlace) -> None:
    """Refuse tables of another program before anything is written into it.

    Raises:
        LedgerUnusable: there are tables, and no version of ours.
    """
    version = version_of(connection)
    if (not version and _tables(connection)) or (version and not _OURS.fullmatch(version)):
        raise LedgerUnusable(place, "it holds the tables of another program")


def require_tables(connection: Connection, place: LedgerPlace) -> None:
    """Refuse a ledger of the newest version that lacks tables or columns.

    Raises:
        LedgerUnusable: something is missing; the message names the tables.
    """
    rows = connection.exec_driver_sql(_COLUMNS[connection.dialect.name])
    found = {(str(table), str(column)) for table, column in rows}
    missing = [
        table.name
        for table in metadata.tables.values()
        if not {(table.name, column.name) for column in table.columns} <= found
    ]
    if missing:
        raise LedgerUnusable(place, f"tables or columns are missing: {', '.join(sorted(missing))}")


def _tables(connection: Connection) -> list[str]:
    return list(connection.exec_driver_sql(_TABLES[connection.dialect.name]).scalars())


def known_versions() -> frozenset[str]:
    """Return the versions that this program can migrate, the newest one included."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    return frozenset(script.revision for script in scripts.walk_revisions())


def require_known(connection: Connection, place: LedgerPlace) -> None:
    """Refuse a version that this program does not know.

    Raises:
        LedgerTooNew: the ledger was written by a newer version of this program.
    """
    version = version_of(connection)
    if version not in {"", VERSION} and version not in known_versions():
        raise LedgerTooNew(
            f"the ledger {place} (schema {version}) was written by a newer version of this program"
        )


def change_alone(connection: Connection) -> None:
    """Begin a transaction that changes the schema; wait for another process that does."""
    connection.exec_driver_sql(_ALONE[connection.dialect.name])


def create_tables(connection: Connection) -> None:
    """Create the tables of the newest version where there are none. Blocks.

    Not by the migrations: importing what runs them takes a fifth of a second and 20 MiB. A test
    compares the result with what they make.
    """
    # At once, or a start that is cut off would leave the tables of no known version.
    change_alone(connection)
    if version_of(connection):
        # Another process was quicker.
        connection.rollback()
        return
    metadata.create_all(connection, checkfirst=False)
    connection.exec_driver_sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
        " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{VERSION}')")  # noqa: S608 -- a constant.
    connection.commit()


def upgrade(connection: Connection, place: LedgerPlace, *, to: str = "head") -> None:
    """Create the tables, or migrate older ones to version `to`. Blocks; `place` is only for
    messages.

    Raises:
        LedgerTooNew: the ledger was written by a newer version of this program.
    """
    require_known(connection, place)
    # Here, because importing it takes a fifth of a second, which most starts can avoid.
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    # A percent sign begins an interpolation in the library's configuration.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
