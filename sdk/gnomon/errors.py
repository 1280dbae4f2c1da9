"""What can go wrong, for servers and clients alike: one class a reason.

A service's domain raises one of these; the SDK raises the same class at the
user. The reasons are those of `gnomon.v1.ErrorReason`. Pure: no gRPC here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with one field of a request, or one row of an upload."""

    field: str  # a path such as `metric.classes[2].label`, or `line 17, column "label"`
    description: str


class GnomonError(Exception):
    """Base of every error that crosses the wire.

    The message is one or two sentences that say what is wrong and what to do.
    `metadata` holds the same for programs; `retry_after_s` is set where the
    same call may succeed later.
    """

    code: ClassVar[int] = 2  # a google.rpc.Code
    reason: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        violations: Iterable[Violation] = (),
        retry_after_s: float | None = None,
        **metadata: str,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.violations = tuple(violations)
        self.retry_after_s = retry_after_s
        self.metadata = metadata


class CancelledError(GnomonError):
    code = 1
    reason = "CANCELLED"


class InvalidRequestError(GnomonError):
    code = 3
    reason = "INVALID_REQUEST"


class RequestIdReusedError(GnomonError):
    code = 3
    reason = "REQUEST_ID_REUSED"


class BundleInvalidError(GnomonError):
    code = 3
    reason = "BUNDLE_INVALID"


class BlobDigestMismatchError(GnomonError):
    code = 3
    reason = "BLOB_DIGEST_MISMATCH"


class DatasetInvalidError(GnomonError):
    code = 3
    reason = "DATASET_INVALID"


class UploadTooLargeError(GnomonError):
    code = 3
    reason = "UPLOAD_TOO_LARGE"


class InstanceInvalidError(GnomonError):
    code = 3
    reason = "INSTANCE_INVALID"


class DeadlineExceededError(GnomonError):
    code = 4
    reason = "DEADLINE_EXCEEDED"


class NotFoundError(GnomonError):
    code = 5
    reason = "RESOURCE_NOT_FOUND"


class PermissionDeniedError(GnomonError):
    """The caller is known and may not do this; a subclass says why."""

    code = 7
    reason = "PERMISSION_DENIED"


class ScopeMissingError(PermissionDeniedError):
    reason = "SCOPE_MISSING"


class ProjectDeniedError(PermissionDeniedError):
    reason = "PROJECT_DENIED"


class ProjectUnstatedError(PermissionDeniedError):
    reason = "PROJECT_UNSTATED"


class AlreadyExistsError(GnomonError):
    code = 6
    reason = "RESOURCE_EXISTS"


class OverloadedError(GnomonError):
    code = 8
    reason = "SCORER_OVERLOADED"


class StorageFullError(GnomonError):
    code = 8
    reason = "STORAGE_FULL"


class MessageTooLargeError(GnomonError):
    code = 8
    reason = "MESSAGE_TOO_LARGE"


class JudgeBudgetSpentError(GnomonError):
    code = 8
    reason = "JUDGE_BUDGET_SPENT"


class ResourceInUseError(GnomonError):
    code = 9
    reason = "RESOURCE_IN_USE"


class AliasProtectedError(GnomonError):
    code = 9
    reason = "ALIAS_PROTECTED"


class BlobMissingError(GnomonError):
    code = 9
    reason = "BLOB_MISSING"


class DatasetTooSmallError(GnomonError):
    code = 9
    reason = "DATASET_TOO_SMALL"


class DatasetUnsuitableError(GnomonError):
    code = 9
    reason = "DATASET_UNSUITABLE"


class BaseModelMissingError(GnomonError):
    code = 9
    reason = "BASE_MODEL_MISSING"


class RunStateError(GnomonError):
    code = 9
    reason = "RUN_STATE"


class RunsNotComparableError(GnomonError):
    code = 9
    reason = "RUNS_NOT_COMPARABLE"


class ReviewStateError(GnomonError):
    code = 9
    reason = "REVIEW_STATE"


class WorkStateError(GnomonError):
    code = 9
    reason = "WORK_STATE"


class DatasetUnlabelledError(GnomonError):
    code = 9
    reason = "DATASET_UNLABELLED"


class DatasetLabelledError(GnomonError):
    code = 9
    reason = "DATASET_LABELLED"


class ProviderChangedError(GnomonError):
    code = 9
    reason = "PROVIDER_CHANGED"


class NothingJudgedError(GnomonError):
    code = 9
    reason = "NOTHING_JUDGED"


class LabellingsNotComparableError(GnomonError):
    code = 9
    reason = "LABELLINGS_NOT_COMPARABLE"


class LineageMissingError(GnomonError):
    code = 9
    reason = "LINEAGE_MISSING"


class FeedbackMissingError(GnomonError):
    code = 9
    reason = "FEEDBACK_MISSING"


class VersionNotBetterError(GnomonError):
    code = 9
    reason = "VERSION_NOT_BETTER"


class GateFailedError(GnomonError):
    code = 9
    reason = "GATE_FAILED"


class ServiceObjectiveMissedError(GnomonError):
    code = 9
    reason = "SERVICE_OBJECTIVE_MISSED"


class VersionUnloadableError(GnomonError):
    code = 9
    reason = "VERSION_UNLOADABLE"


class MasterKeyMissingError(GnomonError):
    code = 9
    reason = "MASTER_KEY_MISSING"


class ProviderKeyUnreadableError(GnomonError):
    code = 9
    reason = "PROVIDER_KEY_UNREADABLE"


class EndpointNotAllowedError(GnomonError):
    code = 9
    reason = "ENDPOINT_NOT_ALLOWED"


class ProviderRefusedError(GnomonError):
    code = 9
    reason = "PROVIDER_REFUSED"


class ProviderAnswerInvalidError(GnomonError):
    code = 9
    reason = "PROVIDER_ANSWER_INVALID"


class GenerationShapeUnsupportedError(GnomonError):
    code = 9
    reason = "GENERATION_SHAPE_UNSUPPORTED"


class GenerationSeedsMissingError(GnomonError):
    code = 9
    reason = "GENERATION_SEEDS_MISSING"


class GenerationYieldTooLowError(GnomonError):
    code = 9
    reason = "GENERATION_YIELD_TOO_LOW"


class TrainingSetWorkStoppedError(GnomonError):
    code = 9
    reason = "TRAINING_SET_WORK_STOPPED"


class TrainingSetWorkUnsuitableError(GnomonError):
    code = 9
    reason = "TRAINING_SET_WORK_UNSUITABLE"


class ApiKeyNeedsTlsError(GnomonError):
    code = 9
    reason = "API_KEY_NEEDS_TLS"


class WebhookSecretMissingError(GnomonError):
    code = 9
    reason = "WEBHOOK_SECRET_MISSING"


class WebhookUndeliveredError(GnomonError):
    code = 9
    reason = "WEBHOOK_UNDELIVERED"


class EtagMismatchError(GnomonError):
    code = 10
    reason = "ETAG_MISMATCH"


class LeaseLostError(GnomonError):
    code = 10
    reason = "LEASE_LOST"


class UnimplementedError(GnomonError):
    code = 12
    reason = "UNIMPLEMENTED"


class InternalError(GnomonError):
    code = 13
    reason = "INTERNAL"


class TrainingFailedError(GnomonError):
    code = 13
    reason = "TRAINING_FAILED"


class EvaluatorFailedError(GnomonError):
    code = 13
    reason = "EVALUATOR_FAILED"


class ServiceUnavailableError(GnomonError):
    code = 14
    reason = "SERVICE_UNAVAILABLE"


class RegistryUnavailableError(GnomonError):
    code = 14
    reason = "REGISTRY_UNAVAILABLE"


class QuotaExceededError(GnomonError):
    """`quota`, `limit` and `used` are in the metadata; `retry_after_s` is set where waiting helps."""

    code = 8
    reason = "QUOTA_EXCEEDED"


class AuditUnavailableError(GnomonError):
    code = 14
    reason = "AUDIT_UNAVAILABLE"


class AccessUnverifiedError(GnomonError):
    code = 14
    reason = "ACCESS_UNVERIFIED"


class VersionLoadingError(GnomonError):
    code = 14
    reason = "VERSION_LOADING"


class ProviderUnavailableError(GnomonError):
    code = 14
    reason = "PROVIDER_UNAVAILABLE"


class ArtifactCorruptError(GnomonError):
    code = 15
    reason = "ARTIFACT_CORRUPT"


class UnauthenticatedError(GnomonError):
    """Who calls is not known; a subclass says why."""

    code = 16
    reason = "UNAUTHENTICATED"


class ApiKeyMissingError(UnauthenticatedError):
    reason = "API_KEY_MISSING"


class ApiKeyMalformedError(UnauthenticatedError):
    reason = "API_KEY_MALFORMED"


class ApiKeyUnknownError(UnauthenticatedError):
    reason = "API_KEY_UNKNOWN"


class ApiKeyExpiredError(UnauthenticatedError):
    reason = "API_KEY_EXPIRED"


class ApiKeyRevokedError(UnauthenticatedError):
    reason = "API_KEY_REVOKED"


def _with_subclasses(cls: type[GnomonError]) -> Iterator[type[GnomonError]]:
    for each in cls.__subclasses__():
        yield each
        yield from _with_subclasses(each)


BY_REASON: dict[str, type[GnomonError]] = {cls.reason: cls for cls in _with_subclasses(GnomonError)}

# For statuses without `ErrorInfo`: those that gRPC itself or a proxy makes.
BY_CODE: dict[int, type[GnomonError]] = {
    1: CancelledError,
    3: InvalidRequestError,
    4: DeadlineExceededError,
    5: NotFoundError,
    6: AlreadyExistsError,
    7: PermissionDeniedError,
    8: MessageTooLargeError,
    12: UnimplementedError,
    13: InternalError,
    14: ServiceUnavailableError,
    16: UnauthenticatedError,
}
