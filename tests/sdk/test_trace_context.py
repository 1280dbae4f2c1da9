"""The trace of the user's program goes with every call, and OpenTelemetry is not needed for it."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Tracer

import gnomon
from gnomon import errors
from gnomon.v1 import registry_service_pb2 as registry_pb
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import scorer_service_pb2 as scorer_pb
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from tests.sdk.serving import collected, connected, serving

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
KINDS = pytest.mark.parametrize("kind", ["sync", "async"])


@pytest.fixture
def tracer() -> Iterator[Tracer]:
    provider = TracerProvider(shutdown_on_exit=False)
    yield provider.get_tracer("user")
    provider.shutdown()


class Heard:
    """Keeps the metadata of every call, by method."""

    def __init__(self) -> None:
        self.parents: dict[str, list[str]] = {}
        self.states: list[str] = []

    def note(self, name: str, context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        self.parents.setdefault(name, []).append(metadata.get("traceparent", ""))
        self.states.append(metadata.get("tracestate", ""))

    @property
    def methods(self) -> dict[str, Any]:
        async def get(request: Any, context: Any) -> Any:
            self.note("GetMetric", context)
            return resources.Metric(name=request.name)

        async def watch(request: Any, context: Any) -> Any:
            self.note("WatchCatalog", context)
            yield registry_pb.WatchCatalogResponse(kind="SNAPSHOT_COMPLETE")

        async def upload(requests: Any, context: Any) -> Any:
            self.note("UploadDataset", context)
            async for _ in requests:
                pass
            return trainer_pb.UploadDatasetResponse()

        async def score(request: Any, context: Any) -> Any:
            self.note("Score", context)
            outcome = scorer_pb.ScoreOutcome(score=resources.Score(label="true"))
            one = scorer_pb.InstanceResult(outcomes=[outcome])
            return scorer_pb.ScoreResponse(results=[one] * len(request.instances))

        async def stream(requests: Any, context: Any) -> Any:
            self.note("ScoreStream", context)
            async for request in requests:
                outcome = scorer_pb.ScoreOutcome(score=resources.Score(label="true"))
                one = scorer_pb.InstanceResult(outcomes=[outcome])
                yield scorer_pb.ScoreStreamResponse(
                    metric_versions=request.metric_versions, results=[one] * len(request.instances)
                )

        scoring = {"Score": score, "ScoreStream": stream}
        return {"GetMetric": get, "WatchCatalog": watch, "UploadDataset": upload, **scoring}


def parent_of(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


@KINDS
async def test_every_kind_of_call_carries_the_current_span(kind: str, tracer: Tracer, tmp_path: Any) -> None:
    heard, file = Heard(), tmp_path / "rows.jsonl"
    file.write_text('{"input": "a", "output": "b", "label": true}\n')
    async with serving(**heard.methods) as address, connected(kind, address) as client:
        with tracer.start_as_current_span("user") as span:
            await client.metrics.get("tone")
            await client.datasets.upload("rows", file, metric="tone")
            await client.score("tone", instances=[{"output": "x"}] * 700)
            assert len(await collected(client.score_stream("tone", [{"output": "x"}] * 3))) == 3
            await collected(client.watch_catalog())
        await client.metrics.get("tone")

    expected = parent_of(span)  # type: ignore[arg-type]
    assert heard.parents.keys() == heard.methods.keys()
    assert heard.parents["GetMetric"] == [expected, ""]
    assert len(heard.parents["Score"]) > 2  # side by side
    assert {one for name in ("UploadDataset", "Score", "ScoreStream", "WatchCatalog")
            for one in heard.parents[name]} == {expected}  # fmt: skip


@KINDS
async def test_a_trace_can_be_given_and_goes_before_the_current_span(kind: str, tracer: Tracer) -> None:
    heard = Heard()
    async with serving(**heard.methods) as address, connected(kind, address) as client:
        with tracer.start_as_current_span("user"), gnomon.trace_context(GIVEN, "vendor=1"):
            await client.metrics.get("tone")
        await client.metrics.get("tone")

    assert heard.parents["GetMetric"] == [GIVEN, ""]
    assert heard.states == ["vendor=1", ""]


async def test_calls_side_by_side_keep_their_own_traces() -> None:
    heard = Heard()
    parents = [f"00-{n:032x}-{n:016x}-01" for n in range(1, 9)]
    async with serving(**heard.methods) as address, connected("async", address) as client:

        async def call(parent: str) -> None:
            with gnomon.trace_context(parent):
                await asyncio.sleep(0)
                await client.metrics.get("tone")

        await asyncio.gather(*map(call, parents))

    assert sorted(heard.parents["GetMetric"]) == parents


async def test_what_the_user_does_not_sample_is_told_as_such() -> None:
    heard, provider = Heard(), TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    async with serving(**heard.methods) as address, connected("async", address) as client:
        with provider.get_tracer("user").start_as_current_span("user"):
            await client.metrics.get("tone")

    [parent] = heard.parents["GetMetric"]
    assert int(parent[-2:], 16) & 1 == 0


@pytest.mark.parametrize(
    "traceparent",
    ["", "nonsense", GIVEN.upper(), GIVEN + "\n", "ff" + GIVEN[2:], f"00-{'0' * 32}-b7ad6b7169203331-01",
     f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01"],
)  # fmt: skip
def test_what_is_no_traceparent_is_refused_before_a_call(traceparent: str) -> None:
    with pytest.raises(errors.InvalidRequestError, match="traceparent"), gnomon.trace_context(traceparent):
        pass


@pytest.mark.parametrize("tracestate", ["a" * 513, "a=\n", "a=é"])
def test_what_is_no_tracestate_is_refused_before_a_call(tracestate: str) -> None:
    with (
        pytest.raises(errors.InvalidRequestError, match="tracestate"),
        gnomon.trace_context(GIVEN, tracestate),
    ):
        pass


def test_opentelemetry_is_looked_at_where_it_is_and_never_imported() -> None:
    code = """
import gnomon, sys, types
from gnomon._trace_context import outgoing
assert outgoing() == ()
print(*(name for name in sys.modules if name.startswith("opentelemetry")))
sys.modules["opentelemetry.trace"] = types.ModuleType("broken")
assert outgoing() == ()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
