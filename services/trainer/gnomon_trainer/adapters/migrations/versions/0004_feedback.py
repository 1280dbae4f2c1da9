"""What people say of scores."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_INDEXES = {
    "feedback_by_metric": ["metric", "number"],
    "feedback_by_text": ["metric", "text"],
    "feedback_by_external_id": ["metric", "external_id"],
    "feedback_by_stratum": ["metric", "first_stratum"],
}


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("number", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("uid", sa.String(63), nullable=False, unique=True),
        sa.Column("metric", sa.String(80), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("cells", sa.JSON, nullable=False),
        sa.Column("text", sa.BigInteger, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("score_label", sa.String, nullable=False),
        sa.Column("score_probability", sa.Float),
        sa.Column("reviewer", sa.String, nullable=False),
        sa.Column("review_time", sa.Float, nullable=False),
        sa.Column("comment", sa.String, nullable=False),
        sa.Column("external_id", sa.String, nullable=False),
        sa.Column("body", sa.String(64), nullable=False),
        sa.Column("first_stratum", sa.String),
        sa.Column("held_out", sa.Boolean, nullable=False),
        sa.Column("create_time", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    for name, columns in _INDEXES.items():
        op.create_index(name, "feedback", columns)


def downgrade() -> None:
    op.drop_table("feedback")
