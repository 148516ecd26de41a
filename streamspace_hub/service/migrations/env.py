"""Alembic's entry: runs the migrations on the connection that `database.py` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from streamspace_hub.service.tables import Table

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Table.metadata, transactional_ddl=False
)
context.run_migrations()
