"""Single values that outlive the process, by name."""

from datetime import timedelta

from sqlalchemy import Connection, delete, insert, select

from bot.adapters.ledger.schema import state

_OSS_OFFSET = "oss_offset"


def oss_offset(connection: Connection) -> timedelta:
    """Return the offset of OSS's clock as stored last; zero if never."""
    found = connection.execute(select(state.c.value).where(state.c.name == _OSS_OFFSET))
    return timedelta(seconds=float(found.scalar_one_or_none() or 0.0))


def set_oss_offset(connection: Connection, offset: timedelta) -> None:
    """Store the offset of OSS's clock."""
    connection.execute(delete(state).where(state.c.name == _OSS_OFFSET))
    row = {"name": _OSS_OFFSET, "value": repr(offset.total_seconds())}
    connection.execute(insert(state).values(row))
