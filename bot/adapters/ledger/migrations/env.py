"""Alembic's entry point: migrates over the connection of `migration.upgrade`."""

from alembic import context

from bot.adapters.ledger.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
connection.commit()
