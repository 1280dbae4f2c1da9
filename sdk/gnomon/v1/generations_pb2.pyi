import datetime

from gnomon.v1 import labellings_pb2 as _labellings_pb2
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

class Generation(_message.Message):
    __slots__ = ("name", "metric", "provider", "judge_provider", "test_set", "seed_set", "seed_share", "sample_row_count", "row_count", "class_balance", "votes", "budget", "dataset_id", "seed", "state", "operation", "error", "progress", "sample_number", "wishes", "seed_rows", "model", "judge_model", "generated_dataset", "class_counts", "findings", "diversity", "card", "attempts", "create_time", "start_time", "end_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Generation.State]
        SAMPLING: _ClassVar[Generation.State]
        AWAITING_REVIEW: _ClassVar[Generation.State]
        GENERATING: _ClassVar[Generation.State]
        GENERATED: _ClassVar[Generation.State]
        FAILED: _ClassVar[Generation.State]
        CANCELLED: _ClassVar[Generation.State]
    STATE_UNSPECIFIED: Generation.State
    SAMPLING: Generation.State
    AWAITING_REVIEW: Generation.State
    GENERATING: Generation.State
    GENERATED: Generation.State
    FAILED: Generation.State
    CANCELLED: Generation.State
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REASON_UNSPECIFIED: _ClassVar[Generation.Reason]
        TOO_REPETITIVE: _ClassVar[Generation.Reason]
        LABELS_WRONG: _ClassVar[Generation.Reason]
        OFF_TOPIC: _ClassVar[Generation.Reason]
        OTHER: _ClassVar[Generation.Reason]
    REASON_UNSPECIFIED: Generation.Reason
    TOO_REPETITIVE: Generation.Reason
    LABELS_WRONG: Generation.Reason
    OFF_TOPIC: Generation.Reason
    OTHER: Generation.Reason
    class Wish(_message.Message):
        __slots__ = ("reason", "words")
        REASON_FIELD_NUMBER: _ClassVar[int]
        WORDS_FIELD_NUMBER: _ClassVar[int]
        reason: Generation.Reason
        words: str
        def __init__(self, reason: _Optional[_Union[Generation.Reason, str]] = ..., words: _Optional[str] = ...) -> None: ...
    class ClassBalanceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class ClassCountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    JUDGE_PROVIDER_FIELD_NUMBER: _ClassVar[int]
    TEST_SET_FIELD_NUMBER: _ClassVar[int]
    SEED_SET_FIELD_NUMBER: _ClassVar[int]
    SEED_SHARE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    CLASS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    WISHES_FIELD_NUMBER: _ClassVar[int]
    SEED_ROWS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    JUDGE_MODEL_FIELD_NUMBER: _ClassVar[int]
    GENERATED_DATASET_FIELD_NUMBER: _ClassVar[int]
    CLASS_COUNTS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    DIVERSITY_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    metric: str
    provider: str
    judge_provider: str
    test_set: str
    seed_set: str
    seed_share: float
    sample_row_count: int
    row_count: int
    class_balance: _containers.ScalarMap[str, float]
    votes: int
    budget: _labellings_pb2.JudgeBudget
    dataset_id: str
    seed: int
    state: Generation.State
    operation: str
    error: _status_pb2.Status
    progress: GenerationProgress
    sample_number: int
    wishes: _containers.RepeatedCompositeFieldContainer[Generation.Wish]
    seed_rows: _containers.RepeatedScalarFieldContainer[int]
    model: str
    judge_model: str
    generated_dataset: str
    class_counts: _containers.ScalarMap[str, int]
    findings: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Dataset.Finding]
    diversity: GenerationDiversity
    card: str
    attempts: int
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., metric: _Optional[str] = ..., provider: _Optional[str] = ..., judge_provider: _Optional[str] = ..., test_set: _Optional[str] = ..., seed_set: _Optional[str] = ..., seed_share: _Optional[float] = ..., sample_row_count: _Optional[int] = ..., row_count: _Optional[int] = ..., class_balance: _Optional[_Mapping[str, float]] = ..., votes: _Optional[int] = ..., budget: _Optional[_Union[_labellings_pb2.JudgeBudget, _Mapping]] = ..., dataset_id: _Optional[str] = ..., seed: _Optional[int] = ..., state: _Optional[_Union[Generation.State, str]] = ..., operation: _Optional[str] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., progress: _Optional[_Union[GenerationProgress, _Mapping]] = ..., sample_number: _Optional[int] = ..., wishes: _Optional[_Iterable[_Union[Generation.Wish, _Mapping]]] = ..., seed_rows: _Optional[_Iterable[int]] = ..., model: _Optional[str] = ..., judge_model: _Optional[str] = ..., generated_dataset: _Optional[str] = ..., class_counts: _Optional[_Mapping[str, int]] = ..., findings: _Optional[_Iterable[_Union[_resources_pb2.Dataset.Finding, _Mapping]]] = ..., diversity: _Optional[_Union[GenerationDiversity, _Mapping]] = ..., card: _Optional[str] = ..., attempts: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GenerationProgress(_message.Message):
    __slots__ = ("kept_count", "wanted_count", "asked_count", "dropped", "turned_down_count", "input_tokens", "output_tokens", "cost", "estimated_cost", "remaining")
    KEPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    WANTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    ASKED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    TURNED_DOWN_COUNT_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_COST_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    kept_count: int
    wanted_count: int
    asked_count: int
    dropped: DroppedItems
    turned_down_count: int
    input_tokens: int
    output_tokens: int
    cost: float
    estimated_cost: float
    remaining: _duration_pb2.Duration
    def __init__(self, kept_count: _Optional[int] = ..., wanted_count: _Optional[int] = ..., asked_count: _Optional[int] = ..., dropped: _Optional[_Union[DroppedItems, _Mapping]] = ..., turned_down_count: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost: _Optional[float] = ..., estimated_cost: _Optional[float] = ..., remaining: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class DroppedItems(_message.Message):
    __slots__ = ("unusable", "copies_seed", "copies_test_row", "repeats_row", "judged_otherwise", "not_judged")
    UNUSABLE_FIELD_NUMBER: _ClassVar[int]
    COPIES_SEED_FIELD_NUMBER: _ClassVar[int]
    COPIES_TEST_ROW_FIELD_NUMBER: _ClassVar[int]
    REPEATS_ROW_FIELD_NUMBER: _ClassVar[int]
    JUDGED_OTHERWISE_FIELD_NUMBER: _ClassVar[int]
    NOT_JUDGED_FIELD_NUMBER: _ClassVar[int]
    unusable: int
    copies_seed: int
    copies_test_row: int
    repeats_row: int
    judged_otherwise: int
    not_judged: int
    def __init__(self, unusable: _Optional[int] = ..., copies_seed: _Optional[int] = ..., copies_test_row: _Optional[int] = ..., repeats_row: _Optional[int] = ..., judged_otherwise: _Optional[int] = ..., not_judged: _Optional[int] = ...) -> None: ...

class GenerationDiversity(_message.Message):
    __slots__ = ("figures", "auroc", "mean_distance", "mean_distance_of_seeds", "near_duplicate_share")
    class Figure(_message.Message):
        __slots__ = ("key", "generated", "seeds")
        KEY_FIELD_NUMBER: _ClassVar[int]
        GENERATED_FIELD_NUMBER: _ClassVar[int]
        SEEDS_FIELD_NUMBER: _ClassVar[int]
        key: str
        generated: float
        seeds: float
        def __init__(self, key: _Optional[str] = ..., generated: _Optional[float] = ..., seeds: _Optional[float] = ...) -> None: ...
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    AUROC_FIELD_NUMBER: _ClassVar[int]
    MEAN_DISTANCE_FIELD_NUMBER: _ClassVar[int]
    MEAN_DISTANCE_OF_SEEDS_FIELD_NUMBER: _ClassVar[int]
    NEAR_DUPLICATE_SHARE_FIELD_NUMBER: _ClassVar[int]
    figures: _containers.RepeatedCompositeFieldContainer[GenerationDiversity.Figure]
    auroc: float
    mean_distance: float
    mean_distance_of_seeds: float
    near_duplicate_share: float
    def __init__(self, figures: _Optional[_Iterable[_Union[GenerationDiversity.Figure, _Mapping]]] = ..., auroc: _Optional[float] = ..., mean_distance: _Optional[float] = ..., mean_distance_of_seeds: _Optional[float] = ..., near_duplicate_share: _Optional[float] = ...) -> None: ...

class GeneratedRow(_message.Message):
    __slots__ = ("row", "instance", "label", "label_probabilities", "judge_explanation", "generated_from")
    class LabelProbabilitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ROW_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    JUDGE_EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    GENERATED_FROM_FIELD_NUMBER: _ClassVar[int]
    row: int
    instance: _resources_pb2.Instance
    label: str
    label_probabilities: _containers.ScalarMap[str, float]
    judge_explanation: str
    generated_from: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, row: _Optional[int] = ..., instance: _Optional[_Union[_resources_pb2.Instance, _Mapping]] = ..., label: _Optional[str] = ..., label_probabilities: _Optional[_Mapping[str, float]] = ..., judge_explanation: _Optional[str] = ..., generated_from: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateGenerationRequest(_message.Message):
    __slots__ = ("generation", "generation_id", "request_id")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    generation: Generation
    generation_id: str
    request_id: str
    def __init__(self, generation: _Optional[_Union[Generation, _Mapping]] = ..., generation_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetGenerationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListGenerationsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListGenerationsResponse(_message.Message):
    __slots__ = ("generations", "next_page_token")
    GENERATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    generations: _containers.RepeatedCompositeFieldContainer[Generation]
    next_page_token: str
    def __init__(self, generations: _Optional[_Iterable[_Union[Generation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchGenerationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class WatchGenerationResponse(_message.Message):
    __slots__ = ("generation",)
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    generation: Generation
    def __init__(self, generation: _Optional[_Union[Generation, _Mapping]] = ...) -> None: ...

class ListGeneratedRowsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListGeneratedRowsResponse(_message.Message):
    __slots__ = ("rows", "next_page_token")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[GeneratedRow]
    next_page_token: str
    def __init__(self, rows: _Optional[_Iterable[_Union[GeneratedRow, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RegenerateSampleRequest(_message.Message):
    __slots__ = ("name", "reason", "words", "sample_number")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: Generation.Reason
    words: str
    sample_number: int
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[_Union[Generation.Reason, str]] = ..., words: _Optional[str] = ..., sample_number: _Optional[int] = ...) -> None: ...

class ApproveSampleRequest(_message.Message):
    __slots__ = ("name", "sample_number")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    name: str
    sample_number: int
    def __init__(self, name: _Optional[str] = ..., sample_number: _Optional[int] = ...) -> None: ...

class ResumeGenerationRequest(_message.Message):
    __slots__ = ("name", "budget")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    name: str
    budget: _labellings_pb2.JudgeBudget
    def __init__(self, name: _Optional[str] = ..., budget: _Optional[_Union[_labellings_pb2.JudgeBudget, _Mapping]] = ...) -> None: ...
