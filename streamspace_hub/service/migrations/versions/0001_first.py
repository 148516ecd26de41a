"""The first tables, and triggers that make the audit log append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
SEQUENCE = BIG.with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create everything."""
    _mirror()
    _logs()
    op.create_table(
        "settings", sa.Column("user", sa.String(255), primary_key=True), sa.Column("values", sa.JSON(), nullable=False)
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.String(300), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("worker", sa.String(32), nullable=False),
        sa.Column("lease", sa.Float(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("headers", sa.JSON()),
        sa.Column("body", sa.Text()),
    )
    op.create_index("ix_idempotency_keys_created", "idempotency_keys", ["created"])
    op.create_table(
        "leases",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
    )
    _append_only()


def _mirror() -> None:
    op.create_table(
        "sessions",
        sa.Column("user", sa.String(255), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("app", sa.String(30), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("started", sa.String(40)),
        sa.Column("last_activity", sa.String(40)),
        sa.Column("message", sa.Text()),
    )
    op.create_index("sessions_by_state", "sessions", ["state"])
    op.create_index("sessions_by_app", "sessions", ["app"])
    op.create_table(
        "watched_users",
        sa.Column("user", sa.String(255), primary_key=True),
        sa.Column("asked", sa.Float(), nullable=False),
    )


def _logs() -> None:
    op.create_table(
        "events",
        sa.Column("seq", SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("seq", SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("time", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(300)),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(600)),
        sa.Column("origin", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    for column in ("actor", "action", "target"):
        op.create_index(f"audit_by_{column}", "audit", [column])
    heads = op.create_table(
        "heads",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.bulk_insert(heads, [{"name": name, "seq": 0, "hash": "0" * 64} for name in ("audit", "events")])


def _append_only() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{change.lower()} BEFORE {change} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
    )


def downgrade() -> None:
    """Refuse: an audit log is not thrown away by a command."""
    raise NotImplementedError("There is no way back from the first version; restore a backup instead.")
