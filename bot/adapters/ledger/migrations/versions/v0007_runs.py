"""Runs and workers of a bot on several machines. Beside a file they stay empty."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the tables of runs and of workers."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    words = sa.Text()
    name = sa.String(64).with_variant(words, "postgresql")
    short = sa.String(16).with_variant(words, "postgresql")
    op.create_table(
        "runs",
        sa.Column("id", number, nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("place", name, nullable=False),
        sa.Column("handed_at", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("engine_id", sa.BigInteger(), nullable=True),
        sa.Column("worker", name, server_default="", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancel_asked", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("phase", short, server_default="fetching", nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("downloaded", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("uploaded", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("stored", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("job_id", name="uq_runs_job_id"),
    )
    op.create_table(
        "workers",
        sa.Column("name", name, nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("place", name, nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("version", name, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("oss_ahead", sa.BigInteger(), nullable=True),
        sa.Column("oss_told_at", sa.BigInteger(), nullable=True),
        sa.Column("obstacle", name, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_workers"),
    )
