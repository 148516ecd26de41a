"""The maintenance that an announcement is about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column."""
    op.add_column("announcement", sa.Column("maintenance", sa.JSON()))
