"""Which projects a request names: read from its fields, by what the protos say of them."""

import functools
import re
from collections.abc import Iterator
from typing import Any

from google.api import field_behavior_pb2, resource_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

_OF_PROJECTS = {"gnomon.dev/Project", "gnomon.dev/Run"}
_IN_NAME = re.compile(r"projects/([^/]+)")


@functools.cache
def names_projects(descriptor: Descriptor) -> bool:
    """Tell whether a message of this type can name a project at all; most cannot, and cost nothing."""
    return bool(_fields(descriptor, ()))


def named_projects(message: Message) -> list[str]:
    """Return the IDs of the projects that a request names, in all its fields. They may be ill-formed.

    The first one is that of the call: a request's own fields, such as `parent`,
    come before those of a resource in it, whose name a create does not go by.
    """
    return list(dict.fromkeys(_named(message, _fields(message.DESCRIPTOR, ()))))


Fields = tuple[tuple[FieldDescriptor, "Fields | None"], ...]
"""Fields that can name a project; messages with their own such fields."""


@functools.cache
def _fields(descriptor: Descriptor, above: tuple[str, ...]) -> Fields:
    found: list[tuple[FieldDescriptor, Fields | None]] = []
    for field in descriptor.fields:
        inner = field.message_type
        if field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]:
            continue
        if inner is None:
            if _is_name_of_project(field, descriptor):
                found.append((field, None))
        elif (
            _is_ours(inner)
            and inner.full_name not in above
            and (nested := _fields(inner, (*above, descriptor.full_name)))
        ):
            found.append((field, nested))
    return tuple(sorted(found, key=lambda each: each[1] is not None))


def _is_ours(descriptor: Descriptor) -> bool:
    return descriptor.file.package == "gnomon.v1" and not descriptor.GetOptions().map_entry


def _is_name_of_project(field: FieldDescriptor, descriptor: Descriptor) -> bool:
    if field.type != FieldDescriptor.TYPE_STRING:
        return False
    if field.name == "project_id":  # of a create
        return True
    reference = field.GetOptions().Extensions[resource_pb2.resource_reference]
    resource = descriptor.GetOptions().Extensions[resource_pb2.resource].type
    return bool(
        {reference.type, reference.child_type} & _OF_PROJECTS
        or (field.name == "name" and resource in _OF_PROJECTS)
    )


def _named(message: Message, fields: Fields) -> Iterator[str]:
    for field, nested in fields:
        value: Any = getattr(message, field.name)
        if nested is None:
            for text in value if field.is_repeated else (value,):
                if text:
                    match = _IN_NAME.match(text)
                    yield match[1] if match else text
        elif field.is_repeated:
            for entry in value:
                yield from _named(entry, nested)
        elif message.HasField(field.name):
            yield from _named(value, nested)
