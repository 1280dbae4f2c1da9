"""API keys."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("api_key", sa.String(63), nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("projects", sa.JSON, nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary, nullable=False),
        sa.Column("previous_sha256", sa.LargeBinary),
        sa.Column("last_four", sa.String(4), nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("rotate_time", _TIME, nullable=False),
        sa.Column("expire_time", _TIME),
        sa.Column("overlap_end_time", _TIME),
        sa.Column("revoke_time", _TIME),
        sa.PrimaryKeyConstraint("api_key", name="pk_api_keys"),
    )
