"""How far sessions have come down the ladder of sleep, and the groups that their ladders come from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table and two columns."""
    op.add_column("sessions", sa.Column("asleep_since", sa.String(40)))
    op.add_column("watched_users", sa.Column("groups", sa.JSON(), nullable=False, server_default="[]"))
    op.create_table(
        "sleep",
        sa.Column("user", sa.String(255), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("started", sa.String(40), nullable=False),
        sa.Column("active", sa.Float(), nullable=False),
        sa.Column("step", sa.String(16)),
        sa.Column("told", sa.Float()),
        sa.Column("lead", sa.Float()),
        sa.Column("frozen", sa.Float()),
    )
