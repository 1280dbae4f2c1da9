"""Labellings and generations of this trainer, as runs see them that wait for their datasets. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gnomon.errors import WorkStateError
from gnomon_trainer.domain import generations, labelling_use_cases, paid_work
from gnomon_trainer.domain.labelling_progress import estimated_cost
from gnomon_trainer.domain.paid_work import PaidWork, WorkKind, WorkState
from gnomon_trainer.domain.paid_work_store import PaidWorkStore
from gnomon_trainer.domain.training_set_work import WorkOutlook, WorkStatus
from gnomon_trainer.domain.work_progress import WorkProgress

_OUTLOOKS: Mapping[WorkState, WorkOutlook] = {
    WorkState.WORKING: WorkOutlook.UNDER_WAY,
    WorkState.WAITING: WorkOutlook.UNDER_WAY,
    WorkState.DONE: WorkOutlook.ENDED,
    WorkState.FAILED: WorkOutlook.FAILED,
    WorkState.CANCELLED: WorkOutlook.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class PaidTrainingSets:
    """A `TrainingSetWork` on the store of paid work."""

    store: PaidWorkStore
    clock: Callable[[], float]

    def status(self, name: str) -> WorkStatus:
        work = self._get(name)
        makes_dataset = work.spec.get("purpose", "label") == "label"
        return WorkStatus(
            name=work.name,
            metric=work.spec["metric"]["name"],
            outlook=_OUTLOOKS[work.state],
            progress=_progress(work),
            dataset=(work.result or {}).get("dataset", ""),
            error=work.error,
            makes_dataset=makes_dataset,
        )

    def resume(self, name: str) -> None:
        work = self._get(name)
        if work.cancel_requested:
            raise WorkStateError(
                f"{work.name} is still being cancelled. Resume the run in a moment.",
                resource=work.name,
                state="CANCELLING",
            )
        if work.state in {WorkState.FAILED, WorkState.CANCELLED}:
            if work.kind is WorkKind.GENERATION:
                self.store.change(work.uid, lambda work: generations.resumed(work, None))
            else:
                labelling_use_cases.go_on(self.store, work, None)

    def cancel(self, name: str) -> None:
        self.store.change(self._get(name).uid, lambda work: paid_work.cancelled(work, self.clock()))

    def _get(self, name: str) -> PaidWork:
        kind, _, work_id = name.partition("/")
        return self.store.get(WorkKind(kind), work_id)


def _progress(work: PaidWork) -> WorkProgress:
    of_kind = _of_generation if work.kind is WorkKind.GENERATION else _of_labelling
    return of_kind(work)


def _of_generation(work: PaidWork) -> WorkProgress:
    spec, progress = generations.spec_from(work.spec), generations.progress_from(work.progress)
    return WorkProgress(
        done=progress.kept_rows,
        failed=sum(progress.dropped.values()),
        total=sum(generations.wanted(spec, progress).values()),
        input_tokens=work.spent.input,
        output_tokens=work.spent.output,
        cost=work.cost,
        estimated_cost=generations.estimated_cost(work, spec, progress),
        remaining_s=generations.remaining_s(work, spec, progress),
        awaits_review=work.state is WorkState.WAITING,
    )


def _of_labelling(work: PaidWork) -> WorkProgress:
    shown = work.progress
    judged, failed = shown.get("judged", 0), sum(shown.get("failures", {}).values())
    return WorkProgress(
        done=judged,
        failed=failed,
        total=shown.get("total", work.spec["row_count"]),
        input_tokens=work.spent.input,
        output_tokens=work.spent.output,
        cost=work.cost,
        estimated_cost=estimated_cost(shown, work.cost) if shown else 0.0,
        remaining_s=shown.get("remaining_s") if work.state is WorkState.WORKING else None,
    )
