"""Labelling by judges, the journal of paid answers, and datasets without labels."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column(
        "dataset_versions", sa.Column("labelling", sa.String, nullable=False, server_default=sa.text("''"))
    )
    op.add_column(
        "dataset_versions", sa.Column("unlabelled", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_table(
        "paid_work",
        sa.Column("number", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("uid", sa.String(63), nullable=False, unique=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("work_id", sa.String(63), nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("needs", sa.String, nullable=False),
        sa.Column("allowance", sa.JSON, nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("stage", sa.String(32), nullable=False),
        sa.Column("error", sa.JSON(none_as_null=True)),
        sa.Column("progress", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON(none_as_null=True)),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("holder", sa.String(63), nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("lease_expires", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("crashes", sa.Integer, nullable=False),
        sa.Column("create_time", sa.Float, nullable=False),
        sa.Column("start_time", sa.Float),
        sa.Column("end_time", sa.Float),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.UniqueConstraint("kind", "work_id"),
    )
    op.create_index("paid_work_by_state", "paid_work", ["state", "number"])
    op.create_table(
        "paid_outcomes",
        sa.Column("uid", sa.String(63), primary_key=True),
        sa.Column("part", sa.String(16), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("body", sa.JSON, nullable=False),
    )
    op.create_table(
        "paid_answers",
        sa.Column("uid", sa.String(63), primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("subject", sa.String(63), nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
    )
    op.create_index("paid_answers_by_subject", "paid_answers", ["uid", "subject"])


def downgrade() -> None:
    op.drop_table("paid_answers")
    op.drop_table("paid_outcomes")
    op.drop_table("paid_work")
    with op.batch_alter_table("dataset_versions") as table:
        table.drop_column("unlabelled")
        table.drop_column("labelling")
