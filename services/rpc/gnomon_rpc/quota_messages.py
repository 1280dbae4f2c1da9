"""Between quotas and their message."""

import dataclasses

from gnomon.quotas import NAMES, Quotas
from gnomon.v1 import access_service_pb2 as pb


def quotas_of(message: pb.Quotas) -> Quotas:
    return Quotas(**{name: getattr(message, name) for name in NAMES})


def quotas_message(quotas: Quotas) -> pb.Quotas | None:
    """Return the message; None where nothing is limited."""
    return None if quotas.are_none else pb.Quotas(**dataclasses.asdict(quotas))
