"""Enforces the field behaviour that the protos declare.

A field annotated `REQUIRED` must be set wherever its message is set. The rules
are read from the descriptors once a message type.
"""

import functools
import itertools
from collections.abc import Iterator
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gnomon.errors import InvalidRequestError, Violation

_MAX_VIOLATIONS = 20


@functools.cache
def _fields(descriptor: Descriptor) -> tuple[tuple[FieldDescriptor, bool, bool], ...]:
    """Return (field, required, holds messages) of each field that needs a look."""
    rules = []
    partial = "update_mask" in descriptor.fields_by_name  # an update holds the fields that it writes
    for field in descriptor.fields:
        behaviour = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        required = field_behavior_pb2.REQUIRED in behaviour
        server_side = field_behavior_pb2.OUTPUT_ONLY in behaviour
        inner = field.message_type
        nested = (
            inner is not None
            and not server_side
            and not partial
            and not inner.GetOptions().map_entry
            and inner.file.package == descriptor.file.package
        )
        if required or nested:
            rules.append((field, required, nested))
    return tuple(rules)


def _missing(message: Message, prefix: str, skip: frozenset[str] = frozenset()) -> Iterator[Violation]:
    for field, required, nested in _fields(message.DESCRIPTOR):
        if field.name in skip:
            continue
        path = f"{prefix}{field.name}"
        value: Any = getattr(message, field.name)
        if field.is_repeated:
            if required and not len(value):
                yield Violation(path, "must not be empty")
            if nested:
                for index, item in enumerate(value):
                    yield from _missing(item, f"{path}[{index}].")
        elif field.has_presence:
            if not message.HasField(field.name):
                if required:
                    yield Violation(path, "must be set")
            elif nested:
                yield from _missing(value, f"{path}.")
        elif required and not value:
            yield Violation(path, "must be set")


def check_required(message: Message, skip: frozenset[str] = frozenset()) -> None:
    """Raise InvalidRequestError, naming each field, if a required one is not set."""
    if violations := list(itertools.islice(_missing(message, "", skip), _MAX_VIOLATIONS)):
        names = ", ".join(violation.field for violation in violations)
        raise InvalidRequestError(f"The request lacks required fields: {names}.", violations=violations)
