"""What Alembic runs: the steps, on the connection and in the transaction of the caller."""

from gnomon_storage.migrating import run
from gnomon_trainer.adapters.tables import metadata

run(metadata)
