"""${message}."""

import sqlalchemy as sa
from alembic import op

from bot.adapters.ledger.schema import Instant

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Apply this version."""
    ${upgrades if upgrades else "pass"}
