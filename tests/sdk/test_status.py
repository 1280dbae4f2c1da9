"""Errors cross the wire whole."""

from typing import Any

import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import BY_CODE, BY_REASON, GnomonError, NotFoundError, PermissionDeniedError, Violation
from gnomon.status import from_status, to_status
from gnomon.v1 import error_reason_pb2

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize("cls", BY_REASON.values(), ids=lambda cls: cls.__name__)
@settings(max_examples=20)
@given(
    message=TEXT,
    violations=st.lists(st.builds(Violation, TEXT, TEXT), max_size=3),
    metadata=st.dictionaries(st.from_regex(r"meta_[a-z]{1,8}", fullmatch=True), TEXT, max_size=3),
    retry_after_s=st.none() | st.floats(0, 1000).map(lambda value: round(value, 3)),
)
def test_every_error_arrives_as_it_was_sent(
    cls: Any, message: str, violations: list[Violation], metadata: dict[str, str], retry_after_s: float | None
) -> None:
    sent = cls(message, violations=violations, retry_after_s=retry_after_s, **metadata)
    got = from_status(status_pb2.Status.FromString(to_status(sent).SerializeToString()))
    assert type(got) is cls
    assert (got.message, got.violations, got.metadata) == (message, tuple(violations), metadata)
    assert got.retry_after_s == pytest.approx(retry_after_s, abs=1e-8)


def test_every_reason_of_the_contract_has_one_class() -> None:
    reasons = set(error_reason_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}
    assert set(BY_REASON) == reasons
    assert len({cls.__name__ for cls in BY_REASON.values()}) == len(reasons)


def test_a_code_without_a_reason_has_a_class_of_that_code() -> None:
    assert all(cls.code == code for code, cls in BY_CODE.items())


def test_a_foreign_status_becomes_the_nearest_error() -> None:
    foreign = status_pb2.Status(code=5, message="Not here.")
    foreign.details.add().Pack(error_details_pb2.ErrorInfo(reason="RUN_STATE", domain="elsewhere.example"))
    assert type(from_status(foreign)) is NotFoundError
    assert type(from_status(status_pb2.Status(code=7, message="No."))) is PermissionDeniedError
    assert type(from_status(status_pb2.Status(code=9, message="No."))) is GnomonError


def test_metadata_of_a_newer_service_does_no_harm() -> None:
    status = status_pb2.Status(code=5, message="Not here.")
    info = error_details_pb2.ErrorInfo(
        reason="FROM_THE_FUTURE", domain="gnomon.dev", metadata={"message": "x", "violations": "y"}
    )
    status.details.add().Pack(info)
    error = from_status(status)
    assert type(error) is NotFoundError
    assert error.metadata == {"message": "x", "violations": "y"}
