"""What every service is told by its environment."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings


class ServerSettings(BaseSettings):
    """A service's own class adds to these and sets the prefix of the variables."""

    listen: str = Field(default="127.0.0.1:0", description="Address to listen at; port 0 takes a free one.")
    address_file: Path | None = Field(
        default=None, description="Where to write the address once calls are accepted; for port 0."
    )
    grace_s: float = Field(default=10.0, ge=0, description="How long calls may go on after SIGTERM.")
    health_every_s: float = Field(
        default=5.0, gt=0, description="How often a service looks whether it can still do its job."
    )
    max_message_bytes: int = Field(
        default=16 * 1024 * 1024, ge=1024, description="The largest request that is accepted."
    )
    max_concurrent_streams: int = Field(
        default=128,
        ge=1,
        description="How many calls of one connection are taken at once, watches among them; others wait in "
        "their client. What a stranger's connection can hold open is bounded by it.",
    )
    max_connection_age_s: float | None = Field(
        default=None,
        ge=0.1,
        description="After how long a client has to connect anew, so that it finds services that were added; "
        "what is under way goes on for up to an hour. Without it, connections live as long as clients want.",
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

    access: Literal["off", "keys"] = Field(
        default="off",
        description="`keys`: every call but health checks must show an API key with the scope that it needs.",
    )
    access_stale_s: float = Field(
        default=300.0,
        ge=0,
        description="How long a key that was valid is let in where the registry, which knows the keys, does "
        "not answer.",
    )
    unprotected: str = Field(
        default="",
        description="What to go without where the service can be reached from other machines, separated by "
        "commas: without-keys, without-tls.",
    )
    tls_certificate_file: Path | None = Field(
        default=None,
        description="The server's certificate with its chain, in PEM; with it, the port speaks TLS alone. "
        "Files that are replaced are read again.",
    )
    tls_key_file: Path | None = Field(default=None, description="The certificate's private key, in PEM.")
    tls_client_ca_file: Path | None = Field(
        default=None,
        description="Authorities, in PEM, one of which must have signed every client's certificate.",
    )

    @property
    def unprotected_words(self) -> frozenset[str]:
        return frozenset(word.strip() for word in self.unprotected.split(",") if word.strip())

    @field_validator("unprotected")
    @classmethod
    def _is_known(cls, value: str) -> str:
        for word in value.split(","):
            if word.strip() not in {"", "without-keys", "without-tls"}:
                raise ValueError("must be without-keys, without-tls, both separated by a comma, or empty")
        return value

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        files = (self.tls_certificate_file, self.tls_key_file)
        if (files[0] is None) != (files[1] is None) or (self.tls_client_ca_file and files[0] is None):
            raise ValueError(
                "TLS_CERTIFICATE_FILE and TLS_KEY_FILE belong together, and TLS_CLIENT_CA_FILE needs both"
            )
        return self

    @field_validator("metrics_listen")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value:
            host_and_port(value)
        return value


class RegistryClientSettings(ServerSettings):
    """What the trainer and the scorer are told about reaching the registry."""

    registry_address: str = Field(default="127.0.0.1:7410", description="Where the registry is: host:port.")
    registry_api_key: SecretStr | None = Field(
        default=None,
        description="The service's own API key, where the registry wants keys: with the scope `service`, the "
        "trainer's with `registry:write` as well.",
    )
    registry_api_key_file: Path | None = Field(
        default=None, description="A file with that key, for those who keep secrets out of variables."
    )
    registry_tls: bool = Field(
        default=False, description="Speak TLS with the registry, with the system's authorities if no other."
    )
    registry_ca_file: Path | None = Field(
        default=None, description="Authorities, in PEM, that sign the registry's certificate; speaks TLS."
    )
    registry_certificate_file: Path | None = Field(
        default=None, description="The service's certificate, in PEM, where the registry wants one."
    )
    registry_certificate_key_file: Path | None = Field(
        default=None, description="The private key of that certificate, in PEM."
    )


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


def secret_of(name: str, text: SecretStr | None, file: Path | None, prefix: str) -> str | None:
    """Return a secret that is given by a variable or a file; None if by neither.

    Raises:
        SettingError: it is given by both, cannot be read, or is empty. The message does not show it.
    """
    variable = f"{prefix}{name.upper()}"
    if text is not None and file is not None:
        raise SettingError(f"{variable} and {variable}_FILE are both set. Set one of them.")
    if file is not None:
        try:
            content = file.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise SettingError(f"{variable}_FILE={file} cannot be read: {_why(error)}.") from error
        variable += "_FILE"
    elif text is not None:
        content = text.get_secret_value()
    else:
        return None
    if not content.strip():
        raise SettingError(f"{variable} is empty.")
    return content.strip()


def _why(error: OSError | UnicodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is no UTF-8 text"
