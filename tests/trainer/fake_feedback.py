"""A store of feedback in memory; it passes the same contract suite as the real one."""

from collections.abc import Sequence

from gnomon.errors import GnomonError
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.feedback import Feedback, FeedbackDraft, Outcome, is_held_out, said_otherwise
from tests.trainer.fakes import FakeStores


class FakeFeedbackStore:
    def __init__(self, stores: FakeStores) -> None:
        self._stores = stores
        self._said: list[Feedback] = []
        self._bodies: dict[str, str] = {}
        self._strata: list[str] = []

    def replayed(self, request: Request) -> tuple[Outcome, ...] | None:
        answer: tuple[Outcome, ...] | None = self._stores.find(request)
        return answer

    def add(
        self,
        drafts: Sequence[FeedbackDraft | GnomonError],
        request: Request | None,
        now: float,
        held_out_share: float,
    ) -> tuple[Outcome, ...]:
        if request and (known := self.replayed(request)) is not None:
            return known
        outcomes = tuple(
            draft if isinstance(draft, GnomonError) else self._add(draft, now, held_out_share)
            for draft in drafts
        )
        if request:
            self._stores.requests[request.request_id] = request.body, outcomes
        return outcomes

    def _add(self, draft: FeedbackDraft, now: float, share: float) -> Outcome:
        of_metric = [said for said in self._said if said.metric == draft.metric]
        for said in of_metric:
            if draft.external_id and said.external_id == draft.external_id:
                return said if self._bodies[said.uid] == draft.body else said_otherwise(said)
        stratum = f"{draft.metric}, {draft.stratum}"
        first = next((said for said in of_metric if said.text == draft.text), None)
        if first is None:
            held_out = is_held_out(stratum, self._strata.count(stratum), share)
            self._strata.append(stratum)
        else:
            held_out = first.held_out
        number = len(self._said) + 1
        values = {name: getattr(draft, name) for name in FeedbackDraft.__dataclass_fields__}
        values |= {"review_time": now if draft.review_time is None else draft.review_time}
        said = Feedback(number=number, uid=f"r{number}", held_out=held_out, create_time=now, **values)
        self._said.append(said)
        self._bodies[said.uid] = draft.body
        return said

    def page(self, metric: str, before: int | None, size: int) -> Sequence[Feedback]:
        newest = reversed([said for said in self._said if said.metric == metric])
        return [said for said in newest if before is None or said.number < before][:size]

    def all(self, metric: str) -> Sequence[Feedback]:
        return [said for said in self._said if said.metric == metric]
