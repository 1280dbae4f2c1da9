import datetime

from gnomon.v1 import generations_pb2 as _generations_pb2
from gnomon.v1 import labellings_pb2 as _labellings_pb2
from gnomon.v1 import resources_pb2 as _resources_pb2
from gnomon.v1 import reviews_pb2 as _reviews_pb2
from gnomon.v1 import scopes_pb2 as _scopes_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UploadDatasetRequest(_message.Message):
    __slots__ = ("header", "content")
    class Header(_message.Message):
        __slots__ = ("dataset_id", "metric", "filename", "format", "column_mapping", "allow_partial", "display_name", "request_id", "unlabelled")
        class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            FORMAT_UNSPECIFIED: _ClassVar[UploadDatasetRequest.Header.Format]
            CSV: _ClassVar[UploadDatasetRequest.Header.Format]
            JSONL: _ClassVar[UploadDatasetRequest.Header.Format]
        FORMAT_UNSPECIFIED: UploadDatasetRequest.Header.Format
        CSV: UploadDatasetRequest.Header.Format
        JSONL: UploadDatasetRequest.Header.Format
        class ColumnMappingEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        DATASET_ID_FIELD_NUMBER: _ClassVar[int]
        METRIC_FIELD_NUMBER: _ClassVar[int]
        FILENAME_FIELD_NUMBER: _ClassVar[int]
        FORMAT_FIELD_NUMBER: _ClassVar[int]
        COLUMN_MAPPING_FIELD_NUMBER: _ClassVar[int]
        ALLOW_PARTIAL_FIELD_NUMBER: _ClassVar[int]
        DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
        REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
        UNLABELLED_FIELD_NUMBER: _ClassVar[int]
        dataset_id: str
        metric: str
        filename: str
        format: UploadDatasetRequest.Header.Format
        column_mapping: _containers.ScalarMap[str, str]
        allow_partial: bool
        display_name: str
        request_id: str
        unlabelled: bool
        def __init__(self, dataset_id: _Optional[str] = ..., metric: _Optional[str] = ..., filename: _Optional[str] = ..., format: _Optional[_Union[UploadDatasetRequest.Header.Format, str]] = ..., column_mapping: _Optional[_Mapping[str, str]] = ..., allow_partial: _Optional[bool] = ..., display_name: _Optional[str] = ..., request_id: _Optional[str] = ..., unlabelled: _Optional[bool] = ...) -> None: ...
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    header: UploadDatasetRequest.Header
    content: bytes
    def __init__(self, header: _Optional[_Union[UploadDatasetRequest.Header, _Mapping]] = ..., content: _Optional[bytes] = ...) -> None: ...

class UploadDatasetResponse(_message.Message):
    __slots__ = ("dataset", "rejected_row_count", "rejected_rows")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    REJECTED_ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    REJECTED_ROWS_FIELD_NUMBER: _ClassVar[int]
    dataset: _resources_pb2.Dataset
    rejected_row_count: int
    rejected_rows: _containers.RepeatedCompositeFieldContainer[RejectedRow]
    def __init__(self, dataset: _Optional[_Union[_resources_pb2.Dataset, _Mapping]] = ..., rejected_row_count: _Optional[int] = ..., rejected_rows: _Optional[_Iterable[_Union[RejectedRow, _Mapping]]] = ...) -> None: ...

class RejectedRow(_message.Message):
    __slots__ = ("line", "column", "message")
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    line: int
    column: str
    message: str
    def __init__(self, line: _Optional[int] = ..., column: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class GetDatasetRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ("datasets", "next_page_token")
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Dataset]
    next_page_token: str
    def __init__(self, datasets: _Optional[_Iterable[_Union[_resources_pb2.Dataset, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteDatasetRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class SplitDatasetRequest(_message.Message):
    __slots__ = ("name", "training_dataset_id", "test_dataset_id", "test_share", "group_column", "seed", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TRAINING_DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    TEST_DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    TEST_SHARE_FIELD_NUMBER: _ClassVar[int]
    GROUP_COLUMN_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    training_dataset_id: str
    test_dataset_id: str
    test_share: float
    group_column: str
    seed: int
    request_id: str
    def __init__(self, name: _Optional[str] = ..., training_dataset_id: _Optional[str] = ..., test_dataset_id: _Optional[str] = ..., test_share: _Optional[float] = ..., group_column: _Optional[str] = ..., seed: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class SplitDatasetResponse(_message.Message):
    __slots__ = ("training_set", "test_set")
    TRAINING_SET_FIELD_NUMBER: _ClassVar[int]
    TEST_SET_FIELD_NUMBER: _ClassVar[int]
    training_set: _resources_pb2.Dataset
    test_set: _resources_pb2.Dataset
    def __init__(self, training_set: _Optional[_Union[_resources_pb2.Dataset, _Mapping]] = ..., test_set: _Optional[_Union[_resources_pb2.Dataset, _Mapping]] = ...) -> None: ...

class DownloadDatasetRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DownloadDatasetResponse(_message.Message):
    __slots__ = ("content",)
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    def __init__(self, content: _Optional[bytes] = ...) -> None: ...

class CheckDatasetRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CheckDatasetResponse(_message.Message):
    __slots__ = ("dataset", "suspect_labels")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SUSPECT_LABELS_FIELD_NUMBER: _ClassVar[int]
    dataset: _resources_pb2.Dataset
    suspect_labels: _containers.RepeatedCompositeFieldContainer[SuspectLabel]
    def __init__(self, dataset: _Optional[_Union[_resources_pb2.Dataset, _Mapping]] = ..., suspect_labels: _Optional[_Iterable[_Union[SuspectLabel, _Mapping]]] = ...) -> None: ...

class SuspectLabel(_message.Message):
    __slots__ = ("row", "instance", "label", "suggested_label", "label_probability", "suggested_probability")
    ROW_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SUGGESTED_LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    SUGGESTED_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    row: int
    instance: _resources_pb2.Instance
    label: str
    suggested_label: str
    label_probability: float
    suggested_probability: float
    def __init__(self, row: _Optional[int] = ..., instance: _Optional[_Union[_resources_pb2.Instance, _Mapping]] = ..., label: _Optional[str] = ..., suggested_label: _Optional[str] = ..., label_probability: _Optional[float] = ..., suggested_probability: _Optional[float] = ...) -> None: ...

class ListRecipesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRecipesResponse(_message.Message):
    __slots__ = ("recipes", "next_page_token")
    RECIPES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    recipes: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Recipe]
    next_page_token: str
    def __init__(self, recipes: _Optional[_Iterable[_Union[_resources_pb2.Recipe, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreateRunRequest(_message.Message):
    __slots__ = ("parent", "run_id", "run", "request_id", "validate_only")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    parent: str
    run_id: str
    run: _resources_pb2.Run
    request_id: str
    validate_only: bool
    def __init__(self, parent: _Optional[str] = ..., run_id: _Optional[str] = ..., run: _Optional[_Union[_resources_pb2.Run, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Run]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[_resources_pb2.Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateRunRequest(_message.Message):
    __slots__ = ("run", "update_mask")
    RUN_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    run: _resources_pb2.Run
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, run: _Optional[_Union[_resources_pb2.Run, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ResumeRunRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class WatchRunRequest(_message.Message):
    __slots__ = ("name", "after_step")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AFTER_STEP_FIELD_NUMBER: _ClassVar[int]
    name: str
    after_step: int
    def __init__(self, name: _Optional[str] = ..., after_step: _Optional[int] = ...) -> None: ...

class WatchRunResponse(_message.Message):
    __slots__ = ("run", "points")
    RUN_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    run: _resources_pb2.Run
    points: _containers.RepeatedCompositeFieldContainer[_resources_pb2.TrainingPoint]
    def __init__(self, run: _Optional[_Union[_resources_pb2.Run, _Mapping]] = ..., points: _Optional[_Iterable[_Union[_resources_pb2.TrainingPoint, _Mapping]]] = ...) -> None: ...

class ListPredictionsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPredictionsResponse(_message.Message):
    __slots__ = ("predictions", "next_page_token")
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Prediction]
    next_page_token: str
    def __init__(self, predictions: _Optional[_Iterable[_Union[_resources_pb2.Prediction, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CompareRunsRequest(_message.Message):
    __slots__ = ("first_run", "second_run")
    FIRST_RUN_FIELD_NUMBER: _ClassVar[int]
    SECOND_RUN_FIELD_NUMBER: _ClassVar[int]
    first_run: str
    second_run: str
    def __init__(self, first_run: _Optional[str] = ..., second_run: _Optional[str] = ...) -> None: ...

class CompareRunsResponse(_message.Message):
    __slots__ = ("first_run", "second_run", "test_set", "measures", "comparison", "flipped_rows", "flipped_row_count", "slices", "error_kinds", "row_count")
    FIRST_RUN_FIELD_NUMBER: _ClassVar[int]
    SECOND_RUN_FIELD_NUMBER: _ClassVar[int]
    TEST_SET_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    FLIPPED_ROWS_FIELD_NUMBER: _ClassVar[int]
    FLIPPED_ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    SLICES_FIELD_NUMBER: _ClassVar[int]
    ERROR_KINDS_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    first_run: str
    second_run: str
    test_set: str
    measures: _containers.RepeatedCompositeFieldContainer[MeasurePair]
    comparison: _resources_pb2.PairedComparison
    flipped_rows: _containers.RepeatedCompositeFieldContainer[FlippedRow]
    flipped_row_count: int
    slices: _containers.RepeatedCompositeFieldContainer[SlicePair]
    error_kinds: _containers.RepeatedCompositeFieldContainer[ErrorKind]
    row_count: int
    def __init__(self, first_run: _Optional[str] = ..., second_run: _Optional[str] = ..., test_set: _Optional[str] = ..., measures: _Optional[_Iterable[_Union[MeasurePair, _Mapping]]] = ..., comparison: _Optional[_Union[_resources_pb2.PairedComparison, _Mapping]] = ..., flipped_rows: _Optional[_Iterable[_Union[FlippedRow, _Mapping]]] = ..., flipped_row_count: _Optional[int] = ..., slices: _Optional[_Iterable[_Union[SlicePair, _Mapping]]] = ..., error_kinds: _Optional[_Iterable[_Union[ErrorKind, _Mapping]]] = ..., row_count: _Optional[int] = ...) -> None: ...

class ErrorKind(_message.Message):
    __slots__ = ("true_label", "label", "rows", "first", "second", "mcnemar_p")
    TRUE_LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    MCNEMAR_P_FIELD_NUMBER: _ClassVar[int]
    true_label: str
    label: str
    rows: int
    first: int
    second: int
    mcnemar_p: float
    def __init__(self, true_label: _Optional[str] = ..., label: _Optional[str] = ..., rows: _Optional[int] = ..., first: _Optional[int] = ..., second: _Optional[int] = ..., mcnemar_p: _Optional[float] = ...) -> None: ...

class MeasurePair(_message.Message):
    __slots__ = ("key", "first", "second", "difference")
    KEY_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    key: str
    first: float
    second: float
    difference: _resources_pb2.Measure
    def __init__(self, key: _Optional[str] = ..., first: _Optional[float] = ..., second: _Optional[float] = ..., difference: _Optional[_Union[_resources_pb2.Measure, _Mapping]] = ...) -> None: ...

class FlippedRow(_message.Message):
    __slots__ = ("row", "true_label", "first_label", "second_label", "first_true_probability", "second_true_probability")
    ROW_FIELD_NUMBER: _ClassVar[int]
    TRUE_LABEL_FIELD_NUMBER: _ClassVar[int]
    FIRST_LABEL_FIELD_NUMBER: _ClassVar[int]
    SECOND_LABEL_FIELD_NUMBER: _ClassVar[int]
    FIRST_TRUE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    SECOND_TRUE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    row: int
    true_label: str
    first_label: str
    second_label: str
    first_true_probability: float
    second_true_probability: float
    def __init__(self, row: _Optional[int] = ..., true_label: _Optional[str] = ..., first_label: _Optional[str] = ..., second_label: _Optional[str] = ..., first_true_probability: _Optional[float] = ..., second_true_probability: _Optional[float] = ...) -> None: ...

class SlicePair(_message.Message):
    __slots__ = ("key", "value", "rows", "few_rows", "accuracy")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    FEW_ROWS_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    rows: int
    few_rows: bool
    accuracy: MeasurePair
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., rows: _Optional[int] = ..., few_rows: _Optional[bool] = ..., accuracy: _Optional[_Union[MeasurePair, _Mapping]] = ...) -> None: ...

class CreateProviderRequest(_message.Message):
    __slots__ = ("provider_id", "provider", "request_id")
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    provider_id: str
    provider: _resources_pb2.Provider
    request_id: str
    def __init__(self, provider_id: _Optional[str] = ..., provider: _Optional[_Union[_resources_pb2.Provider, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetProviderRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListProvidersRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListProvidersResponse(_message.Message):
    __slots__ = ("providers", "next_page_token")
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    providers: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Provider]
    next_page_token: str
    def __init__(self, providers: _Optional[_Iterable[_Union[_resources_pb2.Provider, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateProviderRequest(_message.Message):
    __slots__ = ("provider", "update_mask")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    provider: _resources_pb2.Provider
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, provider: _Optional[_Union[_resources_pb2.Provider, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class DeleteProviderRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class TestProviderRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class TestProviderResponse(_message.Message):
    __slots__ = ("error", "model", "latency", "json_schema", "log_probabilities")
    class Ability(_message.Message):
        __slots__ = ("works", "problem")
        WORKS_FIELD_NUMBER: _ClassVar[int]
        PROBLEM_FIELD_NUMBER: _ClassVar[int]
        works: bool
        problem: str
        def __init__(self, works: _Optional[bool] = ..., problem: _Optional[str] = ...) -> None: ...
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    JSON_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    LOG_PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    error: _status_pb2.Status
    model: str
    latency: _duration_pb2.Duration
    json_schema: TestProviderResponse.Ability
    log_probabilities: TestProviderResponse.Ability
    def __init__(self, error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., model: _Optional[str] = ..., latency: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., json_schema: _Optional[_Union[TestProviderResponse.Ability, _Mapping]] = ..., log_probabilities: _Optional[_Union[TestProviderResponse.Ability, _Mapping]] = ...) -> None: ...

class JudgeInstancesRequest(_message.Message):
    __slots__ = ("provider", "metric", "instances", "votes", "budget")
    class Budget(_message.Message):
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
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    provider: str
    metric: str
    instances: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Instance]
    votes: int
    budget: JudgeInstancesRequest.Budget
    def __init__(self, provider: _Optional[str] = ..., metric: _Optional[str] = ..., instances: _Optional[_Iterable[_Union[_resources_pb2.Instance, _Mapping]]] = ..., votes: _Optional[int] = ..., budget: _Optional[_Union[JudgeInstancesRequest.Budget, _Mapping]] = ...) -> None: ...

class JudgeInstancesResponse(_message.Message):
    __slots__ = ("results", "input_tokens", "output_tokens", "cost")
    class Result(_message.Message):
        __slots__ = ("judgement", "error")
        JUDGEMENT_FIELD_NUMBER: _ClassVar[int]
        ERROR_FIELD_NUMBER: _ClassVar[int]
        judgement: Judgement
        error: _status_pb2.Status
        def __init__(self, judgement: _Optional[_Union[Judgement, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[JudgeInstancesResponse.Result]
    input_tokens: int
    output_tokens: int
    cost: float
    def __init__(self, results: _Optional[_Iterable[_Union[JudgeInstancesResponse.Result, _Mapping]]] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost: _Optional[float] = ...) -> None: ...

class Judgement(_message.Message):
    __slots__ = ("label", "explanation", "classes", "source", "votes")
    class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SOURCE_UNSPECIFIED: _ClassVar[Judgement.Source]
        VOTES: _ClassVar[Judgement.Source]
        TOKEN_PROBABILITIES: _ClassVar[Judgement.Source]
    SOURCE_UNSPECIFIED: Judgement.Source
    VOTES: Judgement.Source
    TOKEN_PROBABILITIES: Judgement.Source
    class ClassShare(_message.Message):
        __slots__ = ("label", "share")
        LABEL_FIELD_NUMBER: _ClassVar[int]
        SHARE_FIELD_NUMBER: _ClassVar[int]
        label: str
        share: float
        def __init__(self, label: _Optional[str] = ..., share: _Optional[float] = ...) -> None: ...
    LABEL_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    label: str
    explanation: str
    classes: _containers.RepeatedCompositeFieldContainer[Judgement.ClassShare]
    source: Judgement.Source
    votes: int
    def __init__(self, label: _Optional[str] = ..., explanation: _Optional[str] = ..., classes: _Optional[_Iterable[_Union[Judgement.ClassShare, _Mapping]]] = ..., source: _Optional[_Union[Judgement.Source, str]] = ..., votes: _Optional[int] = ...) -> None: ...

class RecordFeedbackRequest(_message.Message):
    __slots__ = ("entries", "request_id")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Feedback]
    request_id: str
    def __init__(self, entries: _Optional[_Iterable[_Union[_resources_pb2.Feedback, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class RecordFeedbackResponse(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[FeedbackOutcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[FeedbackOutcome, _Mapping]]] = ...) -> None: ...

class FeedbackOutcome(_message.Message):
    __slots__ = ("feedback", "error")
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    feedback: _resources_pb2.Feedback
    error: _status_pb2.Status
    def __init__(self, feedback: _Optional[_Union[_resources_pb2.Feedback, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ListFeedbackRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListFeedbackResponse(_message.Message):
    __slots__ = ("feedback", "next_page_token")
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    feedback: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Feedback]
    next_page_token: str
    def __init__(self, feedback: _Optional[_Iterable[_Union[_resources_pb2.Feedback, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CollectFeedbackRequest(_message.Message):
    __slots__ = ("parent", "dataset_id")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    parent: str
    dataset_id: str
    def __init__(self, parent: _Optional[str] = ..., dataset_id: _Optional[str] = ...) -> None: ...

class TrainFromFeedbackRequest(_message.Message):
    __slots__ = ("metric_version", "project", "run_id", "display_name", "request_id")
    METRIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    metric_version: str
    project: str
    run_id: str
    display_name: str
    request_id: str
    def __init__(self, metric_version: _Optional[str] = ..., project: _Optional[str] = ..., run_id: _Optional[str] = ..., display_name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...
