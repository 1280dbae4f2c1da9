"""What fills the ports: databases, file systems, model runtimes, other services."""

import os

# Since 1.29 ONNX Runtime tells its maker about models and machine, from its import on, unless told not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
