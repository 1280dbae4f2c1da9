import datetime

from gnomon.v1 import resources_pb2 as _resources_pb2
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

class JudgeBudget(_message.Message):
    __slots__ = ("max_tokens", "max_cost", "input_price", "output_price")
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_FIELD_NUMBER: _ClassVar[int]
    INPUT_PRICE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_PRICE_FIELD_NUMBER: _ClassVar[int]
    max_tokens: int
    max_cost: float
    input_price: float
    output_price: float
    def __init__(self, max_tokens: _Optional[int] = ..., max_cost: _Optional[float] = ..., input_price: _Optional[float] = ..., output_price: _Optional[float] = ...) -> None: ...

class Labelling(_message.Message):
    __slots__ = ("name", "dataset", "metric", "provider", "purpose", "judge_prompt", "classes", "votes", "budget", "canary_count", "examples_dataset", "example_count", "seed", "target_dataset_id", "model", "state", "operation", "error", "progress", "labelled_dataset", "report", "canaries", "failure_counts", "failures", "doubtful_count", "attempts", "create_time", "start_time", "end_time")
    class Purpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PURPOSE_UNSPECIFIED: _ClassVar[Labelling.Purpose]
        LABEL: _ClassVar[Labelling.Purpose]
        VALIDATE: _ClassVar[Labelling.Purpose]
    PURPOSE_UNSPECIFIED: Labelling.Purpose
    LABEL: Labelling.Purpose
    VALIDATE: Labelling.Purpose
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Labelling.State]
        LABELLING: _ClassVar[Labelling.State]
        LABELLED: _ClassVar[Labelling.State]
        FAILED: _ClassVar[Labelling.State]
        CANCELLED: _ClassVar[Labelling.State]
    STATE_UNSPECIFIED: Labelling.State
    LABELLING: Labelling.State
    LABELLED: Labelling.State
    FAILED: Labelling.State
    CANCELLED: Labelling.State
    class JudgedClass(_message.Message):
        __slots__ = ("label", "rubric")
        LABEL_FIELD_NUMBER: _ClassVar[int]
        RUBRIC_FIELD_NUMBER: _ClassVar[int]
        label: str
        rubric: str
        def __init__(self, label: _Optional[str] = ..., rubric: _Optional[str] = ...) -> None: ...
    class FailedRow(_message.Message):
        __slots__ = ("row", "reason", "message")
        ROW_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        row: int
        reason: str
        message: str
        def __init__(self, row: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
    class FailureCountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    JUDGE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    CANARY_COUNT_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_DATASET_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TARGET_DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    LABELLED_DATASET_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    CANARIES_FIELD_NUMBER: _ClassVar[int]
    FAILURE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    DOUBTFUL_COUNT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    dataset: str
    metric: str
    provider: str
    purpose: Labelling.Purpose
    judge_prompt: str
    classes: _containers.RepeatedCompositeFieldContainer[Labelling.JudgedClass]
    votes: int
    budget: JudgeBudget
    canary_count: int
    examples_dataset: str
    example_count: int
    seed: int
    target_dataset_id: str
    model: str
    state: Labelling.State
    operation: str
    error: _status_pb2.Status
    progress: LabellingProgress
    labelled_dataset: str
    report: ValidationReport
    canaries: CanaryReport
    failure_counts: _containers.ScalarMap[str, int]
    failures: _containers.RepeatedCompositeFieldContainer[Labelling.FailedRow]
    doubtful_count: int
    attempts: int
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., dataset: _Optional[str] = ..., metric: _Optional[str] = ..., provider: _Optional[str] = ..., purpose: _Optional[_Union[Labelling.Purpose, str]] = ..., judge_prompt: _Optional[str] = ..., classes: _Optional[_Iterable[_Union[Labelling.JudgedClass, _Mapping]]] = ..., votes: _Optional[int] = ..., budget: _Optional[_Union[JudgeBudget, _Mapping]] = ..., canary_count: _Optional[int] = ..., examples_dataset: _Optional[str] = ..., example_count: _Optional[int] = ..., seed: _Optional[int] = ..., target_dataset_id: _Optional[str] = ..., model: _Optional[str] = ..., state: _Optional[_Union[Labelling.State, str]] = ..., operation: _Optional[str] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., progress: _Optional[_Union[LabellingProgress, _Mapping]] = ..., labelled_dataset: _Optional[str] = ..., report: _Optional[_Union[ValidationReport, _Mapping]] = ..., canaries: _Optional[_Union[CanaryReport, _Mapping]] = ..., failure_counts: _Optional[_Mapping[str, int]] = ..., failures: _Optional[_Iterable[_Union[Labelling.FailedRow, _Mapping]]] = ..., doubtful_count: _Optional[int] = ..., attempts: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class LabellingProgress(_message.Message):
    __slots__ = ("judged_count", "failed_count", "total_count", "input_tokens", "output_tokens", "cost", "estimated_cost", "remaining")
    JUDGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_COST_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    judged_count: int
    failed_count: int
    total_count: int
    input_tokens: int
    output_tokens: int
    cost: float
    estimated_cost: float
    remaining: _duration_pb2.Duration
    def __init__(self, judged_count: _Optional[int] = ..., failed_count: _Optional[int] = ..., total_count: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost: _Optional[float] = ..., estimated_cost: _Optional[float] = ..., remaining: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ValidationReport(_message.Message):
    __slots__ = ("row_count", "measures", "classes", "confusion_matrix", "wrong_count", "tokens_per_row", "cost_per_row")
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    CONFUSION_MATRIX_FIELD_NUMBER: _ClassVar[int]
    WRONG_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_ROW_FIELD_NUMBER: _ClassVar[int]
    COST_PER_ROW_FIELD_NUMBER: _ClassVar[int]
    row_count: int
    measures: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Measure]
    classes: _containers.RepeatedCompositeFieldContainer[_resources_pb2.ClassReport]
    confusion_matrix: _containers.RepeatedScalarFieldContainer[int]
    wrong_count: int
    tokens_per_row: float
    cost_per_row: float
    def __init__(self, row_count: _Optional[int] = ..., measures: _Optional[_Iterable[_Union[_resources_pb2.Measure, _Mapping]]] = ..., classes: _Optional[_Iterable[_Union[_resources_pb2.ClassReport, _Mapping]]] = ..., confusion_matrix: _Optional[_Iterable[int]] = ..., wrong_count: _Optional[int] = ..., tokens_per_row: _Optional[float] = ..., cost_per_row: _Optional[float] = ...) -> None: ...

class CanaryReport(_message.Message):
    __slots__ = ("count", "followed_count", "followed", "failed_count", "kinds")
    class Kind(_message.Message):
        __slots__ = ("kind", "count", "followed_count")
        KIND_FIELD_NUMBER: _ClassVar[int]
        COUNT_FIELD_NUMBER: _ClassVar[int]
        FOLLOWED_COUNT_FIELD_NUMBER: _ClassVar[int]
        kind: str
        count: int
        followed_count: int
        def __init__(self, kind: _Optional[str] = ..., count: _Optional[int] = ..., followed_count: _Optional[int] = ...) -> None: ...
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FOLLOWED_COUNT_FIELD_NUMBER: _ClassVar[int]
    FOLLOWED_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    count: int
    followed_count: int
    followed: _resources_pb2.Measure
    failed_count: int
    kinds: _containers.RepeatedCompositeFieldContainer[CanaryReport.Kind]
    def __init__(self, count: _Optional[int] = ..., followed_count: _Optional[int] = ..., followed: _Optional[_Union[_resources_pb2.Measure, _Mapping]] = ..., failed_count: _Optional[int] = ..., kinds: _Optional[_Iterable[_Union[CanaryReport.Kind, _Mapping]]] = ...) -> None: ...

class CreateLabellingRequest(_message.Message):
    __slots__ = ("labelling", "labelling_id", "request_id")
    LABELLING_FIELD_NUMBER: _ClassVar[int]
    LABELLING_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    labelling: Labelling
    labelling_id: str
    request_id: str
    def __init__(self, labelling: _Optional[_Union[Labelling, _Mapping]] = ..., labelling_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetLabellingRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListLabellingsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListLabellingsResponse(_message.Message):
    __slots__ = ("labellings", "next_page_token")
    LABELLINGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    labellings: _containers.RepeatedCompositeFieldContainer[Labelling]
    next_page_token: str
    def __init__(self, labellings: _Optional[_Iterable[_Union[Labelling, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchLabellingRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class WatchLabellingResponse(_message.Message):
    __slots__ = ("labelling",)
    LABELLING_FIELD_NUMBER: _ClassVar[int]
    labelling: Labelling
    def __init__(self, labelling: _Optional[_Union[Labelling, _Mapping]] = ...) -> None: ...

class ResumeLabellingRequest(_message.Message):
    __slots__ = ("name", "budget")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    name: str
    budget: JudgeBudget
    def __init__(self, name: _Optional[str] = ..., budget: _Optional[_Union[JudgeBudget, _Mapping]] = ...) -> None: ...

class ListWrongRowsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListWrongRowsResponse(_message.Message):
    __slots__ = ("rows", "next_page_token")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[WrongRow]
    next_page_token: str
    def __init__(self, rows: _Optional[_Iterable[_Union[WrongRow, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WrongRow(_message.Message):
    __slots__ = ("row", "instance", "true_label", "label", "explanation", "share")
    ROW_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    TRUE_LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    row: int
    instance: _resources_pb2.Instance
    true_label: str
    label: str
    explanation: str
    share: float
    def __init__(self, row: _Optional[int] = ..., instance: _Optional[_Union[_resources_pb2.Instance, _Mapping]] = ..., true_label: _Optional[str] = ..., label: _Optional[str] = ..., explanation: _Optional[str] = ..., share: _Optional[float] = ...) -> None: ...

class CompareLabellingsRequest(_message.Message):
    __slots__ = ("first_labelling", "second_labelling")
    FIRST_LABELLING_FIELD_NUMBER: _ClassVar[int]
    SECOND_LABELLING_FIELD_NUMBER: _ClassVar[int]
    first_labelling: str
    second_labelling: str
    def __init__(self, first_labelling: _Optional[str] = ..., second_labelling: _Optional[str] = ...) -> None: ...

class CompareLabellingsResponse(_message.Message):
    __slots__ = ("first_labelling", "second_labelling", "dataset", "first_measures", "second_measures", "comparison", "rows", "first_tokens_per_row", "second_tokens_per_row")
    class DifferingRow(_message.Message):
        __slots__ = ("row", "true_label", "first_label", "second_label")
        ROW_FIELD_NUMBER: _ClassVar[int]
        TRUE_LABEL_FIELD_NUMBER: _ClassVar[int]
        FIRST_LABEL_FIELD_NUMBER: _ClassVar[int]
        SECOND_LABEL_FIELD_NUMBER: _ClassVar[int]
        row: int
        true_label: str
        first_label: str
        second_label: str
        def __init__(self, row: _Optional[int] = ..., true_label: _Optional[str] = ..., first_label: _Optional[str] = ..., second_label: _Optional[str] = ...) -> None: ...
    FIRST_LABELLING_FIELD_NUMBER: _ClassVar[int]
    SECOND_LABELLING_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    FIRST_MEASURES_FIELD_NUMBER: _ClassVar[int]
    SECOND_MEASURES_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKENS_PER_ROW_FIELD_NUMBER: _ClassVar[int]
    SECOND_TOKENS_PER_ROW_FIELD_NUMBER: _ClassVar[int]
    first_labelling: str
    second_labelling: str
    dataset: str
    first_measures: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Measure]
    second_measures: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Measure]
    comparison: _resources_pb2.PairedComparison
    rows: _containers.RepeatedCompositeFieldContainer[CompareLabellingsResponse.DifferingRow]
    first_tokens_per_row: float
    second_tokens_per_row: float
    def __init__(self, first_labelling: _Optional[str] = ..., second_labelling: _Optional[str] = ..., dataset: _Optional[str] = ..., first_measures: _Optional[_Iterable[_Union[_resources_pb2.Measure, _Mapping]]] = ..., second_measures: _Optional[_Iterable[_Union[_resources_pb2.Measure, _Mapping]]] = ..., comparison: _Optional[_Union[_resources_pb2.PairedComparison, _Mapping]] = ..., rows: _Optional[_Iterable[_Union[CompareLabellingsResponse.DifferingRow, _Mapping]]] = ..., first_tokens_per_row: _Optional[float] = ..., second_tokens_per_row: _Optional[float] = ...) -> None: ...
