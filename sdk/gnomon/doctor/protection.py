"""Checks of secrets and certificates. Nothing here ever shows one."""

import base64
import binascii
import datetime
import importlib.util
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gnomon.doctor.site import BROKEN, NOTE, OK, WARNING, Finding, Site

_DAY_S = 86_400.0
_RENEW_S = 14 * _DAY_S
_KEY_BYTES = 32
_WITHOUT_MASTER_KEY = {
    "registry": (NOTE, "no webhook can be made"),
    "trainer": (WARNING, "no provider's key can be stored"),
}
_CERTIFICATES = (
    "TLS_CERTIFICATE_FILE",
    "TLS_CLIENT_CA_FILE",
    "REGISTRY_CA_FILE",
    "REGISTRY_CERTIFICATE_FILE",
)
_PRIVATE = ("TLS_KEY_FILE", "REGISTRY_CERTIFICATE_KEY_FILE", "DATABASE_PASSWORD_FILE")
_API_KEYS = ("ADMIN_KEY_FILE", "TRAINER_KEY_FILE", "SCORER_KEY_FILE", "REGISTRY_API_KEY_FILE")


def master_key(site: Site) -> Iterator[Finding]:
    for service in ("registry", "trainer"):
        if service in site.services:
            yield replace(_master_key(site, service), about=service)


def _master_key(site: Site, service: str) -> Finding:
    text, file = site.setting(service, "MASTER_KEY"), site.setting(service, "MASTER_KEY_FILE")
    if file and not text:
        problem = _secret_file(Path(file))
        if isinstance(problem, Finding):
            return problem
        text = problem
    if not text:
        state, without = _WITHOUT_MASTER_KEY[service]
        variable = f"GNOMON_{service.upper()}_MASTER_KEY_FILE"
        do = f"Set {variable} to a file with what `openssl rand -base64 32` prints."
        return Finding("", state, f"There is no master key, so {without}.", do)
    if len(_decoded(text.strip())) != _KEY_BYTES:
        do = "Restore the key from its backup; a new one cannot open what the old one sealed."
        return Finding("", BROKEN, "The master key is not 32 bytes in base64 or hex.", do)
    return Finding("", OK, "There is a master key. Is it in the backup?")


def _decoded(text: str) -> bytes:
    for decode in (bytes.fromhex, lambda given: base64.b64decode(given, validate=True)):
        try:
            return decode(text)
        except (ValueError, binascii.Error):
            continue
    return b""


def certificates(site: Site) -> Iterator[Finding]:
    for service in site.services:
        for name in _CERTIFICATES:
            if value := site.setting(service, name):
                yield _certificate(site, service, f"GNOMON_{service.upper()}_{name}", Path(value))
    if value := site.environment.get("GNOMON_CA_FILE"):
        yield _certificate(site, "client", "GNOMON_CA_FILE", Path(value))


def _certificate(site: Site, service: str, variable: str, file: Path) -> Finding:
    if importlib.util.find_spec("cryptography") is None:
        return Finding(service, NOTE, f"{file} was not looked at: `cryptography` is not installed here.")
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not PEM"
        return Finding(service, BROKEN, f"{file} cannot be read: {why}.", f"Correct {variable}.")
    end = min(certificate.not_valid_after_utc for certificate in found)
    left_s = end.timestamp() - site.clock()
    until = f"{end.astimezone(datetime.UTC):%Y-%m-%d}"
    if left_s <= 0:
        return Finding(service, BROKEN, f"{file} expired on {until}.", "Renew it; services read it again.")
    if left_s < _RENEW_S:
        said = f"{file} expires on {until}, in {left_s / _DAY_S:.0f} days."
        return Finding(service, WARNING, said, "Renew it; services read it again.")
    return Finding(service, OK, f"{file} is valid until {until}.")


def keys(site: Site) -> Iterator[Finding]:
    for service in site.services:
        for name in (*_PRIVATE, *_API_KEYS):
            if value := site.setting(service, name):
                yield _key(service, Path(value), is_api_key=name in _API_KEYS)
    if value := site.environment.get("GNOMON_API_KEY_FILE"):
        yield _key("client", Path(value), is_api_key=True)


def _key(service: str, file: Path, is_api_key: bool) -> Finding:
    text = _secret_file(file)
    if isinstance(text, Finding):
        return replace(text, about=service)
    if is_api_key and not text.strip().startswith("gnm_"):
        said = f"{file} holds no API key: those begin with gnm_."
        return Finding(service, BROKEN, said, "`gnomon keys generate` makes one.")
    return Finding(service, OK, f"{file} is there, and for its owner alone.")


def _secret_file(file: Path) -> str | Finding:
    """Return what is in a file that only its owner, or its group, may reach, or what is wrong with it."""
    try:
        text, mode = file.read_text(), file.stat().st_mode
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        return Finding("", BROKEN, f"{file} cannot be read: {why}.", "Write it, for the user of the service.")
    if not text.strip():
        return Finding("", BROKEN, f"{file} is empty.", "Write the secret into it.")
    if mode & stat.S_IROTH and file.parent.stat().st_mode & stat.S_IXOTH:  # a closed folder hides its files
        return Finding("", WARNING, f"Everybody on this machine may read {file}.", f"chmod o= {file}")
    return text
