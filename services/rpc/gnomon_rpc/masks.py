"""Which fields an update writes (AIP-134), read from the field behaviour in the protos."""

import functools
from collections.abc import Iterable

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gnomon.errors import InvalidRequestError, Violation

_FIXED = {
    field_behavior_pb2.IDENTIFIER: "names the resource and cannot be changed",
    field_behavior_pb2.IMMUTABLE: "cannot be changed once it is created",
    field_behavior_pb2.OUTPUT_ONLY: "is set by the server",
}


def fields_to_write(resource: Message, paths: Iterable[str]) -> set[str]:
    """Return the names of the fields to write.

    Without paths these are all populated ones that can be written; with the
    path `*` all that can be written, so that unpopulated ones are cleared.

    Raises:
        InvalidRequestError: a path is unknown, or names a field that cannot be written.
    """
    fixed = _fixed(resource.DESCRIPTOR)
    writable = {field.name for field in resource.DESCRIPTOR.fields} - set(fixed)
    paths = list(paths)
    if not paths:
        return writable & {field.name for field, _ in resource.ListFields()}
    if paths == ["*"]:
        return writable
    problems = [
        Violation("update_mask", f"holds {path[:80]!r}, which {fixed.get(path.split('.')[0], 'is unknown')}")
        for path in paths
        if path not in writable
    ]
    if problems:
        raise InvalidRequestError(f"The update_mask {problems[0].description}.", violations=problems)
    return set(paths)


def immutable_fields_that_came_along(resource: Message, paths: Iterable[str]) -> set[str]:
    """Return the populated immutable fields of an update whose mask does not say what to write."""
    if list(paths) not in ([], ["*"]):
        return set()
    return {
        field.name for field, _ in resource.ListFields() if field_behavior_pb2.IMMUTABLE in _behaviour(field)
    }


@functools.cache
def _fixed(descriptor: Descriptor) -> dict[str, str]:
    """Return what cannot be written, each with the reason."""
    fixed = {"etag": "is checked, not written"}
    for field in descriptor.fields:
        for behaviour in _behaviour(field):
            if behaviour in _FIXED:
                fixed[field.name] = _FIXED[behaviour]
    return fixed


def _behaviour(field: FieldDescriptor) -> list[int]:
    return list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])
