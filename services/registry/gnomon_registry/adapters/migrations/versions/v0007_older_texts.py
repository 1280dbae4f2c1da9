"""API keys keep every text whose overlap has not ended."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("older_texts", sa.JSON, nullable=False, server_default="[]"))
