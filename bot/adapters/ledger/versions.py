"""Which version of the schema the file of a ledger has."""

from sqlalchemy import Connection


def version_of(connection: Connection) -> str:
    """Return the version of the schema, "" for a file without tables."""
    table = connection.exec_driver_sql(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    )
    if table.scalar_one_or_none() is None:
        return ""
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
    return str(found.scalar_one_or_none() or "")
