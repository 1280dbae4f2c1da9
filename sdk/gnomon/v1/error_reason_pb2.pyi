from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    INVALID_REQUEST: _ClassVar[ErrorReason]
    RESOURCE_NOT_FOUND: _ClassVar[ErrorReason]
    RESOURCE_EXISTS: _ClassVar[ErrorReason]
    ETAG_MISMATCH: _ClassVar[ErrorReason]
    REQUEST_ID_REUSED: _ClassVar[ErrorReason]
    RESOURCE_IN_USE: _ClassVar[ErrorReason]
    ALIAS_PROTECTED: _ClassVar[ErrorReason]
    BUNDLE_INVALID: _ClassVar[ErrorReason]
    BLOB_MISSING: _ClassVar[ErrorReason]
    BLOB_DIGEST_MISMATCH: _ClassVar[ErrorReason]
    ARTIFACT_CORRUPT: _ClassVar[ErrorReason]
    STORAGE_FULL: _ClassVar[ErrorReason]
    DATASET_INVALID: _ClassVar[ErrorReason]
    UPLOAD_TOO_LARGE: _ClassVar[ErrorReason]
    DATASET_TOO_SMALL: _ClassVar[ErrorReason]
    DATASET_UNSUITABLE: _ClassVar[ErrorReason]
    BASE_MODEL_MISSING: _ClassVar[ErrorReason]
    RUN_STATE: _ClassVar[ErrorReason]
    TRAINING_FAILED: _ClassVar[ErrorReason]
    GATE_FAILED: _ClassVar[ErrorReason]
    LEASE_LOST: _ClassVar[ErrorReason]
    REGISTRY_UNAVAILABLE: _ClassVar[ErrorReason]
    VERSION_LOADING: _ClassVar[ErrorReason]
    VERSION_UNLOADABLE: _ClassVar[ErrorReason]
    SCORER_OVERLOADED: _ClassVar[ErrorReason]
    INSTANCE_INVALID: _ClassVar[ErrorReason]
    EVALUATOR_FAILED: _ClassVar[ErrorReason]
    MESSAGE_TOO_LARGE: _ClassVar[ErrorReason]
    DEADLINE_EXCEEDED: _ClassVar[ErrorReason]
    CANCELLED: _ClassVar[ErrorReason]
    SERVICE_UNAVAILABLE: _ClassVar[ErrorReason]
    UNIMPLEMENTED: _ClassVar[ErrorReason]
    INTERNAL: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
INVALID_REQUEST: ErrorReason
RESOURCE_NOT_FOUND: ErrorReason
RESOURCE_EXISTS: ErrorReason
ETAG_MISMATCH: ErrorReason
REQUEST_ID_REUSED: ErrorReason
RESOURCE_IN_USE: ErrorReason
ALIAS_PROTECTED: ErrorReason
BUNDLE_INVALID: ErrorReason
BLOB_MISSING: ErrorReason
BLOB_DIGEST_MISMATCH: ErrorReason
ARTIFACT_CORRUPT: ErrorReason
STORAGE_FULL: ErrorReason
DATASET_INVALID: ErrorReason
UPLOAD_TOO_LARGE: ErrorReason
DATASET_TOO_SMALL: ErrorReason
DATASET_UNSUITABLE: ErrorReason
BASE_MODEL_MISSING: ErrorReason
RUN_STATE: ErrorReason
TRAINING_FAILED: ErrorReason
GATE_FAILED: ErrorReason
LEASE_LOST: ErrorReason
REGISTRY_UNAVAILABLE: ErrorReason
VERSION_LOADING: ErrorReason
VERSION_UNLOADABLE: ErrorReason
SCORER_OVERLOADED: ErrorReason
INSTANCE_INVALID: ErrorReason
EVALUATOR_FAILED: ErrorReason
MESSAGE_TOO_LARGE: ErrorReason
DEADLINE_EXCEEDED: ErrorReason
CANCELLED: ErrorReason
SERVICE_UNAVAILABLE: ErrorReason
UNIMPLEMENTED: ErrorReason
INTERNAL: ErrorReason
