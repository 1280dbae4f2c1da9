import datetime

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

class Instance(_message.Message):
    __slots__ = ("span", "trace", "session")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    span: Span
    trace: Trace
    session: Session
    def __init__(self, span: _Optional[_Union[Span, _Mapping]] = ..., trace: _Optional[_Union[Trace, _Mapping]] = ..., session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class Span(_message.Message):
    __slots__ = ("span_id", "parent_span_id", "kind", "input", "output", "documents", "tools", "attributes")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Span.Kind]
        LLM: _ClassVar[Span.Kind]
        RETRIEVER: _ClassVar[Span.Kind]
        TOOL: _ClassVar[Span.Kind]
        AGENT: _ClassVar[Span.Kind]
    KIND_UNSPECIFIED: Span.Kind
    LLM: Span.Kind
    RETRIEVER: Span.Kind
    TOOL: Span.Kind
    AGENT: Span.Kind
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    span_id: str
    parent_span_id: str
    kind: Span.Kind
    input: _containers.RepeatedCompositeFieldContainer[Message]
    output: _containers.RepeatedCompositeFieldContainer[Message]
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    tools: _containers.RepeatedCompositeFieldContainer[Tool]
    attributes: _containers.ScalarMap[str, str]
    def __init__(self, span_id: _Optional[str] = ..., parent_span_id: _Optional[str] = ..., kind: _Optional[_Union[Span.Kind, str]] = ..., input: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., output: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ..., tools: _Optional[_Iterable[_Union[Tool, _Mapping]]] = ..., attributes: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Trace(_message.Message):
    __slots__ = ("trace_id", "spans")
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    spans: _containers.RepeatedCompositeFieldContainer[Span]
    def __init__(self, trace_id: _Optional[str] = ..., spans: _Optional[_Iterable[_Union[Span, _Mapping]]] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("session_id", "traces")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TRACES_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    traces: _containers.RepeatedCompositeFieldContainer[Trace]
    def __init__(self, session_id: _Optional[str] = ..., traces: _Optional[_Iterable[_Union[Trace, _Mapping]]] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("role", "content", "tool_calls", "tool_call_id")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    role: str
    content: str
    tool_calls: _containers.RepeatedCompositeFieldContainer[ToolCall]
    tool_call_id: str
    def __init__(self, role: _Optional[str] = ..., content: _Optional[str] = ..., tool_calls: _Optional[_Iterable[_Union[ToolCall, _Mapping]]] = ..., tool_call_id: _Optional[str] = ...) -> None: ...

class ToolCall(_message.Message):
    __slots__ = ("id", "tool", "arguments")
    ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    tool: str
    arguments: str
    def __init__(self, id: _Optional[str] = ..., tool: _Optional[str] = ..., arguments: _Optional[str] = ...) -> None: ...

class Tool(_message.Message):
    __slots__ = ("tool", "description", "parameters")
    TOOL_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    tool: str
    description: str
    parameters: str
    def __init__(self, tool: _Optional[str] = ..., description: _Optional[str] = ..., parameters: _Optional[str] = ...) -> None: ...

class Document(_message.Message):
    __slots__ = ("id", "content")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    content: str
    def __init__(self, id: _Optional[str] = ..., content: _Optional[str] = ...) -> None: ...

class Project(_message.Message):
    __slots__ = ("name", "display_name", "description", "etag", "create_time", "update_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    description: str
    etag: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., description: _Optional[str] = ..., etag: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Metric(_message.Message):
    __slots__ = ("name", "display_name", "description", "output_type", "classes", "step", "input_shape", "judge_prompt", "etag", "create_time", "update_time", "preset")
    class OutputType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTPUT_TYPE_UNSPECIFIED: _ClassVar[Metric.OutputType]
        BOOLEAN: _ClassVar[Metric.OutputType]
        CATEGORICAL: _ClassVar[Metric.OutputType]
    OUTPUT_TYPE_UNSPECIFIED: Metric.OutputType
    BOOLEAN: Metric.OutputType
    CATEGORICAL: Metric.OutputType
    class Step(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STEP_UNSPECIFIED: _ClassVar[Metric.Step]
        LLM_SPAN: _ClassVar[Metric.Step]
        RETRIEVER_SPAN: _ClassVar[Metric.Step]
        TOOL_SPAN: _ClassVar[Metric.Step]
        AGENT_SPAN: _ClassVar[Metric.Step]
        TRACE: _ClassVar[Metric.Step]
        SESSION: _ClassVar[Metric.Step]
    STEP_UNSPECIFIED: Metric.Step
    LLM_SPAN: Metric.Step
    RETRIEVER_SPAN: Metric.Step
    TOOL_SPAN: Metric.Step
    AGENT_SPAN: Metric.Step
    TRACE: Metric.Step
    SESSION: Metric.Step
    class InputShape(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        INPUT_SHAPE_UNSPECIFIED: _ClassVar[Metric.InputShape]
        INPUT: _ClassVar[Metric.InputShape]
        OUTPUT: _ClassVar[Metric.InputShape]
        INPUT_OUTPUT: _ClassVar[Metric.InputShape]
        DOCUMENTS_INPUT: _ClassVar[Metric.InputShape]
        DOCUMENTS_INPUT_OUTPUT: _ClassVar[Metric.InputShape]
        TOOLS_INPUT_OUTPUT: _ClassVar[Metric.InputShape]
        WHOLE_TRACE: _ClassVar[Metric.InputShape]
        WHOLE_SESSION: _ClassVar[Metric.InputShape]
    INPUT_SHAPE_UNSPECIFIED: Metric.InputShape
    INPUT: Metric.InputShape
    OUTPUT: Metric.InputShape
    INPUT_OUTPUT: Metric.InputShape
    DOCUMENTS_INPUT: Metric.InputShape
    DOCUMENTS_INPUT_OUTPUT: Metric.InputShape
    TOOLS_INPUT_OUTPUT: Metric.InputShape
    WHOLE_TRACE: Metric.InputShape
    WHOLE_SESSION: Metric.InputShape
    class LabelClass(_message.Message):
        __slots__ = ("label", "rubric", "flagged")
        LABEL_FIELD_NUMBER: _ClassVar[int]
        RUBRIC_FIELD_NUMBER: _ClassVar[int]
        FLAGGED_FIELD_NUMBER: _ClassVar[int]
        label: str
        rubric: str
        flagged: bool
        def __init__(self, label: _Optional[str] = ..., rubric: _Optional[str] = ..., flagged: _Optional[bool] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    INPUT_SHAPE_FIELD_NUMBER: _ClassVar[int]
    JUDGE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    PRESET_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    description: str
    output_type: Metric.OutputType
    classes: _containers.RepeatedCompositeFieldContainer[Metric.LabelClass]
    step: Metric.Step
    input_shape: Metric.InputShape
    judge_prompt: str
    etag: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    preset: str
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., description: _Optional[str] = ..., output_type: _Optional[_Union[Metric.OutputType, str]] = ..., classes: _Optional[_Iterable[_Union[Metric.LabelClass, _Mapping]]] = ..., step: _Optional[_Union[Metric.Step, str]] = ..., input_shape: _Optional[_Union[Metric.InputShape, str]] = ..., judge_prompt: _Optional[str] = ..., etag: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., preset: _Optional[str] = ...) -> None: ...

class MetricVersion(_message.Message):
    __slots__ = ("name", "description", "bundle", "artifacts", "threshold", "max_tokens", "lineage", "report", "aliases", "create_time", "delete_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DELETE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    bundle: Bundle
    artifacts: _containers.RepeatedCompositeFieldContainer[Artifact]
    threshold: float
    max_tokens: int
    lineage: Lineage
    report: EvaluationReport
    aliases: _containers.RepeatedScalarFieldContainer[str]
    create_time: _timestamp_pb2.Timestamp
    delete_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., bundle: _Optional[_Union[Bundle, _Mapping]] = ..., artifacts: _Optional[_Iterable[_Union[Artifact, _Mapping]]] = ..., threshold: _Optional[float] = ..., max_tokens: _Optional[int] = ..., lineage: _Optional[_Union[Lineage, _Mapping]] = ..., report: _Optional[_Union[EvaluationReport, _Mapping]] = ..., aliases: _Optional[_Iterable[str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., delete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Bundle(_message.Message):
    __slots__ = ("digest", "files")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    digest: str
    files: _containers.RepeatedCompositeFieldContainer[BundleFile]
    def __init__(self, digest: _Optional[str] = ..., files: _Optional[_Iterable[_Union[BundleFile, _Mapping]]] = ...) -> None: ...

class BundleFile(_message.Message):
    __slots__ = ("path", "sha256", "size_bytes")
    PATH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    path: str
    sha256: str
    size_bytes: int
    def __init__(self, path: _Optional[str] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("format", "path")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    format: str
    path: str
    def __init__(self, format: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class Lineage(_message.Message):
    __slots__ = ("run", "recipe", "base_model", "base_model_digest", "training_set", "training_set_digest", "test_set", "test_set_digest", "code_version", "seed", "generation", "generator", "imported_from", "imported_by")
    RUN_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TRAINING_SET_FIELD_NUMBER: _ClassVar[int]
    TRAINING_SET_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TEST_SET_FIELD_NUMBER: _ClassVar[int]
    TEST_SET_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CODE_VERSION_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    GENERATOR_FIELD_NUMBER: _ClassVar[int]
    IMPORTED_FROM_FIELD_NUMBER: _ClassVar[int]
    IMPORTED_BY_FIELD_NUMBER: _ClassVar[int]
    run: str
    recipe: str
    base_model: str
    base_model_digest: str
    training_set: str
    training_set_digest: str
    test_set: str
    test_set_digest: str
    code_version: str
    seed: int
    generation: str
    generator: str
    imported_from: str
    imported_by: str
    def __init__(self, run: _Optional[str] = ..., recipe: _Optional[str] = ..., base_model: _Optional[str] = ..., base_model_digest: _Optional[str] = ..., training_set: _Optional[str] = ..., training_set_digest: _Optional[str] = ..., test_set: _Optional[str] = ..., test_set_digest: _Optional[str] = ..., code_version: _Optional[str] = ..., seed: _Optional[int] = ..., generation: _Optional[str] = ..., generator: _Optional[str] = ..., imported_from: _Optional[str] = ..., imported_by: _Optional[str] = ...) -> None: ...

class Alias(_message.Message):
    __slots__ = ("name", "metric_version", "protected", "etag", "update_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    METRIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROTECTED_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    metric_version: str
    protected: bool
    etag: str
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., metric_version: _Optional[str] = ..., protected: _Optional[bool] = ..., etag: _Optional[str] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AliasEvent(_message.Message):
    __slots__ = ("alias", "old_metric_version", "new_metric_version", "create_time")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    OLD_METRIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    NEW_METRIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    alias: str
    old_metric_version: str
    new_metric_version: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, alias: _Optional[str] = ..., old_metric_version: _Optional[str] = ..., new_metric_version: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EvaluationReport(_message.Message):
    __slots__ = ("test_rows", "measures", "classes", "confusion_matrix", "baselines", "curves", "calibration", "threshold", "formats", "warnings", "training_rows", "validation_rows", "set_aside_rows", "abstain", "service", "slices", "worst_rows", "judge", "parameter_search", "settled_parameters", "judge_labelled_test_rows", "generated_test_rows")
    TEST_ROWS_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    CONFUSION_MATRIX_FIELD_NUMBER: _ClassVar[int]
    BASELINES_FIELD_NUMBER: _ClassVar[int]
    CURVES_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    FORMATS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    TRAINING_ROWS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_ROWS_FIELD_NUMBER: _ClassVar[int]
    SET_ASIDE_ROWS_FIELD_NUMBER: _ClassVar[int]
    ABSTAIN_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    SLICES_FIELD_NUMBER: _ClassVar[int]
    WORST_ROWS_FIELD_NUMBER: _ClassVar[int]
    JUDGE_FIELD_NUMBER: _ClassVar[int]
    PARAMETER_SEARCH_FIELD_NUMBER: _ClassVar[int]
    SETTLED_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    JUDGE_LABELLED_TEST_ROWS_FIELD_NUMBER: _ClassVar[int]
    GENERATED_TEST_ROWS_FIELD_NUMBER: _ClassVar[int]
    test_rows: int
    measures: _containers.RepeatedCompositeFieldContainer[Measure]
    classes: _containers.RepeatedCompositeFieldContainer[ClassReport]
    confusion_matrix: _containers.RepeatedScalarFieldContainer[int]
    baselines: _containers.RepeatedCompositeFieldContainer[Baseline]
    curves: _containers.RepeatedCompositeFieldContainer[Curve]
    calibration: CalibrationReport
    threshold: ThresholdReport
    formats: _containers.RepeatedCompositeFieldContainer[FormatReport]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    training_rows: int
    validation_rows: int
    set_aside_rows: int
    abstain: AbstainReport
    service: ServiceReport
    slices: _containers.RepeatedCompositeFieldContainer[Slice]
    worst_rows: _containers.RepeatedCompositeFieldContainer[WorstRow]
    judge: JudgeReport
    parameter_search: ParameterSearch
    settled_parameters: _containers.RepeatedCompositeFieldContainer[ResolvedParameter]
    judge_labelled_test_rows: int
    generated_test_rows: int
    def __init__(self, test_rows: _Optional[int] = ..., measures: _Optional[_Iterable[_Union[Measure, _Mapping]]] = ..., classes: _Optional[_Iterable[_Union[ClassReport, _Mapping]]] = ..., confusion_matrix: _Optional[_Iterable[int]] = ..., baselines: _Optional[_Iterable[_Union[Baseline, _Mapping]]] = ..., curves: _Optional[_Iterable[_Union[Curve, _Mapping]]] = ..., calibration: _Optional[_Union[CalibrationReport, _Mapping]] = ..., threshold: _Optional[_Union[ThresholdReport, _Mapping]] = ..., formats: _Optional[_Iterable[_Union[FormatReport, _Mapping]]] = ..., warnings: _Optional[_Iterable[str]] = ..., training_rows: _Optional[int] = ..., validation_rows: _Optional[int] = ..., set_aside_rows: _Optional[int] = ..., abstain: _Optional[_Union[AbstainReport, _Mapping]] = ..., service: _Optional[_Union[ServiceReport, _Mapping]] = ..., slices: _Optional[_Iterable[_Union[Slice, _Mapping]]] = ..., worst_rows: _Optional[_Iterable[_Union[WorstRow, _Mapping]]] = ..., judge: _Optional[_Union[JudgeReport, _Mapping]] = ..., parameter_search: _Optional[_Union[ParameterSearch, _Mapping]] = ..., settled_parameters: _Optional[_Iterable[_Union[ResolvedParameter, _Mapping]]] = ..., judge_labelled_test_rows: _Optional[int] = ..., generated_test_rows: _Optional[int] = ...) -> None: ...

class ParameterSearch(_message.Message):
    __slots__ = ("trials", "chosen")
    class Trial(_message.Message):
        __slots__ = ("parameters", "validation_loss", "validation_macro_f1", "seconds")
        class ParametersEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: float
            def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
        PARAMETERS_FIELD_NUMBER: _ClassVar[int]
        VALIDATION_LOSS_FIELD_NUMBER: _ClassVar[int]
        VALIDATION_MACRO_F1_FIELD_NUMBER: _ClassVar[int]
        SECONDS_FIELD_NUMBER: _ClassVar[int]
        parameters: _containers.ScalarMap[str, float]
        validation_loss: float
        validation_macro_f1: float
        seconds: float
        def __init__(self, parameters: _Optional[_Mapping[str, float]] = ..., validation_loss: _Optional[float] = ..., validation_macro_f1: _Optional[float] = ..., seconds: _Optional[float] = ...) -> None: ...
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    trials: _containers.RepeatedCompositeFieldContainer[ParameterSearch.Trial]
    chosen: int
    def __init__(self, trials: _Optional[_Iterable[_Union[ParameterSearch.Trial, _Mapping]]] = ..., chosen: _Optional[int] = ...) -> None: ...

class Measure(_message.Message):
    __slots__ = ("key", "value", "low", "high")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: float
    low: float
    high: float
    def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ...) -> None: ...

class ClassReport(_message.Message):
    __slots__ = ("label", "rows", "measures")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    label: str
    rows: int
    measures: _containers.RepeatedCompositeFieldContainer[Measure]
    def __init__(self, label: _Optional[str] = ..., rows: _Optional[int] = ..., measures: _Optional[_Iterable[_Union[Measure, _Mapping]]] = ...) -> None: ...

class Baseline(_message.Message):
    __slots__ = ("key", "measures", "comparison")
    KEY_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    key: str
    measures: _containers.RepeatedCompositeFieldContainer[Measure]
    comparison: PairedComparison
    def __init__(self, key: _Optional[str] = ..., measures: _Optional[_Iterable[_Union[Measure, _Mapping]]] = ..., comparison: _Optional[_Union[PairedComparison, _Mapping]] = ...) -> None: ...

class PairedComparison(_message.Message):
    __slots__ = ("rows", "differences", "only_first_right", "only_second_right", "mcnemar_p")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    ONLY_FIRST_RIGHT_FIELD_NUMBER: _ClassVar[int]
    ONLY_SECOND_RIGHT_FIELD_NUMBER: _ClassVar[int]
    MCNEMAR_P_FIELD_NUMBER: _ClassVar[int]
    rows: int
    differences: _containers.RepeatedCompositeFieldContainer[Measure]
    only_first_right: int
    only_second_right: int
    mcnemar_p: float
    def __init__(self, rows: _Optional[int] = ..., differences: _Optional[_Iterable[_Union[Measure, _Mapping]]] = ..., only_first_right: _Optional[int] = ..., only_second_right: _Optional[int] = ..., mcnemar_p: _Optional[float] = ...) -> None: ...

class Slice(_message.Message):
    __slots__ = ("key", "value", "rows", "few_rows", "measures")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    FEW_ROWS_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    rows: int
    few_rows: bool
    measures: _containers.RepeatedCompositeFieldContainer[Measure]
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., rows: _Optional[int] = ..., few_rows: _Optional[bool] = ..., measures: _Optional[_Iterable[_Union[Measure, _Mapping]]] = ...) -> None: ...

class WorstRow(_message.Message):
    __slots__ = ("row", "true_label", "label", "true_probability", "probability")
    ROW_FIELD_NUMBER: _ClassVar[int]
    TRUE_LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    TRUE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    row: int
    true_label: str
    label: str
    true_probability: float
    probability: float
    def __init__(self, row: _Optional[int] = ..., true_label: _Optional[str] = ..., label: _Optional[str] = ..., true_probability: _Optional[float] = ..., probability: _Optional[float] = ...) -> None: ...

class JudgeReport(_message.Message):
    __slots__ = ("column", "rows", "unreadable_rows", "measures", "comparison")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_ROWS_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    column: str
    rows: int
    unreadable_rows: int
    measures: _containers.RepeatedCompositeFieldContainer[Measure]
    comparison: PairedComparison
    def __init__(self, column: _Optional[str] = ..., rows: _Optional[int] = ..., unreadable_rows: _Optional[int] = ..., measures: _Optional[_Iterable[_Union[Measure, _Mapping]]] = ..., comparison: _Optional[_Union[PairedComparison, _Mapping]] = ...) -> None: ...

class ReportOptions(_message.Message):
    __slots__ = ("slice_columns", "judge_column")
    SLICE_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    JUDGE_COLUMN_FIELD_NUMBER: _ClassVar[int]
    slice_columns: _containers.RepeatedScalarFieldContainer[str]
    judge_column: str
    def __init__(self, slice_columns: _Optional[_Iterable[str]] = ..., judge_column: _Optional[str] = ...) -> None: ...

class Curve(_message.Message):
    __slots__ = ("key", "label", "x", "y", "rows")
    KEY_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    key: str
    label: str
    x: _containers.RepeatedScalarFieldContainer[float]
    y: _containers.RepeatedScalarFieldContainer[float]
    rows: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, key: _Optional[str] = ..., label: _Optional[str] = ..., x: _Optional[_Iterable[float]] = ..., y: _Optional[_Iterable[float]] = ..., rows: _Optional[_Iterable[int]] = ...) -> None: ...

class CalibrationReport(_message.Message):
    __slots__ = ("method", "temperature", "rows", "ece_before", "ece_after", "scales", "biases", "log_losses")
    class LogLossesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    METHOD_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    ECE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    ECE_AFTER_FIELD_NUMBER: _ClassVar[int]
    SCALES_FIELD_NUMBER: _ClassVar[int]
    BIASES_FIELD_NUMBER: _ClassVar[int]
    LOG_LOSSES_FIELD_NUMBER: _ClassVar[int]
    method: str
    temperature: float
    rows: int
    ece_before: float
    ece_after: float
    scales: _containers.RepeatedScalarFieldContainer[float]
    biases: _containers.RepeatedScalarFieldContainer[float]
    log_losses: _containers.ScalarMap[str, float]
    def __init__(self, method: _Optional[str] = ..., temperature: _Optional[float] = ..., rows: _Optional[int] = ..., ece_before: _Optional[float] = ..., ece_after: _Optional[float] = ..., scales: _Optional[_Iterable[float]] = ..., biases: _Optional[_Iterable[float]] = ..., log_losses: _Optional[_Mapping[str, float]] = ...) -> None: ...

class ThresholdReport(_message.Message):
    __slots__ = ("value", "aim", "rows", "target", "reached", "confidence", "method", "negatives", "errors")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    AIM_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    REACHED_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    NEGATIVES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    value: float
    aim: str
    rows: int
    target: float
    reached: float
    confidence: float
    method: str
    negatives: int
    errors: int
    def __init__(self, value: _Optional[float] = ..., aim: _Optional[str] = ..., rows: _Optional[int] = ..., target: _Optional[float] = ..., reached: _Optional[float] = ..., confidence: _Optional[float] = ..., method: _Optional[str] = ..., negatives: _Optional[int] = ..., errors: _Optional[int] = ...) -> None: ...

class AbstainReport(_message.Message):
    __slots__ = ("low", "high", "error_rate", "confidence", "method", "negatives", "positives", "abstained_share", "false_positive_rate", "miss_rate")
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    ERROR_RATE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    NEGATIVES_FIELD_NUMBER: _ClassVar[int]
    POSITIVES_FIELD_NUMBER: _ClassVar[int]
    ABSTAINED_SHARE_FIELD_NUMBER: _ClassVar[int]
    FALSE_POSITIVE_RATE_FIELD_NUMBER: _ClassVar[int]
    MISS_RATE_FIELD_NUMBER: _ClassVar[int]
    low: float
    high: float
    error_rate: float
    confidence: float
    method: str
    negatives: int
    positives: int
    abstained_share: float
    false_positive_rate: float
    miss_rate: float
    def __init__(self, low: _Optional[float] = ..., high: _Optional[float] = ..., error_rate: _Optional[float] = ..., confidence: _Optional[float] = ..., method: _Optional[str] = ..., negatives: _Optional[int] = ..., positives: _Optional[int] = ..., abstained_share: _Optional[float] = ..., false_positive_rate: _Optional[float] = ..., miss_rate: _Optional[float] = ...) -> None: ...

class ServiceObjective(_message.Message):
    __slots__ = ("average_qps", "peak_qps", "input_tokens", "p95_ms", "on_miss")
    class OnMiss(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ON_MISS_UNSPECIFIED: _ClassVar[ServiceObjective.OnMiss]
        WARN: _ClassVar[ServiceObjective.OnMiss]
        REFUSE: _ClassVar[ServiceObjective.OnMiss]
    ON_MISS_UNSPECIFIED: ServiceObjective.OnMiss
    WARN: ServiceObjective.OnMiss
    REFUSE: ServiceObjective.OnMiss
    AVERAGE_QPS_FIELD_NUMBER: _ClassVar[int]
    PEAK_QPS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    P95_MS_FIELD_NUMBER: _ClassVar[int]
    ON_MISS_FIELD_NUMBER: _ClassVar[int]
    average_qps: float
    peak_qps: float
    input_tokens: int
    p95_ms: float
    on_miss: ServiceObjective.OnMiss
    def __init__(self, average_qps: _Optional[float] = ..., peak_qps: _Optional[float] = ..., input_tokens: _Optional[int] = ..., p95_ms: _Optional[float] = ..., on_miss: _Optional[_Union[ServiceObjective.OnMiss, str]] = ...) -> None: ...

class ServiceReport(_message.Message):
    __slots__ = ("objective", "met", "format", "formats", "reason")
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    MET_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    FORMATS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    objective: ServiceObjective
    met: bool
    format: str
    formats: _containers.RepeatedCompositeFieldContainer[FormatService]
    reason: str
    def __init__(self, objective: _Optional[_Union[ServiceObjective, _Mapping]] = ..., met: _Optional[bool] = ..., format: _Optional[str] = ..., formats: _Optional[_Iterable[_Union[FormatService, _Mapping]]] = ..., reason: _Optional[str] = ...) -> None: ...

class FormatService(_message.Message):
    __slots__ = ("format", "meets", "p95_ms", "capacity_per_second", "average_utilization", "peak_utilization", "macro_f1_drop", "flagged_f1_drop")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    MEETS_FIELD_NUMBER: _ClassVar[int]
    P95_MS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_UTILIZATION_FIELD_NUMBER: _ClassVar[int]
    PEAK_UTILIZATION_FIELD_NUMBER: _ClassVar[int]
    MACRO_F1_DROP_FIELD_NUMBER: _ClassVar[int]
    FLAGGED_F1_DROP_FIELD_NUMBER: _ClassVar[int]
    format: str
    meets: bool
    p95_ms: float
    capacity_per_second: float
    average_utilization: float
    peak_utilization: float
    macro_f1_drop: float
    flagged_f1_drop: float
    def __init__(self, format: _Optional[str] = ..., meets: _Optional[bool] = ..., p95_ms: _Optional[float] = ..., capacity_per_second: _Optional[float] = ..., average_utilization: _Optional[float] = ..., peak_utilization: _Optional[float] = ..., macro_f1_drop: _Optional[float] = ..., flagged_f1_drop: _Optional[float] = ...) -> None: ...

class FormatReport(_message.Message):
    __slots__ = ("format", "passed", "measures", "rows", "reason", "latency_profile", "machine")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LATENCY_PROFILE_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    format: str
    passed: bool
    measures: _containers.RepeatedCompositeFieldContainer[Measure]
    rows: int
    reason: str
    latency_profile: _containers.RepeatedCompositeFieldContainer[LatencyPoint]
    machine: str
    def __init__(self, format: _Optional[str] = ..., passed: _Optional[bool] = ..., measures: _Optional[_Iterable[_Union[Measure, _Mapping]]] = ..., rows: _Optional[int] = ..., reason: _Optional[str] = ..., latency_profile: _Optional[_Iterable[_Union[LatencyPoint, _Mapping]]] = ..., machine: _Optional[str] = ...) -> None: ...

class LatencyPoint(_message.Message):
    __slots__ = ("tokens", "alone_p50_ms", "alone_p99_ms", "capacity_per_second", "capacity_batch")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    ALONE_P50_MS_FIELD_NUMBER: _ClassVar[int]
    ALONE_P99_MS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_BATCH_FIELD_NUMBER: _ClassVar[int]
    tokens: int
    alone_p50_ms: float
    alone_p99_ms: float
    capacity_per_second: float
    capacity_batch: int
    def __init__(self, tokens: _Optional[int] = ..., alone_p50_ms: _Optional[float] = ..., alone_p99_ms: _Optional[float] = ..., capacity_per_second: _Optional[float] = ..., capacity_batch: _Optional[int] = ...) -> None: ...

class Dataset(_message.Message):
    __slots__ = ("name", "version", "digest", "display_name", "metric", "state", "findings", "row_count", "class_counts", "extra_columns", "size_bytes", "source_filename", "create_time", "delete_time", "review", "labelling", "unlabelled", "generation")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Dataset.State]
        VALIDATED: _ClassVar[Dataset.State]
        VALIDATED_WITH_WARNINGS: _ClassVar[Dataset.State]
        VALIDATING: _ClassVar[Dataset.State]
        FAILED: _ClassVar[Dataset.State]
    STATE_UNSPECIFIED: Dataset.State
    VALIDATED: Dataset.State
    VALIDATED_WITH_WARNINGS: Dataset.State
    VALIDATING: Dataset.State
    FAILED: Dataset.State
    class Finding(_message.Message):
        __slots__ = ("code", "message", "rows", "row_count", "matches")
        CODE_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        ROWS_FIELD_NUMBER: _ClassVar[int]
        ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
        MATCHES_FIELD_NUMBER: _ClassVar[int]
        code: str
        message: str
        rows: _containers.RepeatedScalarFieldContainer[int]
        row_count: int
        matches: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., rows: _Optional[_Iterable[int]] = ..., row_count: _Optional[int] = ..., matches: _Optional[_Iterable[int]] = ...) -> None: ...
    class ClassCountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    CLASS_COUNTS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FILENAME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DELETE_TIME_FIELD_NUMBER: _ClassVar[int]
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    LABELLING_FIELD_NUMBER: _ClassVar[int]
    UNLABELLED_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    digest: str
    display_name: str
    metric: str
    state: Dataset.State
    findings: _containers.RepeatedCompositeFieldContainer[Dataset.Finding]
    row_count: int
    class_counts: _containers.ScalarMap[str, int]
    extra_columns: _containers.RepeatedScalarFieldContainer[str]
    size_bytes: int
    source_filename: str
    create_time: _timestamp_pb2.Timestamp
    delete_time: _timestamp_pb2.Timestamp
    review: str
    labelling: str
    unlabelled: bool
    generation: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., digest: _Optional[str] = ..., display_name: _Optional[str] = ..., metric: _Optional[str] = ..., state: _Optional[_Union[Dataset.State, str]] = ..., findings: _Optional[_Iterable[_Union[Dataset.Finding, _Mapping]]] = ..., row_count: _Optional[int] = ..., class_counts: _Optional[_Mapping[str, int]] = ..., extra_columns: _Optional[_Iterable[str]] = ..., size_bytes: _Optional[int] = ..., source_filename: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., delete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., review: _Optional[str] = ..., labelling: _Optional[str] = ..., unlabelled: _Optional[bool] = ..., generation: _Optional[str] = ...) -> None: ...

class Provider(_message.Message):
    __slots__ = ("name", "display_name", "base_url", "model", "api_key", "key_state", "etag", "create_time", "update_time")
    class KeyState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KEY_STATE_UNSPECIFIED: _ClassVar[Provider.KeyState]
        NO_KEY: _ClassVar[Provider.KeyState]
        STORED: _ClassVar[Provider.KeyState]
        DROPPED: _ClassVar[Provider.KeyState]
    KEY_STATE_UNSPECIFIED: Provider.KeyState
    NO_KEY: Provider.KeyState
    STORED: Provider.KeyState
    DROPPED: Provider.KeyState
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    BASE_URL_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    KEY_STATE_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    base_url: str
    model: str
    api_key: str
    key_state: Provider.KeyState
    etag: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., base_url: _Optional[str] = ..., model: _Optional[str] = ..., api_key: _Optional[str] = ..., key_state: _Optional[_Union[Provider.KeyState, str]] = ..., etag: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Recipe(_message.Message):
    __slots__ = ("name", "display_name", "description", "base_model", "parameters", "available", "unavailable_reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    description: str
    base_model: str
    parameters: TrainingParameters
    available: bool
    unavailable_reason: str
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., description: _Optional[str] = ..., base_model: _Optional[str] = ..., parameters: _Optional[_Union[TrainingParameters, _Mapping]] = ..., available: _Optional[bool] = ..., unavailable_reason: _Optional[str] = ...) -> None: ...

class TrainingParameters(_message.Message):
    __slots__ = ("epochs", "batch_size", "learning_rate", "head_learning_rate", "weight_decay", "warmup_share", "max_tokens", "validation_share", "evaluations_per_epoch", "patience", "seed", "window_stride", "max_windows", "window_reducer", "threshold_aim", "threshold_target", "threshold_confidence", "abstain_error_rate", "class_weight_power", "layer_decay", "pooling", "weight_averaging", "contrastive_epochs", "final_rows", "search_minutes", "layers", "adapter_rank")
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    HEAD_LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_DECAY_FIELD_NUMBER: _ClassVar[int]
    WARMUP_SHARE_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_SHARE_FIELD_NUMBER: _ClassVar[int]
    EVALUATIONS_PER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    WINDOW_STRIDE_FIELD_NUMBER: _ClassVar[int]
    MAX_WINDOWS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_REDUCER_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_AIM_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_TARGET_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    ABSTAIN_ERROR_RATE_FIELD_NUMBER: _ClassVar[int]
    CLASS_WEIGHT_POWER_FIELD_NUMBER: _ClassVar[int]
    LAYER_DECAY_FIELD_NUMBER: _ClassVar[int]
    POOLING_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_AVERAGING_FIELD_NUMBER: _ClassVar[int]
    CONTRASTIVE_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    FINAL_ROWS_FIELD_NUMBER: _ClassVar[int]
    SEARCH_MINUTES_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_RANK_FIELD_NUMBER: _ClassVar[int]
    epochs: int
    batch_size: int
    learning_rate: float
    head_learning_rate: float
    weight_decay: float
    warmup_share: float
    max_tokens: int
    validation_share: float
    evaluations_per_epoch: int
    patience: int
    seed: int
    window_stride: int
    max_windows: int
    window_reducer: str
    threshold_aim: str
    threshold_target: float
    threshold_confidence: float
    abstain_error_rate: float
    class_weight_power: float
    layer_decay: float
    pooling: str
    weight_averaging: float
    contrastive_epochs: int
    final_rows: str
    search_minutes: float
    layers: int
    adapter_rank: int
    def __init__(self, epochs: _Optional[int] = ..., batch_size: _Optional[int] = ..., learning_rate: _Optional[float] = ..., head_learning_rate: _Optional[float] = ..., weight_decay: _Optional[float] = ..., warmup_share: _Optional[float] = ..., max_tokens: _Optional[int] = ..., validation_share: _Optional[float] = ..., evaluations_per_epoch: _Optional[int] = ..., patience: _Optional[int] = ..., seed: _Optional[int] = ..., window_stride: _Optional[int] = ..., max_windows: _Optional[int] = ..., window_reducer: _Optional[str] = ..., threshold_aim: _Optional[str] = ..., threshold_target: _Optional[float] = ..., threshold_confidence: _Optional[float] = ..., abstain_error_rate: _Optional[float] = ..., class_weight_power: _Optional[float] = ..., layer_decay: _Optional[float] = ..., pooling: _Optional[str] = ..., weight_averaging: _Optional[float] = ..., contrastive_epochs: _Optional[int] = ..., final_rows: _Optional[str] = ..., search_minutes: _Optional[float] = ..., layers: _Optional[int] = ..., adapter_rank: _Optional[int] = ...) -> None: ...

class ResolvedParameter(_message.Message):
    __slots__ = ("key", "value", "origin")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    origin: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., origin: _Optional[str] = ...) -> None: ...

class Run(_message.Message):
    __slots__ = ("name", "display_name", "metric", "training_set", "test_set", "recipe", "parameters", "allow_small", "state", "operation", "error", "progress", "resolved_parameters", "findings", "report", "metric_version", "attempts", "etag", "create_time", "start_time", "end_time", "service_objective", "chosen_recipe", "report_options", "feedback_origin", "labelling", "generation")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Run.State]
        QUEUED: _ClassVar[Run.State]
        TRAINING: _ClassVar[Run.State]
        FINE_TUNED: _ClassVar[Run.State]
        REGISTERED: _ClassVar[Run.State]
        FAILED: _ClassVar[Run.State]
        CANCELLED: _ClassVar[Run.State]
        GENERATING: _ClassVar[Run.State]
        LABELLING: _ClassVar[Run.State]
    STATE_UNSPECIFIED: Run.State
    QUEUED: Run.State
    TRAINING: Run.State
    FINE_TUNED: Run.State
    REGISTERED: Run.State
    FAILED: Run.State
    CANCELLED: Run.State
    GENERATING: Run.State
    LABELLING: Run.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    TRAINING_SET_FIELD_NUMBER: _ClassVar[int]
    TEST_SET_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    ALLOW_SMALL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    METRIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    SERVICE_OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_RECIPE_FIELD_NUMBER: _ClassVar[int]
    REPORT_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_ORIGIN_FIELD_NUMBER: _ClassVar[int]
    LABELLING_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    metric: str
    training_set: str
    test_set: str
    recipe: str
    parameters: TrainingParameters
    allow_small: bool
    state: Run.State
    operation: str
    error: _status_pb2.Status
    progress: RunProgress
    resolved_parameters: _containers.RepeatedCompositeFieldContainer[ResolvedParameter]
    findings: _containers.RepeatedCompositeFieldContainer[Dataset.Finding]
    report: EvaluationReport
    metric_version: str
    attempts: int
    etag: str
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    service_objective: ServiceObjective
    chosen_recipe: str
    report_options: ReportOptions
    feedback_origin: FeedbackOrigin
    labelling: str
    generation: str
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., metric: _Optional[str] = ..., training_set: _Optional[str] = ..., test_set: _Optional[str] = ..., recipe: _Optional[str] = ..., parameters: _Optional[_Union[TrainingParameters, _Mapping]] = ..., allow_small: _Optional[bool] = ..., state: _Optional[_Union[Run.State, str]] = ..., operation: _Optional[str] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., progress: _Optional[_Union[RunProgress, _Mapping]] = ..., resolved_parameters: _Optional[_Iterable[_Union[ResolvedParameter, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[Dataset.Finding, _Mapping]]] = ..., report: _Optional[_Union[EvaluationReport, _Mapping]] = ..., metric_version: _Optional[str] = ..., attempts: _Optional[int] = ..., etag: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., service_objective: _Optional[_Union[ServiceObjective, _Mapping]] = ..., chosen_recipe: _Optional[str] = ..., report_options: _Optional[_Union[ReportOptions, _Mapping]] = ..., feedback_origin: _Optional[_Union[FeedbackOrigin, _Mapping]] = ..., labelling: _Optional[str] = ..., generation: _Optional[str] = ...) -> None: ...

class FeedbackOrigin(_message.Message):
    __slots__ = ("metric_version", "run", "held_out_set", "held_out_rows", "added_rows", "relabelled_rows", "known_rows", "test_rows", "contradicting_test_rows")
    METRIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_SET_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_ROWS_FIELD_NUMBER: _ClassVar[int]
    ADDED_ROWS_FIELD_NUMBER: _ClassVar[int]
    RELABELLED_ROWS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_ROWS_FIELD_NUMBER: _ClassVar[int]
    TEST_ROWS_FIELD_NUMBER: _ClassVar[int]
    CONTRADICTING_TEST_ROWS_FIELD_NUMBER: _ClassVar[int]
    metric_version: str
    run: str
    held_out_set: str
    held_out_rows: int
    added_rows: int
    relabelled_rows: int
    known_rows: int
    test_rows: int
    contradicting_test_rows: int
    def __init__(self, metric_version: _Optional[str] = ..., run: _Optional[str] = ..., held_out_set: _Optional[str] = ..., held_out_rows: _Optional[int] = ..., added_rows: _Optional[int] = ..., relabelled_rows: _Optional[int] = ..., known_rows: _Optional[int] = ..., test_rows: _Optional[int] = ..., contradicting_test_rows: _Optional[int] = ...) -> None: ...

class Feedback(_message.Message):
    __slots__ = ("name", "metric_version", "instance", "label", "score_label", "score_probability", "reviewer", "review_time", "comment", "external_id", "held_out", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    METRIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    REVIEWER_FIELD_NUMBER: _ClassVar[int]
    REVIEW_TIME_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    metric_version: str
    instance: Instance
    label: str
    score_label: str
    score_probability: float
    reviewer: str
    review_time: _timestamp_pb2.Timestamp
    comment: str
    external_id: str
    held_out: bool
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., metric_version: _Optional[str] = ..., instance: _Optional[_Union[Instance, _Mapping]] = ..., label: _Optional[str] = ..., score_label: _Optional[str] = ..., score_probability: _Optional[float] = ..., reviewer: _Optional[str] = ..., review_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., comment: _Optional[str] = ..., external_id: _Optional[str] = ..., held_out: _Optional[bool] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RunProgress(_message.Message):
    __slots__ = ("stage", "step", "total_steps", "latest", "remaining", "work")
    class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STAGE_UNSPECIFIED: _ClassVar[RunProgress.Stage]
        PREPARING: _ClassVar[RunProgress.Stage]
        BASELINE: _ClassVar[RunProgress.Stage]
        FINE_TUNING: _ClassVar[RunProgress.Stage]
        EVALUATING: _ClassVar[RunProgress.Stage]
        EXPORTING: _ClassVar[RunProgress.Stage]
        REGISTERING: _ClassVar[RunProgress.Stage]
        SEARCHING: _ClassVar[RunProgress.Stage]
    STAGE_UNSPECIFIED: RunProgress.Stage
    PREPARING: RunProgress.Stage
    BASELINE: RunProgress.Stage
    FINE_TUNING: RunProgress.Stage
    EVALUATING: RunProgress.Stage
    EXPORTING: RunProgress.Stage
    REGISTERING: RunProgress.Stage
    SEARCHING: RunProgress.Stage
    STAGE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TOTAL_STEPS_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    stage: RunProgress.Stage
    step: int
    total_steps: int
    latest: TrainingPoint
    remaining: _duration_pb2.Duration
    work: TrainingSetProgress
    def __init__(self, stage: _Optional[_Union[RunProgress.Stage, str]] = ..., step: _Optional[int] = ..., total_steps: _Optional[int] = ..., latest: _Optional[_Union[TrainingPoint, _Mapping]] = ..., remaining: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., work: _Optional[_Union[TrainingSetProgress, _Mapping]] = ...) -> None: ...

class TrainingSetProgress(_message.Message):
    __slots__ = ("done_count", "failed_count", "total_count", "input_tokens", "output_tokens", "cost", "estimated_cost", "remaining", "awaits_review")
    DONE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_COST_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    AWAITS_REVIEW_FIELD_NUMBER: _ClassVar[int]
    done_count: int
    failed_count: int
    total_count: int
    input_tokens: int
    output_tokens: int
    cost: float
    estimated_cost: float
    remaining: _duration_pb2.Duration
    awaits_review: bool
    def __init__(self, done_count: _Optional[int] = ..., failed_count: _Optional[int] = ..., total_count: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost: _Optional[float] = ..., estimated_cost: _Optional[float] = ..., remaining: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., awaits_review: _Optional[bool] = ...) -> None: ...

class TrainingPoint(_message.Message):
    __slots__ = ("step", "loss", "learning_rate", "gradient_norm", "validation_loss", "validation_macro_f1")
    STEP_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_NORM_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_LOSS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_MACRO_F1_FIELD_NUMBER: _ClassVar[int]
    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    validation_loss: float
    validation_macro_f1: float
    def __init__(self, step: _Optional[int] = ..., loss: _Optional[float] = ..., learning_rate: _Optional[float] = ..., gradient_norm: _Optional[float] = ..., validation_loss: _Optional[float] = ..., validation_macro_f1: _Optional[float] = ...) -> None: ...

class Prediction(_message.Message):
    __slots__ = ("row", "instance", "true_label", "score")
    ROW_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    TRUE_LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    row: int
    instance: Instance
    true_label: str
    score: Score
    def __init__(self, row: _Optional[int] = ..., instance: _Optional[_Union[Instance, _Mapping]] = ..., true_label: _Optional[str] = ..., score: _Optional[_Union[Score, _Mapping]] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("metric_version", "label", "classes", "flagged", "threshold", "token_count", "truncated", "window_count", "deciding_window", "cached", "abstained")
    class ClassScore(_message.Message):
        __slots__ = ("label", "probability", "logit")
        LABEL_FIELD_NUMBER: _ClassVar[int]
        PROBABILITY_FIELD_NUMBER: _ClassVar[int]
        LOGIT_FIELD_NUMBER: _ClassVar[int]
        label: str
        probability: float
        logit: float
        def __init__(self, label: _Optional[str] = ..., probability: _Optional[float] = ..., logit: _Optional[float] = ...) -> None: ...
    METRIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    FLAGGED_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    WINDOW_COUNT_FIELD_NUMBER: _ClassVar[int]
    DECIDING_WINDOW_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    ABSTAINED_FIELD_NUMBER: _ClassVar[int]
    metric_version: str
    label: str
    classes: _containers.RepeatedCompositeFieldContainer[Score.ClassScore]
    flagged: bool
    threshold: float
    token_count: int
    truncated: bool
    window_count: int
    deciding_window: int
    cached: bool
    abstained: bool
    def __init__(self, metric_version: _Optional[str] = ..., label: _Optional[str] = ..., classes: _Optional[_Iterable[_Union[Score.ClassScore, _Mapping]]] = ..., flagged: _Optional[bool] = ..., threshold: _Optional[float] = ..., token_count: _Optional[int] = ..., truncated: _Optional[bool] = ..., window_count: _Optional[int] = ..., deciding_window: _Optional[int] = ..., cached: _Optional[bool] = ..., abstained: _Optional[bool] = ...) -> None: ...
