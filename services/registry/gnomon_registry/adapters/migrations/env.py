"""What Alembic runs: the steps, on the connection and in the transaction of the caller."""

from gnomon_registry.adapters.schema import metadata
from gnomon_storage.migrating import run

run(metadata)
