"""What the contract says of a method: who may call it, and where its request names a project.

Read from the descriptors, whose option `gnomon.v1.scopes` is the only table of
our own methods. Methods of other people's services stand here.
"""

import functools
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor

from gnomon.v1 import scopes_pb2

ANY = "any"
_SCOPES: Any = scopes_pb2.scopes
_READ_WORK = ("train", "label")

FOREIGN: dict[str, tuple[str, ...]] = {
    # Whether an operation may be cancelled depends on what it is of: its handler looks again.
    "/google.longrunning.Operations/GetOperation": _READ_WORK,
    "/google.longrunning.Operations/ListOperations": _READ_WORK,
    "/google.longrunning.Operations/WaitOperation": _READ_WORK,
    "/google.longrunning.Operations/CancelOperation": _READ_WORK,
    "/google.longrunning.Operations/DeleteOperation": ("train",),
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": (ANY,),
}

OPEN = "/grpc.health.v1.Health/"
"""Health is told to everybody: whoever watches over a service has no key."""


@dataclass(frozen=True, slots=True)
class Method:
    """`scopes` is None for a method that nobody may call: it has no entry."""

    scopes: frozenset[str] | None
    request: Descriptor | None = None


@functools.cache
def described(path: str) -> Method:
    """Return what is said of `/package.Service/Method`. Ask for methods that a server has, and no others."""
    service, _, name = path.removeprefix("/").rpartition("/")
    try:
        found = descriptor_pool.Default().FindServiceByName(service).methods_by_name.get(name)
    except KeyError:
        found = None
    scopes = FOREIGN.get(path) or (tuple(found.GetOptions().Extensions[_SCOPES]) if found else ())
    return Method(frozenset(scopes) if scopes else None, found.input_type if found else None)
