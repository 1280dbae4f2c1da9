"""The server's certificates, read again when their files are replaced."""

import ssl
import threading
from pathlib import Path
from typing import Any

import grpc
import structlog

from gnomon_rpc.settings import ServerSettings, SettingError

log = structlog.get_logger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


def server_credentials(settings: ServerSettings) -> Any | None:
    """Return what a TLS port is opened with; None where no certificate is set.

    Each handshake looks whether a file has changed. Files that do not fit
    together, such as a certificate that was written before its key, are not
    taken: the ones before them stay until they do.

    Raises:
        SettingError: a file cannot be read, or they do not fit together.
    """
    if settings.tls_certificate_file is None:
        return None
    files = _Files(settings)
    return grpc.dynamic_ssl_server_credentials(
        files.configuration, files.changed, require_client_authentication=bool(settings.tls_client_ca_file)
    )


class _Files:
    """gRPC asks in threads of its own, one handshake beside the other."""

    def __init__(self, settings: ServerSettings) -> None:
        prefix = str(type(settings).model_config.get("env_prefix", ""))
        names = ("tls_certificate_file", "tls_key_file", "tls_client_ca_file")
        self._paths: dict[str, Path] = {
            f"{prefix}{name.upper()}": path for name in names if (path := getattr(settings, name)) is not None
        }
        self._turn = threading.Lock()
        self._stamp = self._look()
        self._told: Stamp = ()  # of files that do not fit together, to say so once
        self.configuration = self._read()

    def changed(self) -> Any | None:
        """Return the new configuration if the files were replaced, else None."""
        with self._turn:
            stamp: Stamp = ()
            try:
                stamp = self._look()
                if stamp == self._stamp:
                    return None
                self.configuration = self._read()
                self._stamp = stamp
            except SettingError as error:
                if stamp != self._told or not stamp:
                    log.error("the certificate files changed, and are not used", reason=str(error))
                self._told = stamp
                return None
        log.info("the certificate files changed, and are used")
        return self.configuration

    def _look(self) -> Stamp:
        stamp = []
        for variable, path in self._paths.items():
            try:
                found = path.stat()
            except OSError as error:
                raise SettingError(f"{variable}={path} cannot be read: {error.strerror}.") from error
            stamp.append((found.st_mtime_ns, found.st_size, found.st_ino))
        return tuple(stamp)

    def _read(self) -> Any:
        contents = []
        for variable, path in self._paths.items():
            try:
                contents.append(path.read_bytes())
            except OSError as error:
                raise SettingError(f"{variable}={path} cannot be read: {error.strerror}.") from error
        self._check()
        certificate, key, *authorities = contents
        return grpc.ssl_server_certificate_configuration(
            [(key, certificate)], root_certificates=authorities[0] if authorities else None
        )

    def _check(self) -> None:
        """Have the standard library read the files: gRPC says nothing of what is wrong with them."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (certificate, certificate_path), (key, key_path), *authorities = self._paths.items()
        try:
            context.load_cert_chain(certificate_path, key_path, password=_no_password)
        except (ssl.SSLError, ValueError, OSError) as error:
            raise SettingError(
                f"{certificate} and {key} are no certificate and its private key in PEM, without a password."
            ) from error
        for variable, path in authorities:
            try:
                context.load_verify_locations(path)
            except (ssl.SSLError, OSError) as error:
                raise SettingError(f"{variable} holds no certificates in PEM.") from error


def _no_password() -> str:
    return ""  # else the terminal would be asked for one
