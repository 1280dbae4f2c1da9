"""From generations to messages."""

from collections.abc import Mapping
from typing import Any

from google.longrunning import operations_pb2

from gnomon import convert
from gnomon.v1 import generations_pb2 as pb
from gnomon.v1 import labellings_pb2 as labellings
from gnomon.v1 import resources_pb2 as resources
from gnomon_trainer.api.messages import duration, status_message, timestamp
from gnomon_trainer.domain.generation_origin import FROM
from gnomon_trainer.domain.generation_round import EXPLANATION
from gnomon_trainer.domain.generations import (
    GenerationProgress,
    GenerationSpec,
    GenerationState,
    estimated_cost,
    progress_from,
    remaining_s,
    spec_from,
    state_of,
    wanted,
)
from gnomon_trainer.domain.paid_work import PaidWork
from gnomon_trainer.domain.rows import row_of
from gnomon_trainer.domain.soft_labels import COLUMN as SHARES


def generation_message(work: PaidWork, *, whole: bool = True) -> pb.Generation:
    """Return a generation; in lists without what is long, the card and the rows that are seeds."""
    spec, progress = spec_from(work.spec), progress_from(work.progress)
    message = pb.Generation(
        name=work.name,
        metric=spec.metric.name,
        provider=spec.generator.provider,
        judge_provider=spec.judge.provider,
        test_set=spec.test_set,
        seed_set=spec.seeds[1].dataset if len(spec.seeds) > 1 else "",
        seed_share=spec.seed_share,
        sample_row_count=spec.sample_rows,
        row_count=spec.rows,
        class_balance=spec.shares,
        votes=spec.votes,
        budget=_budget(work),
        dataset_id=spec.dataset,
        seed=spec.seed,
        state=state_of(work).name,
        operation=str(work.operation),
        error=status_message(work.error),
        progress=_progress(work, spec, progress),
        sample_number=progress.attempt,
        wishes=[pb.Generation.Wish(reason=wish.reason.name, words=wish.words) for wish in progress.wishes],
        seed_rows=spec.seeds[0].numbers if whole else (),
        model=spec.generator.model,
        judge_model=spec.judge.model,
        attempts=work.attempts,
        create_time=timestamp(work.create_time),
    )
    if work.result is not None:
        _read_result(work.result, message, with_card=whole)
    if work.start_time is not None:
        message.start_time.CopyFrom(timestamp(work.start_time))
    if work.end_time is not None:
        message.end_time.CopyFrom(timestamp(work.end_time))
    return message


def _budget(work: PaidWork) -> labellings.JudgeBudget:
    allowance = work.allowance
    return labellings.JudgeBudget(
        max_tokens=allowance.most_tokens or 0,
        max_cost=allowance.most_cost or 0.0,
        input_price=allowance.prices.input,
        output_price=allowance.prices.output,
    )


def _progress(work: PaidWork, spec: GenerationSpec, progress: GenerationProgress) -> pb.GenerationProgress:
    message = pb.GenerationProgress(
        kept_count=progress.kept_rows,
        wanted_count=sum(wanted(spec, progress).values()),
        asked_count=sum(progress.asked.values()),
        dropped=pb.DroppedItems(**progress.dropped),
        turned_down_count=progress.turned_down,
        input_tokens=work.spent.input,
        output_tokens=work.spent.output,
        cost=work.cost,
        estimated_cost=estimated_cost(work, spec, progress),
    )
    if (left_s := remaining_s(work, spec, progress)) is not None:
        message.remaining.CopyFrom(duration(left_s))
    return message


def _read_result(result: Mapping[str, Any], message: pb.Generation, *, with_card: bool) -> None:
    message.generated_dataset = result["dataset"]
    message.class_counts.update(result["class_counts"])
    message.findings.extend(
        resources.Dataset.Finding(code=entry["code"], message=entry["message"])
        for entry in result["findings"]
    )
    found = result["diversity"]
    message.diversity.CopyFrom(
        pb.GenerationDiversity(
            figures=[pb.GenerationDiversity.Figure(**figure) for figure in found["figures"]],
            auroc=found["auroc"],
            mean_distance=found["mean_distance"],
            mean_distance_of_seeds=found["mean_distance_of_seeds"],
            near_duplicate_share=found["near_duplicate_share"],
        )
    )
    if with_card:
        message.card = result["card"]


def generation_operation(work: PaidWork, *, whole: bool = True) -> operations_pb2.Operation:
    """Return the operation that is a view of the generation."""
    message = generation_message(work, whole=whole)
    operation = operations_pb2.Operation(name=str(work.operation), done=work.is_done)
    operation.metadata.Pack(message)
    if work.error is not None:
        operation.error.CopyFrom(message.error)
    elif state_of(work) is GenerationState.GENERATED:
        operation.response.Pack(message)
    return operation


def row_message(number: int, record: Mapping[str, Any], spec: GenerationSpec) -> pb.GeneratedRow:
    row = row_of(number, record, spec.metric)
    return pb.GeneratedRow(
        row=number,
        instance=convert.instance_to_proto(row.instance),
        label=row.label,
        label_probabilities=record[SHARES],
        judge_explanation=record[EXPLANATION],
        generated_from=record[FROM],
    )
