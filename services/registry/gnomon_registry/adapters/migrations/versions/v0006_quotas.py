"""API keys have quotas; blobs are somebody's."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("quotas", sa.JSON, nullable=False, server_default="{}"))
    op.create_table(
        "blob_owners",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("api_key", sa.String(80), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blob_owners"),
    )
    op.create_index("ix_blob_owners_api_key", "blob_owners", ["api_key"])
