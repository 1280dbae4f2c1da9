"""The first catalog."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("project", sa.String(63), nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("update_time", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("project", name="pk_projects"),
    )
    op.create_table(
        "metrics",
        sa.Column("metric", sa.String(63), nullable=False),
        sa.Column("output_type", sa.String(32), nullable=False),
        sa.Column("classes", sa.JSON, nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("input_shape", sa.String(32), nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("judge_prompt", sa.Text, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("update_time", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("metric", name="pk_metrics"),
    )
    op.create_table(
        "metric_versions",
        sa.Column("metric", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("files", sa.JSON, nullable=False),
        sa.Column("formats", sa.JSON, nullable=False),
        sa.Column("threshold", sa.Float, nullable=False),
        sa.Column("max_tokens", sa.Integer, nullable=False),
        sa.Column("lineage", sa.JSON, nullable=False),
        sa.Column("report", sa.LargeBinary, nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("delete_time", _TIME),
        sa.PrimaryKeyConstraint("metric", "number", name="pk_metric_versions"),
        sa.ForeignKeyConstraint(["metric"], ["metrics.metric"], name="fk_metric_versions_metric"),
    )
    op.create_table(
        "aliases",
        sa.Column("metric", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("protected", sa.Boolean, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("update_time", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("metric", "alias", name="pk_aliases"),
        sa.ForeignKeyConstraint(
            ["metric", "number"],
            ["metric_versions.metric", "metric_versions.number"],
            name="fk_aliases_metric",
        ),
    )
    op.create_table(
        "changes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("metric", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("alias", sa.String(63)),
        sa.Column("old_number", sa.Integer),
        sa.Column("create_time", _TIME, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_changes_metric", "changes", ["metric", "alias", "id"])
    op.create_table(
        "answered_requests",
        sa.Column("request_id", sa.String(36), nullable=False),
        sa.Column("body", sa.String(64), nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_answered_requests"),
    )
