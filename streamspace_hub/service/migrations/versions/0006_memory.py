"""Which sessions can keep their memory in sleep, which are being put to sleep with it, and how large it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns."""
    op.add_column("sessions", sa.Column("asleep_bytes", sa.BigInteger()))
    op.add_column("sessions", sa.Column("memory", sa.Boolean()))
    op.add_column("sessions", sa.Column("why_not", sa.Text()))
    op.add_column("sleep", sa.Column("hibernating", sa.Float()))
    op.add_column("sleep", sa.Column("memory", sa.Boolean()))
    op.add_column("sleep", sa.Column("why_not", sa.Text()))
