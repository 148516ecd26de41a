"""The usage ledger; sessions that run already are in it from their start."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

IDLE = ("stopped", "failed", "sleeping")


def upgrade() -> None:
    """Create it."""
    usage = op.create_table(
        "usage",
        sa.Column("user", sa.String(255), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("started", sa.Float(), primary_key=True),
        sa.Column("app", sa.String(30), nullable=False),
        sa.Column("ended", sa.Float()),
        sa.Column("cores", sa.Float(), nullable=False),
        sa.Column("memory", sa.Float(), nullable=False),
        sa.Column("gpus", sa.Integer(), nullable=False),
    )
    op.create_index("usage_by_start", "usage", ["started"])
    op.create_index("usage_by_app", "usage", ["app"])
    sessions = sa.table("sessions", *(sa.column(name) for name in ("user", "name", "app", "state", "started")))
    running = op.get_bind().execute(sa.select(sessions).where(sessions.c.state.not_in(IDLE)))
    rows = [
        {
            "user": row.user,
            "name": row.name,
            "app": row.app,
            "started": datetime.fromisoformat(row.started).timestamp(),
            # What the catalog said at the time is not known any more.
            "cores": 0.0,
            "memory": 0.0,
            "gpus": 0,
        }
        for row in running
        if row.started
    ]
    if rows:
        op.bulk_insert(usage, rows)


def downgrade() -> None:
    """Take it away."""
    op.drop_table("usage")
