"""Indexes for what is left to do and not for all history, and totals that outlive their jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

DROPPED = (
    ("ix_answers_state", "answers"),
    ("ix_jobs_state", "jobs"),
    ("ix_jobs_owner", "jobs"),
    ("ix_jobs_card_id", "jobs"),
    ("ix_objects_due", "objects"),
)
CREATED = (
    ("ix_answers_unsent", "answers", ["id"], "state IN ('pending', 'sending')"),
    ("ix_answers_failed", "answers", ["id"], "error_code IS NOT NULL"),
    ("ix_cards_message", "cards", ["chat_id", "message_id"], ""),
    ("ix_cards_failed", "cards", ["id"], "error_code IS NOT NULL"),
    ("ix_dead_updates_state", "dead_updates", ["state", "not_before"], ""),
    ("ix_jobs_album", "jobs", ["created_at"], "album IS NOT NULL"),
    ("ix_jobs_card_id", "jobs", ["card_id"], "card_id IS NOT NULL"),
    ("ix_jobs_finished", "jobs", ["finished_at"], ""),
    ("ix_jobs_owner", "jobs", ["owner_id", "created_at"], ""),
    ("ix_jobs_unfinished", "jobs", ["id"], "state IN ('queued', 'running')"),
    ("ix_objects_ended", "objects", ["id"], "ending IS NOT NULL AND state != 'gone'"),
    ("ix_objects_left", "objects", ["due_at"], "state != 'gone'"),
    (
        "ix_objects_postponed",
        "objects",
        ["not_before"],
        "not_before IS NOT NULL AND state != 'gone'",
    ),
    ("ix_outbox_failed", "outbox", ["id"], "error_code IS NOT NULL"),
    ("ix_outbox_said", "outbox", ["created_at"], "said = 1"),
)


def upgrade() -> None:
    """Exchange indexes, and sum up what has ended so far."""
    for name, table in DROPPED:
        op.drop_index(name, table_name=table)
    for name, table, columns, where in CREATED:
        op.create_index(name, table, columns, sqlite_where=sa.text(where) if where else None)
    op.create_table(
        "daily_totals",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "state", "code", name="pk_daily_totals"),
    )
    op.execute(
        "INSERT INTO daily_totals (day, state, code, jobs, bytes)"
        " SELECT finished_at / 86400000000, state,"
        " CASE state WHEN 'failed' THEN coalesce(error_code, '') ELSE '' END,"
        " count(*), sum(CASE state WHEN 'done' THEN coalesce(size, 0) ELSE 0 END)"
        " FROM jobs WHERE finished_at IS NOT NULL GROUP BY 1, 2, 3"
    )
