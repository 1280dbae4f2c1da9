"""Spans as OpenTelemetry's standard variables ask for them."""

import importlib.util
import os
from typing import TYPE_CHECKING

from gnomon_rpc.settings import SettingError

if TYPE_CHECKING:
    from gnomon_rpc.telemetry_spans import Spans

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.grpc")


def spans(service: str) -> "Spans | None":
    """Return what sends spans and events where the environment says; None if it says nothing.

    Raises:
        SettingError: the extra `otel` is not installed, or the protocol is not gRPC.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    wanted = {signal for signal in ("TRACES", "LOGS") if _is_wanted(signal)}
    if not wanted:
        return None
    _check_installed()
    from gnomon_rpc.telemetry_spans import Spans

    return Spans.exported(service, with_traces="TRACES" in wanted, with_events="LOGS" in wanted)


def _is_wanted(signal: str) -> bool:
    endpoint = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or os.environ.get(_ENDPOINT)
    if not endpoint or os.environ.get(f"OTEL_{signal}_EXPORTER", "otlp").strip() != "otlp":
        return False
    variable = f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"
    protocol = os.environ.get(variable) or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "grpc"
    if protocol != "grpc":
        raise SettingError(
            f"OpenTelemetry is asked for over {protocol!r}; Gnomon sends over grpc. Set {variable}=grpc and "
            f"the endpoint's port for it, or OTEL_{signal}_EXPORTER=none."
        )
    return True


def _check_installed() -> None:
    try:
        missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    except ModuleNotFoundError:  # a parent of it
        missing = ["opentelemetry"]
    if missing:
        raise SettingError(
            f"{_ENDPOINT} asks for OpenTelemetry, which is not installed ({', '.join(missing)}): "
            "pip install 'gnomon[otel]', or unset the variable."
        )
