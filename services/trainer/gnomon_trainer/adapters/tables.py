"""The trainer's tables. Changes need a migration in `migrations/versions`."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from gnomon_storage.audit_log import audit_table
from gnomon_storage.types import Integer

metadata = MetaData()

_Serial = Integer

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("dataset", String(63), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("metric", String(80), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("findings", JSON, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("class_counts", JSON, nullable=False),
    Column("extra_columns", JSON, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("source_filename", String, nullable=False),
    Column("display_name", String, nullable=False),
    Column("create_time", Float, nullable=False),
    Column("delete_time", Float),
    Column("review", String, nullable=False),
    Column("labelling", String, nullable=False),
    Column("unlabelled", Boolean, nullable=False),
    Column("generation", String, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("number", _Serial, primary_key=True, autoincrement=True),
    Column("uid", String(63), nullable=False, unique=True),
    Column("project", String(63), nullable=False),
    Column("run", String(63), nullable=False),
    Column("display_name", String, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("training_set", String(90), nullable=False),
    Column("test_set", String(90), nullable=False),
    Column("state", String(16), nullable=False),
    Column("error", JSON(none_as_null=True)),
    Column("progress", JSON, nullable=False),
    Column("report", JSON(none_as_null=True)),
    Column("metric_version", String, nullable=False),
    Column("work_folder", String, nullable=False),
    Column("bundle_folder", String, nullable=False),
    Column("predictions_file", String, nullable=False),
    Column("bundle_digest", String(64), nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("worker", String(63), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("lease_expired", Boolean, nullable=False),
    Column("next_attempt", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("best_mark", JSON, nullable=False),
    Column("create_time", Float, nullable=False),
    Column("start_time", Float),
    Column("end_time", Float),
    Column("revision", Integer, nullable=False),
    Column("edits", Integer, nullable=False),
    UniqueConstraint("project", "run"),
    Index("runs_by_state", "state", "number"),
    Index("runs_by_project", "project", "number"),
)

points = Table(
    "points",
    metadata,
    Column("place", _Serial, primary_key=True, autoincrement=True),
    Column("uid", String(63), nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("loss", Float),
    Column("learning_rate", Float),
    Column("gradient_norm", Float),
    Column("validation_loss", Float),
    Column("validation_macro_f1", Float),
    UniqueConstraint("uid", "step"),
    sqlite_autoincrement=True,  # places of dropped points are not given again: watchers count on it
)

providers = Table(
    "providers",
    metadata,
    Column("provider", String(63), primary_key=True),
    Column("display_name", String, nullable=False),
    Column("base_url", String, nullable=False),
    Column("model", String, nullable=False),
    Column("sealed_key", LargeBinary, nullable=False),
    Column("key_state", String(16), nullable=False),
    Column("etag", String(32), nullable=False),
    Column("create_time", Float, nullable=False),
    Column("update_time", Float, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("number", _Serial, primary_key=True, autoincrement=True),
    Column("uid", String(63), nullable=False, unique=True),
    Column("metric", String(80), nullable=False),
    Column("version", Integer, nullable=False),
    Column("cells", JSON, nullable=False),
    Column("text", BigInteger, nullable=False),
    Column("label", String, nullable=False),
    Column("score_label", String, nullable=False),
    Column("score_probability", Float),
    Column("reviewer", String, nullable=False),
    Column("review_time", Float, nullable=False),
    Column("comment", String, nullable=False),
    Column("external_id", String, nullable=False),
    Column("body", String(64), nullable=False),
    Column("first_stratum", String),  # of the first word on a text: what its side was decided by
    Column("held_out", Boolean, nullable=False),
    Column("create_time", Float, nullable=False),
    Index("feedback_by_metric", "metric", "number"),
    Index("feedback_by_text", "metric", "text"),
    Index("feedback_by_external_id", "metric", "external_id"),
    Index("feedback_by_stratum", "metric", "first_stratum"),
    sqlite_autoincrement=True,  # pages are told apart by number
)

requests = Table(
    "requests",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("body", String(64), nullable=False),
    Column("answer", JSON, nullable=False),
    Column("create_time", Float, nullable=False),
)

reviews = Table(
    "reviews",
    metadata,
    Column("number", _Serial, primary_key=True, autoincrement=True),
    Column("dataset", String(63), nullable=False),
    Column("review", String(63), nullable=False),
    Column("version", Integer, nullable=False),
    Column("metric", String(80), nullable=False),
    Column("classes", JSON, nullable=False),
    Column("order", String(32), nullable=False),
    Column("limit", Integer, nullable=False),
    Column("blind", Boolean, nullable=False),
    Column("reviewers_per_row", Integer, nullable=False),
    Column("judge_column", String, nullable=False),
    Column("include_reviewed", Boolean, nullable=False),
    Column("item_count", Integer, nullable=False),
    Column("create_time", Float, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("applied_version", Integer),
    Column("apply_time", Float),
    UniqueConstraint("dataset", "review"),
)

review_items = Table(
    "review_items",
    metadata,
    Column("review", _Serial, primary_key=True),  # its number
    Column("row", Integer, primary_key=True),
    Column("rank", Integer, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("signals", JSON, nullable=False),
)

# Who was handed a row last and has not answered it: others wait until `expires`.
review_holds = Table(
    "review_holds",
    metadata,
    Column("review", _Serial, primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("reviewer", String(63), primary_key=True),
    Column("expires", Float, nullable=False),
)

review_decisions = Table(
    "review_decisions",
    metadata,
    Column("number", _Serial, primary_key=True, autoincrement=True),
    Column("review", _Serial, nullable=False),
    Column("row", Integer, nullable=False),
    Column("reviewer", String(63), nullable=False),
    Column("answer", String(16), nullable=False),
    Column("label", String, nullable=False),
    Column("adjudicates", Boolean, nullable=False),
    Column("create_time", Float, nullable=False),
    Column("withdraw_time", Float),
    Index("review_decisions_by_row", "review", "row"),
)

# Labelling and the like: rows that a trainer process leases. `kind`, `work_id` make the name.
paid_work = Table(
    "paid_work",
    metadata,
    Column("number", _Serial, primary_key=True, autoincrement=True),
    Column("uid", String(63), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("work_id", String(63), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("needs", String, nullable=False),  # names of datasets, each followed by a space
    Column("allowance", JSON, nullable=False),
    Column("secret", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("stage", String(32), nullable=False),
    Column("error", JSON(none_as_null=True)),
    Column("progress", JSON, nullable=False),
    Column("result", JSON(none_as_null=True)),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("holder", String(63), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("lease_expired", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("create_time", Float, nullable=False),
    Column("start_time", Float),
    Column("end_time", Float),
    Column("revision", Integer, nullable=False),
    UniqueConstraint("kind", "work_id"),
    Index("paid_work_by_state", "state", "number"),
)

paid_outcomes = Table(
    "paid_outcomes",
    metadata,
    Column("uid", String(63), primary_key=True),
    Column("part", String(16), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("body", JSON, nullable=False),
)

# Answers of providers from when they are received until their outcome is stored.
paid_answers = Table(
    "paid_answers",
    metadata,
    Column("uid", String(63), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("subject", String(63), nullable=False),
    Column("answer", JSON, nullable=False),
    Index("paid_answers_by_subject", "uid", "subject"),
)

audit_entries = audit_table(metadata)

# Whose datasets and runs are, where API keys are asked for.
dataset_owners = Table(
    "dataset_owners",
    metadata,
    Column("dataset", String(63), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("api_key", String(80), nullable=False),
    Index("dataset_owners_by_key", "api_key"),
)

run_owners = Table(
    "run_owners",
    metadata,
    Column("uid", String(63), primary_key=True),
    Column("api_key", String(80), nullable=False),
    Index("run_owners_by_key", "api_key"),
)

# How long workers had the runs that are somebody's; a row a lease.
worker_times = Table(
    "worker_times",
    metadata,
    Column("uid", String(63), primary_key=True),
    Column("fence", Integer, primary_key=True, autoincrement=False),
    Column("start_time", Float, nullable=False),
    Column("last_time", Float, nullable=False),
)
