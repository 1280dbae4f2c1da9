"""The three ways to a metric, as far as they need all services: presets' examples, and fine-tuning one."""

import json
import random

import pytest

from gnomon import presets
from gnomon.errors import InstanceInvalidError
from gnomon.instances import SpanKind, text_span
from tests.e2e.deployment import QUICK


@pytest.mark.slow
def test_the_examples_of_every_preset_are_a_dataset_of_its_metric(deployed, tmp_path):
    for preset in presets.list_presets():
        name = f"{preset.id}-shown"
        values = {parameter.name: "Plain and dry." for parameter in preset.parameters}
        deployed.client.metrics.install_preset(preset.id, name, values=values)
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(json.dumps(example.row()) + "\n" for example in preset.examples))
        answer = deployed.client.datasets.upload(name, file, metric=name)

        assert answer.dataset.row_count == len(preset.examples)
        assert set(answer.dataset.class_counts) == {c.label for c in preset.classes}
        assert "reason" in answer.dataset.extra_columns


def calls(count, seed):
    """What a tool gave back: failures say so."""
    random_ = random.Random(seed)
    for number in range(count):
        failed = random_.random() < 0.5
        item = random_.choice(["order", "parcel", "invoice", "seat", "room"])
        reason = random_.choice(["timeout", "permission denied", "invalid argument", "service unavailable"])
        output = (
            f"error: {reason}, {item} {number}" if failed else f"{item} {number}: ready, {number % 7} left"
        )
        yield json.dumps({"output": output, "label": "true" if failed else "false"})


@pytest.mark.slow
def test_a_preset_is_fine_tuned_and_scores_by_its_name(deployed, tmp_path):
    client = deployed.client
    client.projects.create("presets")
    metric = client.metrics.install_preset("tool-error").metric
    for name, count in {"tool-error-train": 160, "tool-error-test": 60}.items():
        (tmp_path / name).with_suffix(".jsonl").write_text("\n".join(calls(count, name)))
        client.datasets.upload(name, (tmp_path / name).with_suffix(".jsonl"), metric="tool-error")
    run = client.runs.create(
        "presets", metric="tool-error", training_set="tool-error-train", test_set="tool-error-test",
        **QUICK,
    ).result(timeout_s=800)  # fmt: skip
    client.aliases.set("tool-error", "production", run.metric_version)
    outcome = client.score("tool-error", text_span(output="error: timeout, order 999", kind=SpanKind.TOOL))
    plain = client.score("tool-error", output="error: timeout, order 999")
    with pytest.raises(InstanceInvalidError, match="spans of kind TOOL"):
        client.score("tool-error", text_span(output="error: timeout, order 999", kind=SpanKind.LLM))

    assert run.metric_version == "metrics/tool-error/versions/1"
    assert metric.preset == "tool-error@1"
    assert plain.classes == outcome.classes
    assert {c.label for c in outcome.classes} == {"false", "true"}
