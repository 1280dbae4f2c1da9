from gnomon.v1 import resources_pb2 as _resources_pb2
from gnomon.v1 import scopes_pb2 as _scopes_pb2
from gnomon.v1 import webhooks_pb2 as _webhooks_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateProjectRequest(_message.Message):
    __slots__ = ("project_id", "project", "request_id")
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    project_id: str
    project: _resources_pb2.Project
    request_id: str
    def __init__(self, project_id: _Optional[str] = ..., project: _Optional[_Union[_resources_pb2.Project, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetProjectRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListProjectsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListProjectsResponse(_message.Message):
    __slots__ = ("projects", "next_page_token")
    PROJECTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    projects: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Project]
    next_page_token: str
    def __init__(self, projects: _Optional[_Iterable[_Union[_resources_pb2.Project, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateProjectRequest(_message.Message):
    __slots__ = ("project", "update_mask")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    project: _resources_pb2.Project
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, project: _Optional[_Union[_resources_pb2.Project, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class DeleteProjectRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CreateMetricRequest(_message.Message):
    __slots__ = ("metric_id", "metric", "request_id")
    METRIC_ID_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    metric_id: str
    metric: _resources_pb2.Metric
    request_id: str
    def __init__(self, metric_id: _Optional[str] = ..., metric: _Optional[_Union[_resources_pb2.Metric, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetMetricRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListMetricsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMetricsResponse(_message.Message):
    __slots__ = ("metrics", "next_page_token")
    METRICS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Metric]
    next_page_token: str
    def __init__(self, metrics: _Optional[_Iterable[_Union[_resources_pb2.Metric, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateMetricRequest(_message.Message):
    __slots__ = ("metric", "update_mask")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    metric: _resources_pb2.Metric
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, metric: _Optional[_Union[_resources_pb2.Metric, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class DeleteMetricRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class FindMissingBlobsRequest(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, sha256: _Optional[_Iterable[str]] = ...) -> None: ...

class FindMissingBlobsResponse(_message.Message):
    __slots__ = ("missing_sha256",)
    MISSING_SHA256_FIELD_NUMBER: _ClassVar[int]
    missing_sha256: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, missing_sha256: _Optional[_Iterable[str]] = ...) -> None: ...

class UploadBlobRequest(_message.Message):
    __slots__ = ("sha256", "size_bytes", "content")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    size_bytes: int
    content: bytes
    def __init__(self, sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., content: _Optional[bytes] = ...) -> None: ...

class UploadBlobResponse(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    def __init__(self, sha256: _Optional[str] = ...) -> None: ...

class DownloadBlobRequest(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    def __init__(self, sha256: _Optional[str] = ...) -> None: ...

class DownloadBlobResponse(_message.Message):
    __slots__ = ("content",)
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    def __init__(self, content: _Optional[bytes] = ...) -> None: ...

class CreateMetricVersionRequest(_message.Message):
    __slots__ = ("parent", "metric_version", "request_id", "import_source")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    METRIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    IMPORT_SOURCE_FIELD_NUMBER: _ClassVar[int]
    parent: str
    metric_version: _resources_pb2.MetricVersion
    request_id: str
    import_source: ImportSource
    def __init__(self, parent: _Optional[str] = ..., metric_version: _Optional[_Union[_resources_pb2.MetricVersion, _Mapping]] = ..., request_id: _Optional[str] = ..., import_source: _Optional[_Union[ImportSource, _Mapping]] = ...) -> None: ...

class ImportSource(_message.Message):
    __slots__ = ("origin", "importer")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    IMPORTER_FIELD_NUMBER: _ClassVar[int]
    origin: str
    importer: str
    def __init__(self, origin: _Optional[str] = ..., importer: _Optional[str] = ...) -> None: ...

class GetMetricVersionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListMetricVersionsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "show_deleted")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SHOW_DELETED_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    show_deleted: bool
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., show_deleted: _Optional[bool] = ...) -> None: ...

class ListMetricVersionsResponse(_message.Message):
    __slots__ = ("metric_versions", "next_page_token")
    METRIC_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    metric_versions: _containers.RepeatedCompositeFieldContainer[_resources_pb2.MetricVersion]
    next_page_token: str
    def __init__(self, metric_versions: _Optional[_Iterable[_Union[_resources_pb2.MetricVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteMetricVersionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class UndeleteMetricVersionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class SetAliasRequest(_message.Message):
    __slots__ = ("alias", "allow_protected", "must_be_new", "request_id")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PROTECTED_FIELD_NUMBER: _ClassVar[int]
    MUST_BE_NEW_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    alias: _resources_pb2.Alias
    allow_protected: bool
    must_be_new: bool
    request_id: str
    def __init__(self, alias: _Optional[_Union[_resources_pb2.Alias, _Mapping]] = ..., allow_protected: _Optional[bool] = ..., must_be_new: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetAliasRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListAliasesRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAliasesResponse(_message.Message):
    __slots__ = ("aliases", "next_page_token")
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    aliases: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Alias]
    next_page_token: str
    def __init__(self, aliases: _Optional[_Iterable[_Union[_resources_pb2.Alias, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteAliasRequest(_message.Message):
    __slots__ = ("name", "allow_protected")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PROTECTED_FIELD_NUMBER: _ClassVar[int]
    name: str
    allow_protected: bool
    def __init__(self, name: _Optional[str] = ..., allow_protected: _Optional[bool] = ...) -> None: ...

class ListAliasEventsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAliasEventsResponse(_message.Message):
    __slots__ = ("alias_events", "next_page_token")
    ALIAS_EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    alias_events: _containers.RepeatedCompositeFieldContainer[_resources_pb2.AliasEvent]
    next_page_token: str
    def __init__(self, alias_events: _Optional[_Iterable[_Union[_resources_pb2.AliasEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchCatalogRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchCatalogResponse(_message.Message):
    __slots__ = ("kind", "metric_version", "alias")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[WatchCatalogResponse.Kind]
        VERSION_CREATED: _ClassVar[WatchCatalogResponse.Kind]
        VERSION_DELETED: _ClassVar[WatchCatalogResponse.Kind]
        ALIAS_SET: _ClassVar[WatchCatalogResponse.Kind]
        ALIAS_DELETED: _ClassVar[WatchCatalogResponse.Kind]
        SNAPSHOT_COMPLETE: _ClassVar[WatchCatalogResponse.Kind]
        HEARTBEAT: _ClassVar[WatchCatalogResponse.Kind]
    KIND_UNSPECIFIED: WatchCatalogResponse.Kind
    VERSION_CREATED: WatchCatalogResponse.Kind
    VERSION_DELETED: WatchCatalogResponse.Kind
    ALIAS_SET: WatchCatalogResponse.Kind
    ALIAS_DELETED: WatchCatalogResponse.Kind
    SNAPSHOT_COMPLETE: WatchCatalogResponse.Kind
    HEARTBEAT: WatchCatalogResponse.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    METRIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    kind: WatchCatalogResponse.Kind
    metric_version: str
    alias: str
    def __init__(self, kind: _Optional[_Union[WatchCatalogResponse.Kind, str]] = ..., metric_version: _Optional[str] = ..., alias: _Optional[str] = ...) -> None: ...
