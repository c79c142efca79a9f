"""Versions of the schema: that of a file, its migration by Alembic, and a read-only inspection of
the file.
"""

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.exc import DatabaseError

from bot.adapters.ledger.schema import VERSION
from bot.core.errors import LedgerTooNew


def version_of(connection: Connection) -> str:
    """Return the version of the schema, "" for a file without tables."""
    table = connection.exec_driver_sql(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    )
    if table.scalar_one_or_none() is None:
        return ""
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
    return str(found.scalar_one_or_none() or "")


MIGRATIONS = Path(__file__).parent / "migrations"


def known_versions() -> frozenset[str]:
    """Return the versions that this program can migrate, the newest one included."""
    scripts = ScriptDirectory.from_config(_config())
    return frozenset(script.revision for script in scripts.walk_revisions())


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
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _config() -> Config:
    config = Config()
    # A percent sign begins an interpolation in the library's configuration.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class LedgerInspection:
    """The result of an inspection. `version` is that of the schema, "" without one; `damage` is
    the problem that SQLite finds, "" without one.
    """

    version: str
    is_known: bool
    is_newest: bool
    damage: str


def examine_ledger(path: Path) -> LedgerInspection:
    """Read the whole file once. Blocks; about a second for each gigabyte.

    Works beside a running bot. Raises no errors of SQLite: unreadable data is reported as damage.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)))
    try:
        with engine.connect() as connection:
            return _examine(connection)
    except DatabaseError as error:
        return LedgerInspection("", is_known=False, is_newest=False, damage=str(error.orig))
    finally:
        engine.dispose()


def _examine(connection: Connection) -> LedgerInspection:
    connection.exec_driver_sql("PRAGMA query_only=ON")
    found = connection.exec_driver_sql(f"PRAGMA quick_check({MOST_SHOWN})").scalars().all()
    damage = "" if list(found) == ["ok"] else "; ".join(str(line) for line in found)
    version = version_of(connection)
    return LedgerInspection(
        version, is_known=_is_known(version), is_newest=version == VERSION, damage=damage
    )


def _is_known(version: str) -> bool:
    if version == VERSION:
        return True
    # Importing it takes a fifth of a second, which most commands can avoid.
    from bot.adapters.ledger.migration import known_versions

    return version in known_versions()
