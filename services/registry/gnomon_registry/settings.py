"""What the registry is told by its environment."""

from pathlib import Path

import fsspec
from fsspec.utils import get_protocol
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from gnomon.bundle_checks import read_policy
from gnomon.folders import own_folder
from gnomon_rpc.settings import ServerSettings
from gnomon_storage import urls

_HOME = own_folder("registry")


class RegistrySettings(ServerSettings):
    """Variables begin with `GNOMON_REGISTRY_`."""

    model_config = SettingsConfigDict(env_prefix="GNOMON_REGISTRY_", frozen=True, hide_input_in_errors=True)

    listen: str = Field(
        default="127.0.0.1:7410", description="Address to listen at; port 0 takes a free one."
    )
    database_url: str = Field(
        default=f"sqlite:///{_HOME / 'registry.db'}",
        repr=False,  # may hold a password
        description="The catalog: sqlite:///path or postgresql://user@host/database.",
    )
    database_password_file: Path | None = Field(
        default=None,
        description="A file with the password of a PostgreSQL database, read at every connection. libpq's "
        "own PGPASSFILE does as well.",
    )
    migrate_on_start: bool = Field(
        default=True,
        description="Bring the database up to date at the start; if false, refuse one that is not, and "
        "leave that to `gnomon db upgrade`.",
    )
    artifact_url: str = Field(
        default=f"file://{_HOME / 'artifacts'}",
        description="Where blobs and manifests are stored: file:///path, s3://bucket/prefix, or another "
        "fsspec URL.",
    )
    artifact_endpoint_url: str = Field(
        default="",
        description="Where an S3-compatible store is reached, such as http://minio:9000; AWS itself if "
        "empty, or what AWS_ENDPOINT_URL says. Credentials and region: AWS's own variables and files.",
    )
    bundle_policy_file: Path | None = Field(
        default=None,
        description="A TOML file that says what bundles may hold: formats, base models, operators, sizes; "
        "see docs/imports.md. What it does not name keeps its default.",
    )
    max_blob_bytes: int = Field(default=8 * 1024**3, ge=1, description="The largest blob that is accepted.")
    busy_timeout_s: float = Field(
        default=5.0, gt=0, description="How long a write waits for others before the caller is told to retry."
    )
    poll_s: float = Field(
        default=0.25, gt=0, description="How often to look for changes that other processes wrote."
    )
    admin_key: SecretStr | None = Field(
        default=None,
        description="The operator's own API key with the scope `admin`, as `gnomon keys generate` prints: "
        "valid while it is set here, and what the first keys are made with.",
    )
    admin_key_file: Path | None = Field(
        default=None, description="A file with that key, for those who keep secrets out of variables."
    )
    trainer_key: SecretStr | None = Field(
        default=None,
        description="A key that the operator made for the trainer, with the scopes `service` and "
        "`registry:write`.",
    )
    trainer_key_file: Path | None = Field(default=None, description="A file with that key.")
    scorer_key: SecretStr | None = Field(
        default=None, description="A key that the operator made for scorers, with the scope `service`."
    )
    scorer_key_file: Path | None = Field(default=None, description="A file with that key.")
    heartbeat_s: float = Field(default=5.0, gt=0, description="How often a quiet watch stream says it lives.")

    master_key: SecretStr | None = Field(
        default=None,
        description="Seals the secrets of webhooks: 32 bytes in base64 or hex, as `openssl rand -base64 32` "
        "makes them. Without one there are no webhooks. Who loses it rotates the secrets.",
    )
    master_key_file: Path | None = Field(
        default=None, description="A file with the master key, for those who keep secrets out of variables."
    )
    allowed_hosts: str = Field(
        default="",
        description="Hosts that webhooks may be at beside public HTTPS, with their ports, separated by "
        "commas: localhost:8080,10.0.0.7:8000.",
    )
    webhook_timeout_s: float = Field(
        default=15.0, gt=0, description="How long a receiver may take for its whole answer."
    )
    webhook_concurrency: int = Field(
        default=32, ge=2, description="Requests to receivers that are under way at once in this process."
    )
    webhook_first_retry_s: float = Field(
        default=5.0, gt=0, description="The wait after the first failed attempt; it triples with each."
    )
    webhook_longest_retry_s: float = Field(
        default=12 * 3600.0,
        gt=0,
        description="The longest wait, also where a receiver asks for a longer one.",
    )
    webhook_give_up_s: float = Field(
        default=3 * 86400.0, gt=0, description="How long a delivery is tried before it is given up."
    )
    webhook_pause_after_s: float = Field(
        default=5 * 86400.0, gt=0, description="A webhook that has taken nothing for this long is paused."
    )
    webhook_history_s: float = Field(
        default=30 * 86400.0, gt=0, description="How long deliveries are remembered after they have ended."
    )

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, value: str) -> str:
        return urls.checked(value)

    @field_validator("bundle_policy_file")
    @classmethod
    def _is_a_policy(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                read_policy(value)
            except OSError as error:
                raise ValueError(f"cannot be read: {error}") from error
        return value

    @field_validator("artifact_url")
    @classmethod
    def _is_a_known_file_system(cls, value: str) -> str:
        try:
            fsspec.get_filesystem_class(get_protocol(value))
        except ImportError as error:  # known to fsspec, but its package is not installed
            if get_protocol(value) in {"s3", "s3a"}:
                raise ValueError("S3 needs s3fs, which is not installed: pip install 'gnomon[s3]'") from error
            raise ValueError(str(error)) from error
        return value
