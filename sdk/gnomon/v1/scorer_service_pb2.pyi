import datetime

from gnomon.v1 import resources_pb2 as _resources_pb2
from gnomon.v1 import scopes_pb2 as _scopes_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Lane(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LANE_UNSPECIFIED: _ClassVar[Lane]
    GUARDRAIL: _ClassVar[Lane]
    ONLINE: _ClassVar[Lane]
    BULK: _ClassVar[Lane]
LANE_UNSPECIFIED: Lane
GUARDRAIL: Lane
ONLINE: Lane
BULK: Lane

class ScoreRequest(_message.Message):
    __slots__ = ("metric_versions", "instances", "lane")
    METRIC_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    metric_versions: _containers.RepeatedScalarFieldContainer[str]
    instances: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Instance]
    lane: Lane
    def __init__(self, metric_versions: _Optional[_Iterable[str]] = ..., instances: _Optional[_Iterable[_Union[_resources_pb2.Instance, _Mapping]]] = ..., lane: _Optional[_Union[Lane, str]] = ...) -> None: ...

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

class ScoreStreamRequest(_message.Message):
    __slots__ = ("metric_versions", "instances")
    METRIC_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    metric_versions: _containers.RepeatedScalarFieldContainer[str]
    instances: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Instance]
    def __init__(self, metric_versions: _Optional[_Iterable[str]] = ..., instances: _Optional[_Iterable[_Union[_resources_pb2.Instance, _Mapping]]] = ...) -> None: ...

class ScoreStreamResponse(_message.Message):
    __slots__ = ("metric_versions", "results", "answered_count")
    METRIC_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_COUNT_FIELD_NUMBER: _ClassVar[int]
    metric_versions: _containers.RepeatedScalarFieldContainer[str]
    results: _containers.RepeatedCompositeFieldContainer[InstanceResult]
    answered_count: int
    def __init__(self, metric_versions: _Optional[_Iterable[str]] = ..., results: _Optional[_Iterable[_Union[InstanceResult, _Mapping]]] = ..., answered_count: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("metric_version", "state", "error", "format", "memory_bytes", "tuning", "format_reason")
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
    TUNING_FIELD_NUMBER: _ClassVar[int]
    FORMAT_REASON_FIELD_NUMBER: _ClassVar[int]
    metric_version: str
    state: LoadedVersion.State
    error: _status_pb2.Status
    format: str
    memory_bytes: int
    tuning: Tuning
    format_reason: str
    def __init__(self, metric_version: _Optional[str] = ..., state: _Optional[_Union[LoadedVersion.State, str]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., format: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., tuning: _Optional[_Union[Tuning, _Mapping]] = ..., format_reason: _Optional[str] = ...) -> None: ...

class Tuning(_message.Message):
    __slots__ = ("chosen", "trials", "machine", "measure_time", "objective_sequences_per_second")
    class Trial(_message.Message):
        __slots__ = ("format", "threads", "batch_tokens", "sequences_per_second", "spread")
        FORMAT_FIELD_NUMBER: _ClassVar[int]
        THREADS_FIELD_NUMBER: _ClassVar[int]
        BATCH_TOKENS_FIELD_NUMBER: _ClassVar[int]
        SEQUENCES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
        SPREAD_FIELD_NUMBER: _ClassVar[int]
        format: str
        threads: int
        batch_tokens: int
        sequences_per_second: float
        spread: float
        def __init__(self, format: _Optional[str] = ..., threads: _Optional[int] = ..., batch_tokens: _Optional[int] = ..., sequences_per_second: _Optional[float] = ..., spread: _Optional[float] = ...) -> None: ...
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    MEASURE_TIME_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_SEQUENCES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    chosen: Tuning.Trial
    trials: _containers.RepeatedCompositeFieldContainer[Tuning.Trial]
    machine: str
    measure_time: _timestamp_pb2.Timestamp
    objective_sequences_per_second: float
    def __init__(self, chosen: _Optional[_Union[Tuning.Trial, _Mapping]] = ..., trials: _Optional[_Iterable[_Union[Tuning.Trial, _Mapping]]] = ..., machine: _Optional[str] = ..., measure_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., objective_sequences_per_second: _Optional[float] = ...) -> None: ...
