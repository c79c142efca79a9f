"""Leases of processes on a server; beside a file, locks of the system do their work.

A ledger on a server begins with this version: earlier ones were files.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table of the leases."""
    words = sa.Text()
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64).with_variant(words, "postgresql"), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
