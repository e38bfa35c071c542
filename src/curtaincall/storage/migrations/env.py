"""Runs the migrations on the connection that `storage.database.migrate` opened."""

from alembic import context

from curtaincall.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,  # for the names of constraints only: revisions spell out their tables
    transactional_ddl=True,  # SQLite can, once transactions begin explicitly
)

with context.begin_transaction():
    context.run_migrations()
