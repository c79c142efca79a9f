"""Pages behind links, and their downloads."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables; answers of earlier versions have no page."""
    for name in ("lifetime", "most_downloads"):
        op.add_column("jobs", sa.Column(name, sa.Integer(), nullable=True))
    op.create_table(
        "pages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("answer_id", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(length=22), nullable=False),
        sa.Column("most_downloads", sa.Integer(), nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("is_paused", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("sender", sa.Text(), nullable=True),
        sa.Column("tell", sa.String(length=8), server_default="off", nullable=False),
        sa.Column("downloads", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_download_at", sa.BigInteger(), nullable=True),
        sa.Column("shown_downloads", sa.Integer(), server_default="0", nullable=False),
        sa.Column("shown_at", sa.BigInteger(), nullable=True),
        sa.Column("told_downloads", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["answers.id"], name="fk_pages_answer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pages"),
        sa.UniqueConstraint("answer_id", name="uq_pages_answer_id"),
        sa.UniqueConstraint("token", name="uq_pages_token"),
    )
    op.create_index(
        "ix_pages_unshown", "pages", ["id"], sqlite_where=sa.text("downloads > shown_downloads")
    )
    op.create_index(
        "ix_pages_untold",
        "pages",
        ["id"],
        sqlite_where=sa.text("tell != 'off' AND downloads > told_downloads"),
    )
    op.create_table(
        "page_files",
        sa.Column("job_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("downloads", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_page_files_job_id"),
        sa.PrimaryKeyConstraint("job_id", name="pk_page_files"),
    )
