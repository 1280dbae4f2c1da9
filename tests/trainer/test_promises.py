"""What a run promises of its evaluator, over the wire: guarantees that need rows, a load to carry."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import (
    DatasetTooSmallError,
    GnomonError,
    InvalidRequestError,
    ServiceObjectiveMissedError,
)
from gnomon.status import from_status
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import State, Trainer, refused, run_request, trainer_at, two_sets

GUARANTEE = {"threshold_aim": "false_positive_rate", "threshold_target": 0.05}
TOO_MUCH = resources.ServiceObjective(peak_qps=200, input_tokens=64, p95_ms=50)


async def _refusal(trainer: Trainer, **fields: Any) -> GnomonError:
    error = await refused(trainer.stub.CreateRun(run_request(**fields)))
    assert not (await trainer.stub.ListRuns(pb.ListRunsRequest(parent="projects/-"))).runs
    return error


async def test_a_guarantee_without_rows_enough_is_refused_when_the_run_is_created(trainer: Trainer) -> None:
    await two_sets(trainer, training=160)  # half of them negative, of which half may be set aside

    error = await _refusal(trainer, parameters=GUARANTEE, allow_small=True)

    assert isinstance(error, DatasetTooSmallError)
    assert "needs 45 rows of no flagged class" in error.message
    assert error.metadata["row_count"] == "80"
    assert error.metadata["required_row_count"] == "90"


async def test_a_guarantee_with_rows_enough_is_taken_on_and_recorded(trainer: Trainer) -> None:
    await two_sets(trainer, training=300)

    run = await trainer.create_run(parameters=GUARANTEE)

    resolved = {p.key: (p.value, p.origin) for p in run.resolved_parameters}
    assert resolved["threshold_aim"] == ("false_positive_rate", "request")
    assert resolved["threshold_target"] == ("0.05", "request")
    assert resolved["threshold_confidence"] == ("0.9", "recipe")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"parameters": {"threshold_aim": "best"}}, "threshold_aim"),
        ({"parameters": {"threshold_aim": "recall"}}, "threshold_target must be set"),
        ({"parameters": {"threshold_confidence": 1.0}}, "threshold_confidence"),
        ({"parameters": {"abstain_error_rate": 0.7}}, "abstain_error_rate"),
        ({"service_objective": resources.ServiceObjective(input_tokens=9, p95_ms=9)}, "peak_qps"),
        ({"service_objective": resources.ServiceObjective(peak_qps=9, p95_ms=9)}, "input_tokens"),
    ],
)
async def test_a_promise_that_makes_no_sense_is_refused(
    trainer: Trainer, fields: dict[str, Any], said: str
) -> None:
    await two_sets(trainer)
    error = await _refusal(trainer, **fields)
    assert isinstance(error, InvalidRequestError)
    assert said in error.message


async def _ended(trainer: Trainer) -> resources.Run:
    async with asyncio.timeout(20):
        while (run := await trainer.run()).state not in {State.REGISTERED, State.FAILED} and not run.HasField(
            "error"
        ):
            await asyncio.sleep(0.05)
    return run


async def test_a_load_that_no_format_carries_is_warned_of(tmp_path: Path, registry: FakeRegistry) -> None:
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        created = await trainer.create_run(service_objective=TOO_MUCH)
        run = await _ended(trainer)

    assert created.service_objective.peak_qps == 200
    assert run.state == State.REGISTERED
    assert not run.report.service.met
    assert run.report.service.formats[0].peak_utilization == 2.0
    assert any("onnx-fp32: cannot keep up" in warning for warning in run.report.warnings)


async def test_a_load_that_no_format_carries_is_not_registered_where_that_is_asked(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    asked = resources.ServiceObjective()
    asked.CopyFrom(TOO_MUCH)
    asked.on_miss = resources.ServiceObjective.REFUSE
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        await trainer.create_run(service_objective=asked)
        run = await _ended(trainer)

    assert run.state == State.FINE_TUNED
    error = from_status(run.error)
    assert isinstance(error, ServiceObjectiveMissedError)
    assert "200 instances/s of 64 tokens within 50 ms" in error.message
    assert error.metadata["figures"] == "onnx-fp32: cannot keep up, 200% of 100 instances/s"
    assert registry.versions == []


async def test_a_load_that_is_carried_is_registered(tmp_path: Path, registry: FakeRegistry) -> None:
    asked = resources.ServiceObjective(
        peak_qps=20, input_tokens=64, p95_ms=50, on_miss=resources.ServiceObjective.REFUSE
    )
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        await trainer.create_run(service_objective=asked)
        run = await _ended(trainer)

    assert run.state == State.REGISTERED
    assert run.report.service.met
    assert run.report.service.format == "onnx-fp32"
