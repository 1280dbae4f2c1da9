import datetime

from gnomon.v1 import resources_pb2 as _resources_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreRequest(_message.Message):
    __slots__ = ("metric_versions", "instances")
    METRIC_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    metric_versions: _containers.RepeatedScalarFieldContainer[str]
    instances: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Instance]
    def __init__(self, metric_versions: _Optional[_Iterable[str]] = ..., instances: _Optional[_Iterable[_Union[_resources_pb2.Instance, _Mapping]]] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("results", "timing")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[InstanceResult]
    timing: ScoringTiming
    def __init__(self, results: _Optional[_Iterable[_Union[InstanceResult, _Mapping]]] = ..., timing: _Optional[_Union[ScoringTiming, _Mapping]] = ...) -> None: ...

class InstanceResult(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[ScoreOutcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[ScoreOutcome, _Mapping]]] = ...) -> None: ...

class ScoreOutcome(_message.Message):
    __slots__ = ("score", "error")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    score: _resources_pb2.Score
    error: _status_pb2.Status
    def __init__(self, score: _Optional[_Union[_resources_pb2.Score, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ScoringTiming(_message.Message):
    __slots__ = ("tokenization_duration", "queue_duration", "inference_duration")
    TOKENIZATION_DURATION_FIELD_NUMBER: _ClassVar[int]
    QUEUE_DURATION_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_DURATION_FIELD_NUMBER: _ClassVar[int]
    tokenization_duration: _duration_pb2.Duration
    queue_duration: _duration_pb2.Duration
    inference_duration: _duration_pb2.Duration
    def __init__(self, tokenization_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., queue_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., inference_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ListLoadedVersionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListLoadedVersionsResponse(_message.Message):
    __slots__ = ("loaded_versions", "next_page_token")
    LOADED_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    loaded_versions: _containers.RepeatedCompositeFieldContainer[LoadedVersion]
    next_page_token: str
    def __init__(self, loaded_versions: _Optional[_Iterable[_Union[LoadedVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class LoadedVersion(_message.Message):
    __slots__ = ("metric_version", "state", "error", "format", "memory_bytes")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[LoadedVersion.State]
        LOADING: _ClassVar[LoadedVersion.State]
        READY: _ClassVar[LoadedVersion.State]
        FAILED: _ClassVar[LoadedVersion.State]
    STATE_UNSPECIFIED: LoadedVersion.State
    LOADING: LoadedVersion.State
    READY: LoadedVersion.State
    FAILED: LoadedVersion.State
    METRIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    metric_version: str
    state: LoadedVersion.State
    error: _status_pb2.Status
    format: str
    memory_bytes: int
    def __init__(self, metric_version: _Optional[str] = ..., state: _Optional[_Union[LoadedVersion.State, str]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., format: _Optional[str] = ..., memory_bytes: _Optional[int] = ...) -> None: ...
