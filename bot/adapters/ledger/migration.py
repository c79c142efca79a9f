"""Versions of the schema: that of a file, its migration by Alembic, and a read-only inspection of
the file.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.exc import DatabaseError

from bot.adapters.ledger.connection import is_damage
from bot.adapters.ledger.schema import VERSION, metadata
from bot.core.errors import LedgerTooNew, LedgerUnusable


def version_of(connection: Connection) -> str:
    """Return the version of the schema, "" for a file without tables."""
    table = connection.exec_driver_sql(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    )
    if table.scalar_one_or_none() is None:
        return ""
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars()
    # Ours has one row.
    return ",".join(sorted(str(version) for version in found))


def refuse_foreign_tables(connection: Connection, path: Path) -> None:
    """Refuse a file of another program before anything is written into it.

    Raises:
        LedgerUnusable: there are tables, and no version of ours.
    """
    version = version_of(connection)
    if (not version and _tables(connection)) or (version and not _OURS.fullmatch(version)):
        raise LedgerUnusable(path, "it holds the tables of another program")


def require_tables(connection: Connection, path: Path) -> None:
    """Refuse a ledger of the newest version that lacks tables or columns.

    Raises:
        LedgerUnusable: something is missing; the message names the tables.
    """
    missing = [
        table.name
        for table in metadata.tables.values()
        if not {column.name for column in table.columns} <= _columns(connection, table.name)
    ]
    if missing:
        raise LedgerUnusable(path, f"tables or columns are missing: {', '.join(sorted(missing))}")


_OURS: Final = re.compile(r"[0-9]{4}")


def _tables(connection: Connection) -> list[str]:
    found = connection.exec_driver_sql(
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        " AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND name != 'alembic_version'"
    )
    return list(found.scalars())


def _columns(connection: Connection, table: str) -> set[str]:
    rows = connection.exec_driver_sql("SELECT name FROM pragma_table_info(?)", (table,))
    return set(rows.scalars())


if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"


def known_versions() -> frozenset[str]:
    """Return the versions that this program can migrate, the newest one included."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    return frozenset(script.revision for script in scripts.walk_revisions())


def create_tables(connection: Connection) -> None:
    """Create the tables of the newest version in a new file. Blocks.

    Not by the migrations: importing what runs them takes a fifth of a second and 20 MiB. A test
    compares the result with what they make.
    """
    # At once, or a start that is cut off would leave the tables of no known version.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    if version_of(connection):
        # Another process was quicker.
        connection.rollback()
        return
    metadata.create_all(connection, checkfirst=False)
    connection.exec_driver_sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
        " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (VERSION,))
    connection.commit()


def upgrade(connection: Connection, path: Path, *, to: str = "head") -> None:
    """Create the tables, or migrate older ones to version `to`. Blocks; `path` is only for
    messages.

    Raises:
        LedgerTooNew: the ledger was written by a newer version of this program.
    """
    version = version_of(connection)
    if version and version not in known_versions():
        raise LedgerTooNew(
            f"the ledger {path} (schema {version}) was written by a newer version of this program"
        )
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


MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class LedgerInspection:
    """What a ledger's file says of itself. `version` is that of its schema, "" where there is
    none; `damage` what SQLite finds wrong with it, `unusable` why it could not be read although
    nothing is known to be wrong with it, such as a full disk; "" if nothing.
    """

    version: str
    is_known: bool
    is_newest: bool
    damage: str
    unusable: str = ""


def examine_ledger(path: Path) -> LedgerInspection:
    """Read the whole file once. Blocks; about a second for each gigabyte.

    Works beside a running bot. Raises nothing of SQLite's.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)))
    unread = LedgerInspection("", is_known=False, is_newest=False, damage="")
    try:
        with engine.connect() as connection:
            return _examine(connection, path)
    except DatabaseError as error:
        reason = str(error.orig)
        if is_damage(error):
            return replace(unread, damage=reason)
        return replace(unread, unusable=reason)
    except LedgerUnusable as error:
        return replace(unread, unusable=error.reason)
    finally:
        engine.dispose()


def _examine(connection: Connection, path: Path) -> LedgerInspection:
    connection.exec_driver_sql("PRAGMA query_only=ON")
    found = connection.exec_driver_sql(f"PRAGMA quick_check({MOST_SHOWN})").scalars().all()
    damage = "" if list(found) == ["ok"] else "; ".join(str(line) for line in found)
    if not damage:
        refuse_foreign_tables(connection, path)
    version = version_of(connection)
    if not damage and version == VERSION:
        require_tables(connection, path)
    return LedgerInspection(
        version, is_known=_is_known(version), is_newest=version == VERSION, damage=damage
    )


def _is_known(version: str) -> bool:
    if version == VERSION:
        return True
    return version in known_versions()
