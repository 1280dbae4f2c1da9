"""How urgent a request is, and who sends it."""

from enum import IntEnum


class Lane(IntEnum):
    """In the order of urgency; see `gnomon.v1.Lane`."""

    GUARDRAIL = 1
    ONLINE = 2
    BULK = 3
