"""What the registry is told by its environment."""

from pathlib import Path

import fsspec
from fsspec.utils import get_protocol
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from gnomon_rpc.settings import ServerSettings, own_folder

_HOME = own_folder("registry")


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
