"""One trace from a user's span to the version that scores, through three services and a worker process."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from gnomon import AsyncClient, errors
from tests.e2e.observed import fake_training, observed
from tests.scorer.evaluators import make_bundle
from tests.trainer.running import jsonl, labelled_rows, write_recipe


async def prepared(client: AsyncClient, folder: Path) -> None:
    """Have a metric with a version that scores, and two sets to train on."""
    await client.projects.create("demo")
    await client.metrics.create("toxicity", output_type="boolean", input_shape="output")
    for path, content in make_bundle().contents.items():
        (folder / path).write_bytes(content)
    await client.versions.create("toxicity", folder)
    for name, rows in (("train", labelled_rows(300)), ("test", labelled_rows(160, start=100_000))):
        (folder.parent / f"{name}.jsonl").write_bytes(jsonl(rows))
        await client.datasets.upload(name, folder.parent / f"{name}.jsonl", metric="toxicity")


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
@pytest.mark.long
async def test_one_trace_leads_from_the_users_span_through_the_worker_to_the_version_that_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    write_recipe(tmp_path)
    (tmp_path / "bundle").mkdir()
    recipes = {"GNOMON_TRAINER_RECIPES_DIR": str(tmp_path / "recipes")}
    with fake_training(monkeypatch):
        async with observed(tmp_path / "home", **recipes) as at, at.client(timeout_s=60.0) as client:
            await prepared(client, tmp_path / "bundle")
            with provider.get_tracer("user").start_as_current_span("user") as user:
                operation = await client.runs.create(
                    "demo", metric="toxicity", training_set="train", test_set="test", recipe="quick"
                )
                with contextlib.suppress(errors.GnomonError):  # what the fake trainer makes is no evaluator
                    await operation.result(timeout_s=120)
                score = await client.score("toxicity@1", output="good movie", timeout_s=60)
    context = user.get_span_context()
    found = within(at.collector.traces, f"{context.trace_id:032x}")

    def one(service: str, name: str) -> Any:
        return found[f"gnomon-{service}", name][0]

    assert score.metric_version == "metrics/toxicity/versions/1"
    created = one("trainer", "gnomon.v1.TrainerService/CreateRun")
    assert created.parent_span_id.hex() == f"{context.span_id:016x}"
    assert one("registry", "gnomon.v1.RegistryService/GetMetric").parent_span_id == created.span_id
    trained = one("trainer-worker", "run")
    assert trained.parent_span_id == created.span_id
    stages = {name for service, name in found if service == "gnomon-trainer-worker"} - {"run"}
    assert stages == {"preparing", "fine_tuning", "evaluating", "registering"}
    registering = one("trainer-worker", "registering")
    registered = one("registry", "gnomon.v1.RegistryService/FindMissingBlobs")
    assert (registering.parent_span_id, registered.parent_span_id) == (trained.span_id, registering.span_id)
    published = one("registry", "gnomon.v1.RegistryService/CreateMetricVersion")
    assert published.parent_span_id == registering.span_id
    scored = one("scorer", "gnomon.v1.ScorerService/Score")
    loaded = one("scorer", "load")
    assert (scored.parent_span_id.hex(), loaded.parent_span_id) == (f"{context.span_id:016x}", scored.span_id)
    fetched = found["gnomon-registry", "gnomon.v1.RegistryService/DownloadBlob"]
    assert {span.parent_span_id for span in fetched} == {loaded.span_id}
