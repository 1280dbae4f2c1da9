"""Webhooks and their deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("webhook", sa.String(63), nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("kinds", sa.JSON, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary, nullable=False),
        sa.Column("secret_number", sa.Integer, nullable=False),
        sa.Column("sealed_old_secret", sa.LargeBinary, nullable=False),
        sa.Column("old_secret_expire_time", _TIME),
        sa.Column("pause_cause", sa.String(32)),
        sa.Column("last_success_time", _TIME),
        sa.Column("failing_since_time", _TIME),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("update_time", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("webhook", name="pk_webhooks"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("webhook", sa.String(63), nullable=False),
        sa.Column("delivery", sa.String(63), nullable=False),
        sa.Column("change_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("attempt_count", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("attempts", sa.JSON, nullable=False),
        sa.Column("due_time", _TIME),
        sa.Column("give_up_time", _TIME),
        sa.Column("claim_time", _TIME),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("end_time", _TIME),
        sa.ForeignKeyConstraint(["webhook"], ["webhooks.webhook"], name="fk_webhook_deliveries_webhook"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_webhook_deliveries_webhook", "webhook_deliveries", ["webhook", "delivery"], unique=True
    )
    op.create_index("ix_webhook_deliveries_due_time", "webhook_deliveries", ["due_time"])
    op.create_index("ix_webhook_deliveries_end_time", "webhook_deliveries", ["end_time"])
