import datetime

from gnomon.v1 import resources_pb2 as _resources_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReviewAnswer(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVIEW_ANSWER_UNSPECIFIED: _ClassVar[ReviewAnswer]
    REVIEW_ANSWER_LABEL: _ClassVar[ReviewAnswer]
    REVIEW_ANSWER_UNSURE: _ClassVar[ReviewAnswer]
    REVIEW_ANSWER_SKIP: _ClassVar[ReviewAnswer]
REVIEW_ANSWER_UNSPECIFIED: ReviewAnswer
REVIEW_ANSWER_LABEL: ReviewAnswer
REVIEW_ANSWER_UNSURE: ReviewAnswer
REVIEW_ANSWER_SKIP: ReviewAnswer

class Review(_message.Message):
    __slots__ = ("name", "dataset", "metric", "classes", "order", "limit", "blind", "reviewers_per_row", "judge_column", "include_reviewed", "state", "item_count", "open_count", "settled_count", "corrected_count", "disagreement_count", "unsure_count", "reviewers", "agreements", "applied_version", "create_time", "apply_time")
    class Order(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ORDER_UNSPECIFIED: _ClassVar[Review.Order]
        COMBINED: _ClassVar[Review.Order]
        LABEL_NOISE: _ClassVar[Review.Order]
        JUDGE_DISAGREEMENT: _ClassVar[Review.Order]
        LOW_MARGIN: _ClassVar[Review.Order]
    ORDER_UNSPECIFIED: Review.Order
    COMBINED: Review.Order
    LABEL_NOISE: Review.Order
    JUDGE_DISAGREEMENT: Review.Order
    LOW_MARGIN: Review.Order
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Review.State]
        OPEN: _ClassVar[Review.State]
        APPLIED: _ClassVar[Review.State]
    STATE_UNSPECIFIED: Review.State
    OPEN: Review.State
    APPLIED: Review.State
    class Reviewer(_message.Message):
        __slots__ = ("reviewer", "labelled_count", "unsure_count", "skipped_count")
        REVIEWER_FIELD_NUMBER: _ClassVar[int]
        LABELLED_COUNT_FIELD_NUMBER: _ClassVar[int]
        UNSURE_COUNT_FIELD_NUMBER: _ClassVar[int]
        SKIPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
        reviewer: str
        labelled_count: int
        unsure_count: int
        skipped_count: int
        def __init__(self, reviewer: _Optional[str] = ..., labelled_count: _Optional[int] = ..., unsure_count: _Optional[int] = ..., skipped_count: _Optional[int] = ...) -> None: ...
    class Agreement(_message.Message):
        __slots__ = ("first_reviewer", "second_reviewer", "row_count", "agreement", "kappa")
        FIRST_REVIEWER_FIELD_NUMBER: _ClassVar[int]
        SECOND_REVIEWER_FIELD_NUMBER: _ClassVar[int]
        ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
        AGREEMENT_FIELD_NUMBER: _ClassVar[int]
        KAPPA_FIELD_NUMBER: _ClassVar[int]
        first_reviewer: str
        second_reviewer: str
        row_count: int
        agreement: _resources_pb2.Measure
        kappa: _resources_pb2.Measure
        def __init__(self, first_reviewer: _Optional[str] = ..., second_reviewer: _Optional[str] = ..., row_count: _Optional[int] = ..., agreement: _Optional[_Union[_resources_pb2.Measure, _Mapping]] = ..., kappa: _Optional[_Union[_resources_pb2.Measure, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BLIND_FIELD_NUMBER: _ClassVar[int]
    REVIEWERS_PER_ROW_FIELD_NUMBER: _ClassVar[int]
    JUDGE_COLUMN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_REVIEWED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ITEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    OPEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    SETTLED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CORRECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNSURE_COUNT_FIELD_NUMBER: _ClassVar[int]
    REVIEWERS_FIELD_NUMBER: _ClassVar[int]
    AGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    APPLIED_VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    APPLY_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    dataset: str
    metric: str
    classes: _containers.RepeatedScalarFieldContainer[str]
    order: Review.Order
    limit: int
    blind: bool
    reviewers_per_row: int
    judge_column: str
    include_reviewed: bool
    state: Review.State
    item_count: int
    open_count: int
    settled_count: int
    corrected_count: int
    disagreement_count: int
    unsure_count: int
    reviewers: _containers.RepeatedCompositeFieldContainer[Review.Reviewer]
    agreements: _containers.RepeatedCompositeFieldContainer[Review.Agreement]
    applied_version: str
    create_time: _timestamp_pb2.Timestamp
    apply_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., dataset: _Optional[str] = ..., metric: _Optional[str] = ..., classes: _Optional[_Iterable[str]] = ..., order: _Optional[_Union[Review.Order, str]] = ..., limit: _Optional[int] = ..., blind: _Optional[bool] = ..., reviewers_per_row: _Optional[int] = ..., judge_column: _Optional[str] = ..., include_reviewed: _Optional[bool] = ..., state: _Optional[_Union[Review.State, str]] = ..., item_count: _Optional[int] = ..., open_count: _Optional[int] = ..., settled_count: _Optional[int] = ..., corrected_count: _Optional[int] = ..., disagreement_count: _Optional[int] = ..., unsure_count: _Optional[int] = ..., reviewers: _Optional[_Iterable[_Union[Review.Reviewer, _Mapping]]] = ..., agreements: _Optional[_Iterable[_Union[Review.Agreement, _Mapping]]] = ..., applied_version: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., apply_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReviewItem(_message.Message):
    __slots__ = ("row", "rank", "instance", "columns", "reason", "label", "expected_label", "label_probability", "expected_probability", "judge_label", "judge_share")
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REASON_UNSPECIFIED: _ClassVar[ReviewItem.Reason]
        LABEL_NOISE: _ClassVar[ReviewItem.Reason]
        JUDGE_DISAGREEMENT: _ClassVar[ReviewItem.Reason]
        LOW_MARGIN: _ClassVar[ReviewItem.Reason]
        NO_SIGNAL: _ClassVar[ReviewItem.Reason]
    REASON_UNSPECIFIED: ReviewItem.Reason
    LABEL_NOISE: ReviewItem.Reason
    JUDGE_DISAGREEMENT: ReviewItem.Reason
    LOW_MARGIN: ReviewItem.Reason
    NO_SIGNAL: ReviewItem.Reason
    class ColumnsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ROW_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    JUDGE_LABEL_FIELD_NUMBER: _ClassVar[int]
    JUDGE_SHARE_FIELD_NUMBER: _ClassVar[int]
    row: int
    rank: int
    instance: _resources_pb2.Instance
    columns: _containers.ScalarMap[str, str]
    reason: ReviewItem.Reason
    label: str
    expected_label: str
    label_probability: float
    expected_probability: float
    judge_label: str
    judge_share: float
    def __init__(self, row: _Optional[int] = ..., rank: _Optional[int] = ..., instance: _Optional[_Union[_resources_pb2.Instance, _Mapping]] = ..., columns: _Optional[_Mapping[str, str]] = ..., reason: _Optional[_Union[ReviewItem.Reason, str]] = ..., label: _Optional[str] = ..., expected_label: _Optional[str] = ..., label_probability: _Optional[float] = ..., expected_probability: _Optional[float] = ..., judge_label: _Optional[str] = ..., judge_share: _Optional[float] = ...) -> None: ...

class ReviewDecision(_message.Message):
    __slots__ = ("row", "reviewer", "answer", "label", "adjudicates", "create_time", "withdraw_time")
    ROW_FIELD_NUMBER: _ClassVar[int]
    REVIEWER_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    ADJUDICATES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    WITHDRAW_TIME_FIELD_NUMBER: _ClassVar[int]
    row: int
    reviewer: str
    answer: ReviewAnswer
    label: str
    adjudicates: bool
    create_time: _timestamp_pb2.Timestamp
    withdraw_time: _timestamp_pb2.Timestamp
    def __init__(self, row: _Optional[int] = ..., reviewer: _Optional[str] = ..., answer: _Optional[_Union[ReviewAnswer, str]] = ..., label: _Optional[str] = ..., adjudicates: _Optional[bool] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., withdraw_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateReviewRequest(_message.Message):
    __slots__ = ("parent", "review_id", "review", "request_id")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    parent: str
    review_id: str
    review: Review
    request_id: str
    def __init__(self, parent: _Optional[str] = ..., review_id: _Optional[str] = ..., review: _Optional[_Union[Review, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetReviewRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListReviewsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListReviewsResponse(_message.Message):
    __slots__ = ("reviews", "next_page_token")
    REVIEWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    reviews: _containers.RepeatedCompositeFieldContainer[Review]
    next_page_token: str
    def __init__(self, reviews: _Optional[_Iterable[_Union[Review, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class NextReviewItemsRequest(_message.Message):
    __slots__ = ("name", "reviewer", "count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVIEWER_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    reviewer: str
    count: int
    def __init__(self, name: _Optional[str] = ..., reviewer: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class NextReviewItemsResponse(_message.Message):
    __slots__ = ("items", "left_count")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    LEFT_COUNT_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ReviewItem]
    left_count: int
    def __init__(self, items: _Optional[_Iterable[_Union[ReviewItem, _Mapping]]] = ..., left_count: _Optional[int] = ...) -> None: ...

class RecordReviewDecisionRequest(_message.Message):
    __slots__ = ("name", "row", "reviewer", "answer", "label", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    REVIEWER_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    row: int
    reviewer: str
    answer: ReviewAnswer
    label: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., row: _Optional[int] = ..., reviewer: _Optional[str] = ..., answer: _Optional[_Union[ReviewAnswer, str]] = ..., label: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class WithdrawReviewDecisionRequest(_message.Message):
    __slots__ = ("name", "reviewer", "row", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVIEWER_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    reviewer: str
    row: int
    request_id: str
    def __init__(self, name: _Optional[str] = ..., reviewer: _Optional[str] = ..., row: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class WithdrawReviewDecisionResponse(_message.Message):
    __slots__ = ("decision", "item")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    decision: ReviewDecision
    item: ReviewItem
    def __init__(self, decision: _Optional[_Union[ReviewDecision, _Mapping]] = ..., item: _Optional[_Union[ReviewItem, _Mapping]] = ...) -> None: ...

class ListReviewDecisionsRequest(_message.Message):
    __slots__ = ("parent", "reviewer", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    REVIEWER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    reviewer: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., reviewer: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListReviewDecisionsResponse(_message.Message):
    __slots__ = ("decisions", "next_page_token")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[ReviewDecision]
    next_page_token: str
    def __init__(self, decisions: _Optional[_Iterable[_Union[ReviewDecision, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListDisagreementsRequest(_message.Message):
    __slots__ = ("parent", "adjudicator", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    ADJUDICATOR_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    adjudicator: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., adjudicator: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDisagreementsResponse(_message.Message):
    __slots__ = ("disagreements", "next_page_token")
    class Disagreement(_message.Message):
        __slots__ = ("item", "decisions")
        ITEM_FIELD_NUMBER: _ClassVar[int]
        DECISIONS_FIELD_NUMBER: _ClassVar[int]
        item: ReviewItem
        decisions: _containers.RepeatedCompositeFieldContainer[ReviewDecision]
        def __init__(self, item: _Optional[_Union[ReviewItem, _Mapping]] = ..., decisions: _Optional[_Iterable[_Union[ReviewDecision, _Mapping]]] = ...) -> None: ...
    DISAGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    disagreements: _containers.RepeatedCompositeFieldContainer[ListDisagreementsResponse.Disagreement]
    next_page_token: str
    def __init__(self, disagreements: _Optional[_Iterable[_Union[ListDisagreementsResponse.Disagreement, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AdjudicateDisagreementRequest(_message.Message):
    __slots__ = ("name", "row", "adjudicator", "answer", "label", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    ADJUDICATOR_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    row: int
    adjudicator: str
    answer: ReviewAnswer
    label: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., row: _Optional[int] = ..., adjudicator: _Optional[str] = ..., answer: _Optional[_Union[ReviewAnswer, str]] = ..., label: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ApplyReviewRequest(_message.Message):
    __slots__ = ("name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ApplyReviewResponse(_message.Message):
    __slots__ = ("dataset", "review")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    dataset: _resources_pb2.Dataset
    review: Review
    def __init__(self, dataset: _Optional[_Union[_resources_pb2.Dataset, _Mapping]] = ..., review: _Optional[_Union[Review, _Mapping]] = ...) -> None: ...
