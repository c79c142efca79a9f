"""Bringing the file of a ledger up to date, with Alembic.

Only imported where a file is not up to date: the library takes a fifth of a second to import.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bot.adapters.ledger.versions import version_of
from bot.core.errors import LedgerTooNew

MIGRATIONS = Path(__file__).parent / "migrations"


def known_versions() -> frozenset[str]:
    """Return the versions that this program can bring up to date, the newest one included."""
    scripts = ScriptDirectory.from_config(_config())
    return frozenset(script.revision for script in scripts.walk_revisions())


def upgrade(connection: Connection, path: Path, *, to: str = "head") -> None:
    """Create the tables, or bring older ones to version `to`. Blocks; `path` is only told.

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
