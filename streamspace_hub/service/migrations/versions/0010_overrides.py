"""What administrators set for everybody, a group or a user."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and the sequence of its changes."""
    op.create_table(
        "overrides",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("values", sa.JSON(), nullable=False),
    )
    heads = sa.table("heads", sa.column("name"), sa.column("seq"), sa.column("hash"))
    op.bulk_insert(heads, [{"name": "overrides", "seq": 0, "hash": "0" * 64}])


def downgrade() -> None:
    """Take both away."""
    op.execute("DELETE FROM heads WHERE name = 'overrides'")
    op.drop_table("overrides")
