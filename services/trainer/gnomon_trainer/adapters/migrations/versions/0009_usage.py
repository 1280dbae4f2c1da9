"""Datasets and runs are somebody's: what API keys use."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dataset_owners",
        sa.Column("dataset", sa.String(63), nullable=False),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("api_key", sa.String(80), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "version"),
    )
    op.create_index("dataset_owners_by_key", "dataset_owners", ["api_key"])
    op.create_table(
        "run_owners",
        sa.Column("uid", sa.String(63), nullable=False),
        sa.Column("api_key", sa.String(80), nullable=False),
        sa.PrimaryKeyConstraint("uid"),
    )
    op.create_index("run_owners_by_key", "run_owners", ["api_key"])
    op.create_table(
        "worker_times",
        sa.Column("uid", sa.String(63), nullable=False),
        sa.Column("fence", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("start_time", sa.Float, nullable=False),
        sa.Column("last_time", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("uid", "fence"),
    )


def downgrade() -> None:
    for table in ("worker_times", "run_owners", "dataset_owners"):
        op.drop_table(table)
