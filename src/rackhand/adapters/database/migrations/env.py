"""Alembic's entry: migrate on the connection, and in the transaction, of our caller."""

from __future__ import annotations

from alembic import context

from rackhand.adapters.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter most things: alembic rebuilds the table there.
    render_as_batch=True,
)
context.run_migrations()
