"""A look at the file of a ledger that changes nothing in it: no migration, no lock."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.exc import DatabaseError

from bot.adapters.ledger.schema import VERSION
from bot.adapters.ledger.versions import version_of

MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class LedgerInspection:
    """What a ledger's file says of itself. `version` is that of its schema, "" where there is
    none; `damage` what SQLite finds wrong with it, "" if nothing.
    """

    version: str
    is_known: bool
    is_newest: bool
    damage: str


def examine_ledger(path: Path) -> LedgerInspection:
    """Read the whole file once. Blocks; about a second for each gigabyte.

    Works beside a running bot. Raises nothing of SQLite's: what cannot be read is damage.
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
    # Takes a fifth of a second to import, which most commands can do without.
    from bot.adapters.ledger.migration import known_versions

    return version in known_versions()
