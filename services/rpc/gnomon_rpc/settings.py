"""What every service is told by its environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings


class ServerSettings(BaseSettings):
    """A service's own class adds to these and sets the prefix of the variables."""

    listen: str = Field(default="127.0.0.1:0", description="Address to listen at; port 0 takes a free one.")
    address_file: Path | None = Field(
        default=None, description="Where to write the address once calls are accepted; for port 0."
    )
    grace_s: float = Field(default=10.0, ge=0, description="How long calls may go on after SIGTERM.")
    max_message_bytes: int = Field(
        default=16 * 1024 * 1024, ge=1024, description="The largest request that is accepted."
    )
    max_concurrent_streams: int = Field(
        default=1000, ge=1, description="How many calls of one connection are taken at once; others wait."
    )
    reuse_port: bool = Field(
        default=False,
        description="Let several processes listen at one port; the system spreads connections over them.",
    )
    parent_pid: int | None = Field(
        default=None, description="Stop once this process is no longer the parent; for embedded use."
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    metrics_listen: str = Field(
        default="",
        description="Address for Prometheus metrics over HTTP, such as 127.0.0.1:9412; none if empty.",
    )

    @field_validator("metrics_listen")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value:
            host_and_port(value)
        return value


class SettingError(Exception):
    """What the environment asks for cannot be done; the message says what to do."""


def host_and_port(address: str) -> tuple[str, int]:
    """Return the parts of `host:port` or `[host]:port`; an empty host means all.

    Raises:
        ValueError: it is neither.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError("must be host:port, such as 127.0.0.1:9412")
    return host.removeprefix("[").removesuffix("]"), int(port)


def explain(error: ValidationError, prefix: str) -> str:
    """Return one line a wrong variable: its name, its value's problem."""
    return "\n".join(
        f"{prefix}{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
        for problem in error.errors()
    )
