"""Datasets name the generation that they are from; generations themselves are paid work."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "dataset_versions", sa.Column("generation", sa.String, nullable=False, server_default=sa.text("''"))
    )


def downgrade() -> None:
    with op.batch_alter_table("dataset_versions") as table:
        table.drop_column("generation")
