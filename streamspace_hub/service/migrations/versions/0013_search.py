"""Search among a million: text in sessions by trigrams, where PostgreSQL has them; lines of the audit log in order."""

from __future__ import annotations

import logging

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

log = logging.getLogger("streamspace.service")

BEFORE = ("actor", "action", "target")
SOUGHT = (*BEFORE, "outcome", "origin", "request_id")
TEXT = ("user", "name", "app", "title")


def upgrade() -> None:
    """Make the indexes."""
    for column in BEFORE:
        op.drop_index(f"audit_by_{column}", "audit")
    for column in SOUGHT:
        op.create_index(f"audit_by_{column}", "audit", [column, "seq"])
    op.create_index("audit_by_time", "audit", ["time"])
    if op.get_bind().dialect.name == "postgresql":
        _index_text()


def downgrade() -> None:
    """Go back to those of before."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX IF EXISTS sessions_by_text")
    op.drop_index("audit_by_time", "audit")
    for column in SOUGHT:
        op.drop_index(f"audit_by_{column}", "audit")
    for column in BEFORE:
        op.create_index(f"audit_by_{column}", "audit", [column])


def _index_text() -> None:
    """Index the texts that sessions are searched by; without the extension they are found all the same, but slowly."""
    columns = ", ".join(f'"{column}" gin_trgm_ops' for column in TEXT)
    try:
        with op.get_bind().begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            op.execute(f"CREATE INDEX sessions_by_text ON sessions USING gin ({columns})")
    except sa.exc.DBAPIError as error:
        log.warning("searching many sessions stays slow: pg_trgm can't be used: %s", error.orig)
