"""Reviews of labels: queues, who holds what, decisions; and which review made a version of a dataset."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("dataset_versions", sa.Column("review", sa.String, nullable=False, server_default=""))
    op.create_table(
        "reviews",
        sa.Column("number", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("dataset", sa.String(63), nullable=False),
        sa.Column("review", sa.String(63), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("metric", sa.String(80), nullable=False),
        sa.Column("classes", sa.JSON, nullable=False),
        sa.Column("order", sa.String(32), nullable=False),
        sa.Column("limit", sa.Integer, nullable=False),
        sa.Column("blind", sa.Boolean, nullable=False),
        sa.Column("reviewers_per_row", sa.Integer, nullable=False),
        sa.Column("judge_column", sa.String, nullable=False),
        sa.Column("include_reviewed", sa.Boolean, nullable=False),
        sa.Column("item_count", sa.Integer, nullable=False),
        sa.Column("create_time", sa.Float, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("applied_version", sa.Integer),
        sa.Column("apply_time", sa.Float),
        sa.UniqueConstraint("dataset", "review"),
    )
    op.create_table(
        "review_items",
        sa.Column("review", _SERIAL, primary_key=True),
        sa.Column("row", sa.Integer, primary_key=True),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("signals", sa.JSON, nullable=False),
    )
    op.create_table(
        "review_holds",
        sa.Column("review", _SERIAL, primary_key=True),
        sa.Column("row", sa.Integer, primary_key=True),
        sa.Column("reviewer", sa.String(63), primary_key=True),
        sa.Column("expires", sa.Float, nullable=False),
    )
    op.create_table(
        "review_decisions",
        sa.Column("number", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("review", _SERIAL, nullable=False),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("reviewer", sa.String(63), nullable=False),
        sa.Column("answer", sa.String(16), nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("adjudicates", sa.Boolean, nullable=False),
        sa.Column("create_time", sa.Float, nullable=False),
        sa.Column("withdraw_time", sa.Float),
    )
    op.create_index("review_decisions_by_row", "review_decisions", ["review", "row"])


def downgrade() -> None:
    for table in ("review_decisions", "review_holds", "review_items", "reviews"):
        op.drop_table(table)
    op.drop_column("dataset_versions", "review")
