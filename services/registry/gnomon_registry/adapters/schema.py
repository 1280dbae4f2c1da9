"""The catalog's tables. A change here needs a migration beside it; a test compares the two."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

from gnomon_storage.audit_log import audit_table
from gnomon_storage.types import Integer


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC, whatever a server's zone; SQLite has none, so it is taken off and put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value and (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

projects = Table(
    "projects",
    metadata,
    Column("project", String(63), primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("etag", String(64), nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("update_time", UtcTime, nullable=False),
)

metrics = Table(
    "metrics",
    metadata,
    Column("metric", String(63), primary_key=True),
    Column("output_type", String(32), nullable=False),
    Column("classes", JSON, nullable=False),  # [[label, rubric, flagged], …] in order
    Column("step", String(32), nullable=False),
    Column("input_shape", String(32), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("judge_prompt", Text, nullable=False),
    Column("etag", String(64), nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("update_time", UtcTime, nullable=False),
    Column("preset", String(80), nullable=False, server_default=""),
)

metric_versions = Table(
    "metric_versions",
    metadata,
    Column("metric", String(63), ForeignKey("metrics.metric"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("description", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("files", JSON, nullable=False),  # [[path, sha256, size_bytes], …] in the manifest's order
    Column("formats", JSON, nullable=False),  # [[format, path], …]
    Column("threshold", Float, nullable=False),
    Column("max_tokens", Integer, nullable=False),
    Column("lineage", JSON, nullable=False),
    Column("report", LargeBinary, nullable=False),  # a serialised gnomon.v1.EvaluationReport
    Column("create_time", UtcTime, nullable=False),
    Column("delete_time", UtcTime),
)

aliases = Table(
    "aliases",
    metadata,
    Column("metric", String(63), primary_key=True),
    Column("alias", String(63), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("etag", String(64), nullable=False),
    Column("update_time", UtcTime, nullable=False),
    ForeignKeyConstraint(["metric", "number"], ["metric_versions.metric", "metric_versions.number"]),
)

# Append-only; IDs increase and are never given twice. Also the history of every alias.
changes = Table(
    "changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("metric", String(63), nullable=False),
    Column("number", Integer),
    Column("alias", String(63)),
    Column("old_number", Integer),
    Column("create_time", UtcTime, nullable=False),
    Index(None, "metric", "alias", "id"),
    sqlite_autoincrement=True,
)

# Deliveries are made of `changes` after `position`, in the transaction that moves it.
webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook", String(63), primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("kinds", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("position", Integer, nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False),  # empty if it was dropped
    Column("secret_number", Integer, nullable=False),
    Column("sealed_old_secret", LargeBinary, nullable=False),
    Column("old_secret_expire_time", UtcTime),
    Column("pause_cause", String(32)),
    Column("last_success_time", UtcTime),
    Column("failing_since_time", UtcTime),
    Column("last_error", Text, nullable=False),
    Column("etag", String(64), nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("update_time", UtcTime, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("webhook", String(63), ForeignKey("webhooks.webhook"), nullable=False),
    Column("delivery", String(63), nullable=False),
    Column("change_id", Integer, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(32), nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("attempts", JSON, nullable=False),  # [[time, HTTP status, seconds, error], …]
    Column("due_time", UtcTime),  # set while it waits; in the future while somebody sends it
    Column("give_up_time", UtcTime),
    Column("claim_time", UtcTime),
    Column("create_time", UtcTime, nullable=False),
    Column("end_time", UtcTime),
    Index(None, "webhook", "delivery", unique=True),
    Index(None, "due_time"),
    Index(None, "end_time"),
    sqlite_autoincrement=True,
)

answered_requests = Table(
    "answered_requests",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("body", String(64), nullable=False),
    Column("resource", Text, nullable=False),
)

audit_entries = audit_table(metadata)

# Whose blobs are, where API keys are asked for: the first one's that stored it.
blob_owners = Table(
    "blob_owners",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("api_key", String(80), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Index(None, "api_key"),
)

# Rows stay for ever: a key that was revoked is never given again. No text of a key, only its SHA-256.
api_keys = Table(
    "api_keys",
    metadata,
    Column("api_key", String(63), primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("scopes", JSON, nullable=False),  # [scope, …]
    Column("projects", JSON, nullable=False),  # [ID, …]; none stands for all
    Column("secret_sha256", LargeBinary, nullable=False),
    Column("previous_sha256", LargeBinary),
    Column("last_four", String(4), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("etag", String(64), nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("rotate_time", UtcTime, nullable=False),
    Column("expire_time", UtcTime),
    Column("overlap_end_time", UtcTime),  # of the previous text
    Column("older_texts", JSON, nullable=False, server_default="[]"),  # [[SHA-256, end time], …] before it
    Column("revoke_time", UtcTime),
    Column("quotas", JSON, nullable=False, server_default="{}"),  # {name: limit, …}; what is missing is none
)
