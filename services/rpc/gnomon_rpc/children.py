"""What processes that a service starts for one job are told by their environment."""

import os
from collections.abc import Mapping

# Where programs and temporary files are. Everything else may be a secret of the service, or of its host.
_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT")


def bare_environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that reads what users gave: no key, no setting, and `own`."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | dict(own)
