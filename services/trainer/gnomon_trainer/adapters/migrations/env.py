"""Alembic's entry: `Database.migrate` hands the connection over."""

from alembic import context

from gnomon_trainer.adapters.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
