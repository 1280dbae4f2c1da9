"""One trace from a user's span to the version that scores, through three services and a worker process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from gnomon import AsyncClient, examples
from tests.e2e.deployment import QUICK
from tests.e2e.observed import observed


async def prepared(client: AsyncClient) -> None:
    await client.projects.create("e2e")
    await client.metrics.create("commitment", output_type="boolean", input_shape="input_output")
    example = examples.load("commitment")
    for name, rows in (("train", example.training_set), ("test", example.test_set)):
        await client.datasets.upload(name, Path(str(rows)), metric="commitment")


def service_of(request: Any) -> str:
    attributes = request.resource.attributes
    return next(one.value.string_value for one in attributes if one.key == "service.name")


def within(traces: list[Any], trace_id: str) -> Mapping[tuple[str, str], list[Any]]:
    """Return the spans of a trace by service and name."""
    found: dict[tuple[str, str], list[Any]] = {}
    for request in traces:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    if span.trace_id.hex() == trace_id:
                        found.setdefault((service_of(resource), span.name), []).append(span)
    return found


@pytest.mark.slow
async def test_one_trace_leads_from_the_users_span_through_the_worker_to_the_version_that_scores(
    tmp_path: Path,
) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    async with observed(tmp_path) as at, at.client(timeout_s=60.0) as client:
        await prepared(client)
        with provider.get_tracer("user").start_as_current_span("user") as user:
            operation = await client.runs.create(
                "e2e", metric="commitment", training_set="train", test_set="test", run_id="first", **QUICK
            )
            run = await operation.result(timeout_s=240)
            score = await client.score("commitment@1", input="Free?", output="Yes.", timeout_s=60)
    context = user.get_span_context()
    found = within(at.collector.traces, f"{context.trace_id:032x}")

    def one(service: str, name: str) -> Any:
        return found[f"gnomon-{service}", name][0]

    assert score.metric_version == run.metric_version == "metrics/commitment/versions/1"
    created = one("trainer", "gnomon.v1.TrainerService/CreateRun")
    assert created.parent_span_id.hex() == f"{context.span_id:016x}"
    assert one("registry", "gnomon.v1.RegistryService/GetMetric").parent_span_id == created.span_id
    trained = one("trainer-worker", "run")
    assert trained.parent_span_id == created.span_id
    stages = {name for service, name in found if service == "gnomon-trainer-worker"} - {"run"}
    assert stages >= {"preparing", "baseline", "fine_tuning", "exporting", "evaluating", "registering"}
    registering = one("trainer-worker", "registering")
    registered = one("registry", "gnomon.v1.RegistryService/CreateMetricVersion")
    assert (registering.parent_span_id, registered.parent_span_id) == (trained.span_id, registering.span_id)
    scored = one("scorer", "gnomon.v1.ScorerService/Score")
    loaded = one("scorer", "load")
    assert (scored.parent_span_id.hex(), loaded.parent_span_id) == (f"{context.span_id:016x}", scored.span_id)
    fetched = found["gnomon-registry", "gnomon.v1.RegistryService/DownloadBlob"]
    assert {span.parent_span_id for span in fetched} == {loaded.span_id}
