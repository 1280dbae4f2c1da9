from gnomon.v1 import scopes_pb2 as _scopes_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class GetUsageRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("storage_bytes", "training_hours")
    STORAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TRAINING_HOURS_FIELD_NUMBER: _ClassVar[int]
    storage_bytes: int
    training_hours: float
    def __init__(self, storage_bytes: _Optional[int] = ..., training_hours: _Optional[float] = ...) -> None: ...
