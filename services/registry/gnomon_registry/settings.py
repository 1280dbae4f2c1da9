"""What the registry is told by its environment."""

from pathlib import Path

import fsspec
from fsspec.utils import get_protocol
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from gnomon_rpc.settings import ServerSettings

_HOME = Path.home() / ".gnomon" / "registry"


class RegistrySettings(ServerSettings):
    """Variables begin with `GNOMON_REGISTRY_`."""

    model_config = SettingsConfigDict(env_prefix="GNOMON_REGISTRY_", frozen=True)

    listen: str = Field(
        default="127.0.0.1:7410", description="Address to listen at; port 0 takes a free one."
    )
    database_url: str = Field(
        default=f"sqlite:///{_HOME / 'registry.db'}", description="The catalog: sqlite:///path."
    )
    artifact_url: str = Field(
        default=f"file://{_HOME / 'artifacts'}",
        description="Where blobs and manifests are stored: file:///path or another fsspec URL.",
    )
    max_blob_bytes: int = Field(default=8 * 1024**3, ge=1, description="The largest blob that is accepted.")
    busy_timeout_s: float = Field(
        default=5.0, gt=0, description="How long a write waits for others before the caller is told to retry."
    )
    poll_s: float = Field(
        default=0.25, gt=0, description="How often to look for changes that other processes wrote."
    )
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
    def _is_a_sqlite_file(cls, value: str) -> str:
        try:
            url = make_url(value)
        except ArgumentError as error:
            raise ValueError("must be of the form sqlite:///path") from error
        if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
            raise ValueError("must be of the form sqlite:///path; other databases are not supported yet")
        return value

    @field_validator("artifact_url")
    @classmethod
    def _is_a_known_file_system(cls, value: str) -> str:
        try:
            fsspec.get_filesystem_class(get_protocol(value))
        except ImportError as error:  # known to fsspec, but its package is not installed
            raise ValueError(str(error)) from error
        return value
