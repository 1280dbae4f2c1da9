"""Which resource a call is about: read from its request and its response, by what the protos say."""

import functools
import re
from typing import Any

from google.api import resource_pb2
from google.protobuf import any_pb2, symbol_database
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

# What is written down has this form, and nothing else is: a name that a caller sent may be any text.
_NAME = re.compile(r"[A-Za-z]{1,40}/[a-z0-9@-]{1,80}(?:/[A-Za-z]{1,40}/[a-z0-9@-]{1,80}){0,3}")

_ID = re.compile(r"[a-z][a-z0-9-]{0,62}")

_BY_FIELDS = {
    "gnomon.v1.UploadBlobRequest": lambda message: f"blobs/{message.sha256}",
    "gnomon.v1.UploadDatasetRequest": lambda message: f"datasets/{message.header.dataset_id}",
}


def resource_of_request(message: Message) -> str:
    """Return the name of what a request is about; empty if it names nothing, or nothing well-formed.

    That is its `name`, or the name that a create wishes for, or its `parent`, or
    the name of the resource in it, or the first resource that it refers to.
    """
    if by_fields := _BY_FIELDS.get(message.DESCRIPTOR.full_name):
        return checked(by_fields(message))
    for name_in in (_top_name, _wished_name, _parent, _name_to_change):
        if candidate := name_in(message):
            return checked(candidate)
    referred_to = (getattr(message, field) for field in _references(message.DESCRIPTOR))
    return checked(next(filter(None, referred_to), ""))


def resource_of_response(message: Any) -> str:
    """Return the name of what a response is about; of an operation, that of the work."""
    if not isinstance(message, Message):
        return ""
    metadata = getattr(message, "metadata", None)
    if isinstance(metadata, any_pb2.Any) and (work := _unpacked(metadata)) is not None:
        return checked(_own_name(work))
    return checked(_own_name(message))


def checked_id(text: str) -> str:
    """Return the ID of a project; empty if it is none. What a request names may be ill-formed."""
    return text if _ID.fullmatch(text) else ""


def checked(name: str) -> str:
    return name if _NAME.fullmatch(name) else ""


def _own_name(message: Message) -> str:
    return _top_name(message) or _nested_name(message)


def _top_name(message: Message) -> str:
    return _text(message, "name")


def _parent(message: Message) -> str:
    return _text(message, "parent")


def _name_to_change(message: Message) -> str:
    """Return the name of the resource in a request; not of a create, which makes another one than it says."""
    return "" if message.DESCRIPTOR.name.startswith("Create") else _nested_name(message)


def _nested_name(message: Message) -> str:
    for field in _nested(message.DESCRIPTOR):
        if message.HasField(field) and (name := _text(getattr(message, field), "name")):
            return name
    return ""


def _wished_name(message: Message) -> str:
    """Return the name that `parent` and `metric_id` make, where the request creates a metric."""
    for field in _nested(message.DESCRIPTOR):
        if wished := _text(message, f"{field}_id"):
            parent = _parent(message)
            return f"{parent}/{field}s/{wished}" if parent else f"{field}s/{wished}"
    return ""


def _text(message: Message, field: str) -> str:
    value = getattr(message, field, "")
    return value if isinstance(value, str) else ""


@functools.cache
def _nested(descriptor: Descriptor) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in descriptor.fields
        if field.message_type is not None
        and not field.is_repeated
        and field.message_type.file.package == "gnomon.v1"
    )


@functools.cache
def _references(descriptor: Descriptor) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in descriptor.fields
        if field.type == FieldDescriptor.TYPE_STRING
        and not field.is_repeated
        and field.GetOptions().Extensions[resource_pb2.resource_reference].type
    )


def _unpacked(packed: any_pb2.Any) -> Message | None:
    name = packed.type_url.rpartition("/")[2]
    if not name:
        return None
    try:
        message: Message = symbol_database.Default().GetSymbol(name)()
    except KeyError:
        return None
    return message if packed.Unpack(message) else None
