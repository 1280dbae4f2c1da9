"""Calls to a registry as a caller makes them who knows no retries: one call, one answer or none."""

import contextlib
import functools
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from benchmarks.faults import bundles
from benchmarks.faults.history import NoAnswerError, Recorder

from gnomon.v1 import registry_service_pb2 as rpc
from gnomon.v1 import registry_service_pb2_grpc
from gnomon.v1 import resources_pb2 as pb

_TIMEOUT_S = 20.0
_ALIAS = "production"


_NO_ANSWER = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}


def _told(function: Callable[..., Any]) -> Callable[..., Any]:
    """Raise NoAnswerError where the registry was away or too slow; a refusal goes on as it is."""

    @functools.wraps(function)
    def called(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except grpc.RpcError as error:
            if error.code() in _NO_ANSWER or error.details() == "Internal error from Core":
                raise NoAnswerError(error.code().name) from error
            raise

    return called


class RegistryCalls:
    """Answers are plain values, as `history` wants them."""

    def __init__(self, address: str) -> None:
        # Without it a call to a killed registry may wait for a minute of back-off.
        options = [("grpc.max_reconnect_backoff_ms", 200), ("grpc.initial_reconnect_backoff_ms", 50)]
        self._channel = grpc.insecure_channel(address, options=options)
        self.stub: Any = registry_service_pb2_grpc.RegistryServiceStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def make_metric(self, metric: str) -> None:
        fields = {"output_type": "BOOLEAN", "step": "LLM_SPAN", "input_shape": "INPUT_OUTPUT"}
        self.stub.CreateMetric(rpc.CreateMetricRequest(metric_id=metric, metric=pb.Metric(**fields)))

    @_told
    def publish(self, metric: str, contents: dict[str, bytes], request_id: str) -> int:
        """Upload what is missing of a bundle and register it; return its number."""
        by_digest = {bundles.sha256(content): content for content in contents.values()}
        asked = rpc.FindMissingBlobsRequest(sha256=list(by_digest))
        for digest in self.stub.FindMissingBlobs(asked, timeout=_TIMEOUT_S).missing_sha256:
            content = by_digest[digest]
            message = rpc.UploadBlobRequest(sha256=digest, size_bytes=len(content), content=content)
            self.stub.UploadBlob(iter([message]), timeout=_TIMEOUT_S)
        request = bundles.create_request(metric, contents, request_id)
        return number_of(self.stub.CreateMetricVersion(request, timeout=_TIMEOUT_S).name)

    @_told
    def versions(self, metric: str) -> list[int]:
        request = rpc.ListMetricVersionsRequest(parent=f"metrics/{metric}", page_size=1000)
        found: list[int] = []
        while True:
            page = self.stub.ListMetricVersions(request, timeout=_TIMEOUT_S)
            found += [number_of(version.name) for version in page.metric_versions]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    @_told
    def set_alias(self, metric: str, number: int) -> int:
        alias = pb.Alias(
            name=f"metrics/{metric}/aliases/{_ALIAS}", metric_version=f"metrics/{metric}/versions/{number}"
        )
        request = rpc.SetAliasRequest(alias=alias, allow_protected=True)
        return number_of(self.stub.SetAlias(request, timeout=_TIMEOUT_S).metric_version)

    @_told
    def get_alias(self, metric: str) -> int:
        """Return the number; 0 where there is no such alias."""
        request = rpc.GetAliasRequest(name=f"metrics/{metric}/aliases/{_ALIAS}")
        try:
            return number_of(self.stub.GetAlias(request, timeout=_TIMEOUT_S).metric_version)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return 0
            raise


def number_of(name: str) -> int:
    return int(name.rpartition("/")[2])


def publish_until_answered(
    recorder: Recorder, calls: RegistryCalls, metric: str, salt: str, stop: Callable[[], bool]
) -> int | None:
    """Repeat a publication under one request ID until it is answered; None if told to stop before."""
    request_id, contents = str(uuid.uuid4()), bundles.files(metric, salt)
    while not stop():
        number: int | None = recorder.call(
            "create_version",
            lambda: calls.publish(metric, contents, request_id),
            metric=metric,
            request_id=request_id,
        )
        if number is not None:
            return number
        threading.Event().wait(random.uniform(0.1, 1.0))
    return None


@contextlib.contextmanager
def under_calls(recorder: Recorder, address: str, metric: str, readers: int = 2) -> Iterator[None]:
    """Publish, move an alias and read all the while: one writer, so that each value is written once."""
    stop = threading.Event()

    def write() -> None:
        with contextlib.closing(RegistryCalls(address)) as calls:
            turn = 0
            while not stop.is_set():
                turn += 1
                number = publish_until_answered(recorder, calls, metric, str(turn), stop.is_set)
                if number is not None:
                    move = lambda n=number: calls.set_alias(metric, n)  # noqa: E731
                    recorder.call("set_alias", move, metric=metric, alias=_ALIAS, number=number)
                stop.wait(0.1)

    def read() -> None:
        with contextlib.closing(RegistryCalls(address)) as calls:
            while not stop.is_set():
                look = lambda: calls.get_alias(metric)  # noqa: E731
                recorder.call("get_alias", look, metric=metric, alias=_ALIAS)
                recorder.call("list_versions", lambda: calls.versions(metric), metric=metric)
                stop.wait(0.1)

    threads = [threading.Thread(target=each) for each in (write, *[read] * readers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
