"""What the registry is told by its environment."""

from pathlib import Path

import fsspec
from fsspec.utils import get_protocol
from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from gnomon_rpc.settings import ServerSettings
from gnomon_storage import urls

_HOME = Path.home() / ".gnomon" / "registry"


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
    max_blob_bytes: int = Field(default=8 * 1024**3, ge=1, description="The largest blob that is accepted.")
    busy_timeout_s: float = Field(
        default=5.0, gt=0, description="How long a write waits for others before the caller is told to retry."
    )
    poll_s: float = Field(
        default=0.25, gt=0, description="How often to look for changes that other processes wrote."
    )
    heartbeat_s: float = Field(default=5.0, gt=0, description="How often a quiet watch stream says it lives.")

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, value: str) -> str:
        return urls.checked(value)

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
