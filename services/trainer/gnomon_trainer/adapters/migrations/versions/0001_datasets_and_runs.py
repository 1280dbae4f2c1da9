"""Datasets, runs, points of their curves, and requests that must not count twice."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "dataset_versions",
        sa.Column("dataset", sa.String(63), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("metric", sa.String(80), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("findings", sa.JSON, nullable=False),
        sa.Column("row_count", sa.Integer, nullable=False),
        sa.Column("class_counts", sa.JSON, nullable=False),
        sa.Column("extra_columns", sa.JSON, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("source_filename", sa.String, nullable=False),
        sa.Column("display_name", sa.String, nullable=False),
        sa.Column("create_time", sa.Float, nullable=False),
        sa.Column("delete_time", sa.Float),
    )
    op.create_table(
        "runs",
        sa.Column("number", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("uid", sa.String(63), nullable=False, unique=True),
        sa.Column("project", sa.String(63), nullable=False),
        sa.Column("run", sa.String(63), nullable=False),
        sa.Column("display_name", sa.String, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("training_set", sa.String(90), nullable=False),
        sa.Column("test_set", sa.String(90), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("progress", sa.JSON, nullable=False),
        sa.Column("report", sa.JSON),
        sa.Column("metric_version", sa.String, nullable=False),
        sa.Column("work_folder", sa.String, nullable=False),
        sa.Column("bundle_folder", sa.String, nullable=False),
        sa.Column("predictions_file", sa.String, nullable=False),
        sa.Column("bundle_digest", sa.String(64), nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("worker", sa.String(63), nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("lease_expires", sa.Float, nullable=False),
        sa.Column("next_attempt", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("crashes", sa.Integer, nullable=False),
        sa.Column("best_mark", sa.JSON, nullable=False),
        sa.Column("create_time", sa.Float, nullable=False),
        sa.Column("start_time", sa.Float),
        sa.Column("end_time", sa.Float),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("edits", sa.Integer, nullable=False),
        sa.UniqueConstraint("project", "run"),
    )
    op.create_index("runs_by_state", "runs", ["state", "number"])
    op.create_index("runs_by_project", "runs", ["project", "number"])
    op.create_table(
        "points",
        sa.Column("place", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("uid", sa.String(63), nullable=False),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("loss", sa.Float),
        sa.Column("learning_rate", sa.Float),
        sa.Column("gradient_norm", sa.Float),
        sa.Column("validation_loss", sa.Float),
        sa.Column("validation_macro_f1", sa.Float),
        sa.UniqueConstraint("uid", "step"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "requests",
        sa.Column("request_id", sa.String(36), primary_key=True),
        sa.Column("body", sa.String(64), nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
        sa.Column("create_time", sa.Float, nullable=False),
    )


def downgrade() -> None:
    for table in ("requests", "points", "runs", "dataset_versions"):
        op.drop_table(table)
