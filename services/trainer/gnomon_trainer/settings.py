"""What the trainer and its workers are told by the environment."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from gnomon.folders import own_folder
from gnomon_rpc.settings import RegistryClientSettings
from gnomon_storage import urls

_HOME = own_folder("trainer")
_MIB = 1024 * 1024


class TrainerSettings(RegistryClientSettings):
    """The trainer's settings; a worker reads the same ones."""

    model_config = SettingsConfigDict(
        env_prefix="GNOMON_TRAINER_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    listen: str = Field(
        default="127.0.0.1:7411", description="Address to listen at; port 0 takes a free one."
    )
    database_url: str = Field(
        default=f"sqlite:///{_HOME / 'trainer.db'}",
        repr=False,  # may hold a password
        description="Where datasets and runs are recorded: sqlite:///path or postgresql://user@host/database.",
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
    data_dir: Path = Field(
        default=_HOME / "data", description="Rows of datasets, and the work folders of runs with checkpoints."
    )
    registry_timeout_s: float = Field(
        default=5.0, gt=0, description="How long a call of a user waits for the registry."
    )
    workers: int = Field(
        default=1,
        ge=0,
        description="Worker processes to run here. 0: run `python -m gnomon_trainer.worker` elsewhere.",
    )
    lease_s: float = Field(
        default=20.0, gt=0, description="A run whose worker was silent for this long goes to another one."
    )
    recipes_dir: Path | None = Field(default=None, description="A folder of further recipes, *.toml.")
    model_dir: Path = Field(
        default=_HOME / "base-models",
        description="A folder of base models, looked at before the Hugging Face cache. `gnomon base-models "
        "add` puts them there.",
    )
    trackers: str = Field(
        default="",
        description="Where the curves of runs go as well, separated by commas: tensorboard, wandb, mlflow. "
        "Their packages are in the extra `trackers`.",
    )
    max_upload_bytes: int = Field(default=512 * _MIB, ge=1, description="The largest file that is received.")
    max_unpacked_bytes: int = Field(
        default=1024 * _MIB, ge=1, description="The most that a compressed file may unpack to."
    )
    max_rows: int = Field(default=2_000_000, ge=1, description="The most rows of a dataset.")
    max_cell_characters: int = Field(default=1_000_000, ge=1, description="The longest text of a cell.")
    master_key: SecretStr | None = Field(
        default=None,
        description="Seals the keys of providers: 32 bytes in base64 or hex, as `openssl rand -base64 32` "
        "makes them. Without one, no key is stored. Who loses it writes the keys again.",
    )
    master_key_file: Path | None = Field(
        default=None, description="A file with the master key, for those who keep secrets out of variables."
    )
    allowed_hosts: str = Field(
        default="",
        description="Hosts that providers may be at beside public HTTPS, with their ports, separated by "
        "commas: localhost:8080,10.0.0.7:8000.",
    )
    judge_concurrency: int = Field(
        default=8, ge=1, le=64, description="Calls to one provider that are under way at once."
    )
    judge_requests_per_minute: float = Field(
        default=0.0, ge=0, description="Calls to one provider a minute, evenly spaced; 0 for no limit."
    )
    judge_timeout_s: float = Field(
        default=60.0, gt=0, description="How long one answer of a judge may take before it is asked again."
    )
    feedback_held_out_share: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="How much of the feedback, by class, is never trained on, so that versions can be "
        "compared on it.",
    )

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, value: str) -> str:
        return urls.checked(value)
