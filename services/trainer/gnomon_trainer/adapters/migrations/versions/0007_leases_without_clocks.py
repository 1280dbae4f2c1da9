"""Leases end by silence that others observe, no more by the clock of who holds them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = ("runs", "paid_work")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(
            table, sa.Column("lease_expired", sa.Boolean, nullable=False, server_default=sa.text("false"))
        )
        op.drop_column(table, "lease_expires")


def downgrade() -> None:
    for table in _TABLES:
        op.add_column(
            table, sa.Column("lease_expires", sa.Float, nullable=False, server_default=sa.text("0"))
        )
        op.drop_column(table, "lease_expired")
