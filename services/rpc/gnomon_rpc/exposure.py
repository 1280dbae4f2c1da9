"""What a server may listen at: beyond this machine only with keys and TLS, unless it is told so by name."""

from gnomon.addresses import is_loopback
from gnomon_rpc.settings import ServerSettings, SettingError

WITHOUT_KEYS = "without-keys"
WITHOUT_TLS = "without-tls"


def check_exposure(settings: ServerSettings) -> None:
    """Refuse to be reachable from elsewhere without protection.

    Raises:
        SettingError: names the variables that protect the service, and the one that lets it go without.
    """
    if is_loopback(settings.listen):
        return
    prefix = str(type(settings).model_config.get("env_prefix", ""))
    missing = []
    if settings.access != "keys":
        missing.append((WITHOUT_KEYS, f"API keys ({prefix}ACCESS=keys)"))
    if not settings.tls_certificate_file:
        missing.append((WITHOUT_TLS, f"TLS ({prefix}TLS_CERTIFICATE_FILE and {prefix}TLS_KEY_FILE)"))
    allowed = settings.unprotected_words
    if wanted := [(word, what) for word, what in missing if word not in allowed]:
        lacking = " and ".join(what for _, what in wanted)
        words = ",".join(sorted(allowed | {word for word, _ in wanted}))
        raise SettingError(
            f"{prefix}LISTEN={settings.listen} can be reached from other machines, which needs {lacking}. "
            f"To go without in a network that protects it, say so: {prefix}UNPROTECTED={words}."
        )
