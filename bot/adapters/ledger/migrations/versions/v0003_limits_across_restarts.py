"""Attempts and errors of every unit, the location of an object, and the time at OSS.

Attempts are counted before each call, so that limits hold across restarts; a unit that was given
up keeps the code of its last error. An object has its bucket, region and mode.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ATTEMPTS = ("answers", "cards", "objects", "dead_updates")


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def _text(name: str, length: int, default: str = "") -> "sa.Column[str]":
    return sa.Column(name, sa.String(length=length), server_default=default, nullable=False)


def upgrade() -> None:
    """Add columns, and a table of single values."""
    for table in ATTEMPTS:
        op.add_column(table, _count("attempts"))
    for table in ("answers", "cards", "objects", "outbox"):
        op.add_column(table, sa.Column("error_code", sa.String(length=64)))
    op.add_column("answers", _text("form", 16, "full"))
    op.add_column("jobs", _count("crashes_alone"))
    op.add_column("jobs", sa.Column("crash_progress", sa.BigInteger()))
    op.add_column("objects", _text("bucket", 63))
    op.add_column("objects", _text("region", 64))
    op.add_column("objects", _text("mode", 16))
    op.add_column("objects", sa.Column("completed_at", sa.BigInteger()))
    op.add_column("dead_updates", sa.Column("chat_id", sa.BigInteger()))
    op.add_column("dead_updates", _text("state", 16, "dead"))
    op.add_column("dead_updates", sa.Column("not_before", sa.BigInteger()))
    op.create_table(
        "state",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_state"),
    )
