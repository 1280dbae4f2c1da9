"""With what a client shows who it is, and how it knows whom it speaks with."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gnomon._requests import refused
from gnomon.addresses import PASS_NO_PROXY, is_loopback
from gnomon.api_keys import read_key
from gnomon.errors import ApiKeyNeedsTlsError, InvalidRequestError

_TRUE = {"1", "true", "yes", "on"}
_SCHEMES = {"https://": True, "http://": False}

Stamps = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Target:
    """An address as gRPC takes it, and whether TLS is spoken there."""

    address: str
    tls: bool


@dataclass(frozen=True, slots=True)
class Credentials:
    """gRPC's credentials of TLS channels, and what the files looked like that they were read from."""

    of_grpc: Any
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Security:
    """What all connections of a client share. `tls` is of addresses that do not say it themselves."""

    api_key: str = field(default="", repr=False)
    project: str = ""
    tls: bool = False
    ca_file: Path | None = None
    certificate_file: Path | None = None
    certificate_key_file: Path | None = None
    plain_text_key: bool = False

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call."""
        key = (("authorization", f"Bearer {self.api_key}"),) if self.api_key else ()
        return (*key, ("gnomon-project", self.project)) if self.project else key

    def target(self, address: str) -> Target:
        """Return where to connect: `https://` and `http://` decide about TLS, else this client does.

        Raises:
            ApiKeyNeedsTlsError: the key would cross a network that others may read.
        """
        scheme = next((one for one in _SCHEMES if address.startswith(one)), None)
        found = (
            Target(address, self.tls)
            if scheme is None
            else Target(address.removeprefix(scheme).rstrip("/"), _SCHEMES[scheme])
        )
        if self.api_key and not found.tls and not self.plain_text_key and not is_loopback(found.address):
            raise ApiKeyNeedsTlsError(
                f"The API key is not sent to {found.address} over plain text, where others may read it. Say "
                "https:// before the address, set ca_file (GNOMON_CA_FILE) or GNOMON_TLS=1; in a network "
                "that protects it, allow it by plain_text_key=True (GNOMON_PLAIN_TEXT_KEY=1).",
                address=found.address,
            )
        return found

    def channel(self, module: Any, address: str, options: Any) -> Any:
        """Open a channel with `grpc` or `grpc.aio`, for those who make their calls themselves.

        Raises:
            ApiKeyNeedsTlsError: see `target`.
            InvalidRequestError: a file cannot be read.
        """
        found = self.target(address)
        if found.tls:
            return module.secure_channel(found.address, self.channel_credentials(), options)
        return module.insecure_channel(found.address, [*(options or ()), PASS_NO_PROXY])

    def channel_credentials(self) -> Any:
        """Return gRPC's credentials of a TLS channel; the files are read now.

        Raises:
            InvalidRequestError: a file cannot be read.
        """
        import grpc

        return grpc.ssl_channel_credentials(
            root_certificates=_content("ca_file", self.ca_file),
            private_key=_content("certificate_key_file", self.certificate_key_file),
            certificate_chain=_content("certificate_file", self.certificate_file),
        )

    def credentials(self) -> Credentials:
        """Return the credentials, and by what to tell that the files were replaced.

        Raises:
            InvalidRequestError: a file cannot be read.
        """
        stamps = self._stamps()  # before the files are read: what is replaced meanwhile is read again
        return Credentials(self.channel_credentials(), stamps)

    def renewed(self, before: Credentials) -> Credentials | None:
        """Return the credentials if the files were replaced, and fit together as they are now."""
        if self._stamps() == before.stamps:
            return None
        try:
            now = self.credentials()
        except InvalidRequestError:
            return None
        # Looked at again, as they may be written while they are read.
        return now if self._fit_together() and self._stamps() == now.stamps else None

    def _stamps(self) -> Stamps:
        files = (self.ca_file, self.certificate_file, self.certificate_key_file)
        return tuple(_stamp(file) for file in files if file is not None)

    def _fit_together(self) -> bool:
        """Ask the standard library: gRPC would open a channel with anything, and reach nobody."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if self.ca_file is not None:
                context.load_verify_locations(self.ca_file)
            if self.certificate_file is not None:
                context.load_cert_chain(
                    self.certificate_file, self.certificate_key_file, password=_no_password
                )
        except (OSError, ValueError):
            return False
        return True


def security_of(
    *,
    api_key: str | None = None,
    api_key_file: str | os.PathLike[str] | None = None,
    project: str | None = None,
    tls: bool | None = None,
    ca_file: str | os.PathLike[str] | None = None,
    certificate_file: str | os.PathLike[str] | None = None,
    certificate_key_file: str | os.PathLike[str] | None = None,
    plain_text_key: bool | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Security:
    """Return what is given, else what the environment says: `GNOMON_` and the name in capitals.

    What is given counts, if only as "", which is none, whatever the environment says.

    Raises:
        InvalidRequestError: two keys are given, a file cannot be read, or the certificate lacks its key.
        ApiKeyMalformedError: the key is none.
    """

    def path(name: str, given: str | os.PathLike[str] | None) -> Path | None:
        found = environment.get(f"GNOMON_{name.upper()}") if given is None else given
        return Path(found) if found else None

    def switch(name: str, given: bool | None) -> bool:
        return given if given is not None else environment.get(f"GNOMON_{name}", "").lower() in _TRUE

    ca, certificate = path("ca_file", ca_file), path("certificate_file", certificate_file)
    certificate_key = path("certificate_key_file", certificate_key_file)
    if (certificate is None) != (certificate_key is None):
        raise refused("certificate_file", "and certificate_key_file belong together; give both or neither")
    return Security(
        api_key=_key(api_key, api_key_file, environment),
        project=(project if project is not None else environment.get("GNOMON_PROJECT", "")).strip(),
        tls=switch("TLS", tls) or (tls is None and bool(ca or certificate)),
        ca_file=ca,
        certificate_file=certificate,
        certificate_key_file=certificate_key,
        plain_text_key=switch("PLAIN_TEXT_KEY", plain_text_key),
    )


def _key(given: str | None, file: str | os.PathLike[str] | None, environment: Mapping[str, str]) -> str:
    if given is not None and file is not None:
        raise refused("api_key", "and api_key_file are both given; give one")
    if given is None and file is None:
        given = environment.get("GNOMON_API_KEY") or None
        file = None if given else environment.get("GNOMON_API_KEY_FILE") or None
    text = given if file is None else (_content("api_key_file", Path(file)) or b"").decode(errors="replace")
    return read_key(text.strip()).text if text and text.strip() else ""


def _content(name: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise refused(name, f"cannot be read: {path}: {error.strerror}") from error


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)  # who reads it says why
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _no_password() -> str:
    return ""  # else the terminal would be asked for one
