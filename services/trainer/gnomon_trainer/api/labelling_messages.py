"""From labellings to messages."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import json_format

from gnomon import convert
from gnomon.v1 import labellings_pb2 as pb
from gnomon_trainer.api.messages import duration, status_message, timestamp
from gnomon_trainer.domain.chat_budget import Allowance
from gnomon_trainer.domain.labelling_progress import estimated_cost
from gnomon_trainer.domain.labelling_use_cases import Labelling, WrongRow
from gnomon_trainer.domain.labellings import STATES
from gnomon_trainer.domain.paid_work import PaidWork, WorkState


def labelling_message(labelling: Labelling) -> pb.Labelling:
    work, spec = labelling.work, labelling.spec
    message = pb.Labelling(
        name=work.name,
        dataset=spec.dataset,
        metric=spec.metric.name,
        provider=spec.provider,
        purpose=spec.purpose.name,
        judge_prompt=spec.judged.prompt,
        classes=[pb.Labelling.JudgedClass(**asdict(each)) for each in spec.judged.classes],
        votes=spec.votes,
        budget=_budget(work.allowance),
        canary_count=spec.canary_count,
        examples_dataset=spec.examples_dataset,
        example_count=len(spec.judged.examples),
        seed=spec.seed,
        target_dataset_id=spec.target,
        model=spec.model,
        state=STATES[work.state],
        operation=str(work.operation),
        error=status_message(work.error),
        progress=_progress(work),
        failure_counts=work.progress["failures"],
        failures=[pb.Labelling.FailedRow(**asdict(each)) for each in labelling.failures],
        attempts=work.attempts,
        create_time=timestamp(work.create_time),
    )
    _add_result(message, work.result or {})
    if work.start_time is not None:
        message.start_time.CopyFrom(timestamp(work.start_time))
    if work.end_time is not None:
        message.end_time.CopyFrom(timestamp(work.end_time))
    return message


def _add_result(message: pb.Labelling, result: Mapping[str, Any]) -> None:
    message.labelled_dataset = result.get("dataset", "")
    message.doubtful_count = result.get("doubtful", 0)
    if report := result.get("report"):
        json_format.ParseDict(report, message.report)
    if canaries := result.get("canaries"):
        json_format.ParseDict(canaries, message.canaries)


def _budget(allowance: Allowance) -> pb.JudgeBudget:
    return pb.JudgeBudget(
        max_tokens=allowance.most_tokens or 0,
        max_cost=allowance.most_cost or 0.0,
        input_price=allowance.prices.input,
        output_price=allowance.prices.output,
    )


def _progress(work: PaidWork) -> pb.LabellingProgress:
    told = work.progress
    progress = pb.LabellingProgress(
        judged_count=told["judged"],
        failed_count=sum(told["failures"].values()),
        total_count=told["total"],
        input_tokens=work.spent.input,
        output_tokens=work.spent.output,
        cost=work.cost,
        estimated_cost=estimated_cost(told, work.cost),
    )
    if work.state is WorkState.WORKING and told["remaining_s"] is not None:
        progress.remaining.CopyFrom(duration(told["remaining_s"]))
    return progress


def labelling_operation(labelling: Labelling) -> operations_pb2.Operation:
    """Return the operation that is a view of the labelling."""
    message, work = labelling_message(labelling), labelling.work
    operation = operations_pb2.Operation(name=str(work.operation), done=work.is_done)
    operation.metadata.Pack(message)
    if work.error is not None:
        operation.error.CopyFrom(message.error)
    elif work.state is WorkState.DONE:
        operation.response.Pack(message)
    return operation


def wrong_row_message(wrong: WrongRow) -> pb.WrongRow:
    return pb.WrongRow(
        row=wrong.row.number,
        instance=convert.instance_to_proto(wrong.row.instance),
        true_label=wrong.row.label,
        label=wrong.judged.label,
        explanation=wrong.judged.explanation,
        share=wrong.judged.shares[wrong.judged.label],
    )


def comparison_message(
    first: Labelling, second: Labelling, found: Mapping[str, Any]
) -> pb.CompareLabellingsResponse:
    message = pb.CompareLabellingsResponse(
        first_labelling=first.work.name,
        second_labelling=second.work.name,
        dataset=first.spec.dataset,
        first_tokens_per_row=_tokens_per_row(first),
        second_tokens_per_row=_tokens_per_row(second),
    )
    return json_format.ParseDict(dict(found), message)


def _tokens_per_row(labelling: Labelling) -> float:
    return float(labelling.work.spent.total / labelling.work.progress["judged"])
