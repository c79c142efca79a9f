"""The time zone of a chat, and an index to find corrections without reading all answers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add a column and an index."""
    op.add_column(
        "chats", sa.Column("zone", sa.String(length=64), server_default="", nullable=False)
    )
    op.create_index(
        "ix_answers_stale", "answers", ["state"], sqlite_where=sa.text("changes > shown")
    )
