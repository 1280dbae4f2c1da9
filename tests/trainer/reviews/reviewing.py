"""Calls of people who review, and a probe that believes what it is told to."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from gnomon.rendering import Rendered
from gnomon.v1 import reviews_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from gnomon_trainer.domain.label_checks import Opinion, Suspect
from tests.trainer.running import Trainer

REVIEW = "datasets/train/reviews/first"
LABEL, UNSURE, SKIP = pb.REVIEW_ANSWER_LABEL, pb.REVIEW_ANSWER_UNSURE, pb.REVIEW_ANSWER_SKIP
Reason = pb.ReviewItem.Reason


class FakeProbe:
    """Believes every label at 0.9, but those of `places`, in that order the less."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.asked: list[int] = []
        self.opened = asyncio.Event()
        self.opened.set()

    async def suspects(self, texts: Sequence[Rendered], labels: Sequence[int]) -> Sequence[Suspect]:
        return []

    async def opinions(self, texts: Sequence[Rendered], labels: Sequence[int]) -> Sequence[Opinion]:
        self.asked.append(len(texts))
        await self.opened.wait()
        return [self._opinion(place, label) for place, label in enumerate(labels)]

    def _opinion(self, place: int, label: int) -> Opinion:
        if place not in self.places:
            return Opinion(label, 0.9, 0.9, 0.8)
        own = 0.01 * (1 + self.places.index(place))
        return Opinion(1 - label, own, 1 - own, 1 - 2 * own)


async def create(trainer: Trainer, parent: str = "datasets/train", **fields: Any) -> pb.Review:
    request = {"review_id": "first"} | {k: fields.pop(k) for k in ("review_id", "request_id") if k in fields}
    return await trainer.stub.CreateReview(
        pb.CreateReviewRequest(parent=parent, review=pb.Review(**fields), **request)
    )


async def following(trainer: Trainer, reviewer: str = "ann", count: int = 1, name: str = REVIEW) -> Any:
    return await trainer.stub.NextReviewItems(
        pb.NextReviewItemsRequest(name=name, reviewer=reviewer, count=count)
    )


async def rows_of(trainer: Trainer, reviewer: str = "ann", count: int = 1) -> list[int]:
    return [item.row for item in (await following(trainer, reviewer, count)).items]


async def say(
    trainer: Trainer, row: int, label: str = "", reviewer: str = "ann", answer: Any = None, **fields: Any
) -> pb.ReviewDecision:
    answer = answer or (LABEL if label else UNSURE)
    return await trainer.stub.RecordReviewDecision(
        pb.RecordReviewDecisionRequest(
            **({"name": REVIEW, "row": row, "reviewer": reviewer, "answer": answer, "label": label} | fields)
        )
    )


async def undo(trainer: Trainer, reviewer: str = "ann", **fields: Any) -> pb.WithdrawReviewDecisionResponse:
    return await trainer.stub.WithdrawReviewDecision(
        pb.WithdrawReviewDecisionRequest(name=REVIEW, reviewer=reviewer, **fields)
    )


async def settle(trainer: Trainer, row: int, label: str = "", adjudicator: str = "cleo") -> Any:
    return await trainer.stub.AdjudicateDisagreement(
        pb.AdjudicateDisagreementRequest(
            name=REVIEW, row=row, adjudicator=adjudicator, answer=LABEL if label else UNSURE, label=label
        )
    )


async def disputed(trainer: Trainer, adjudicator: str = "cleo") -> Any:
    request = pb.ListDisagreementsRequest(parent=REVIEW, adjudicator=adjudicator)
    return (await trainer.stub.ListDisagreements(request)).disagreements


async def review_of(trainer: Trainer) -> pb.Review:
    return await trainer.stub.GetReview(pb.GetReviewRequest(name=REVIEW))


async def apply(trainer: Trainer, **fields: Any) -> pb.ApplyReviewResponse:
    return await trainer.stub.ApplyReview(pb.ApplyReviewRequest(**({"name": REVIEW} | fields)))


async def stored(trainer: Trainer, name: str = "datasets/train") -> list[dict[str, Any]]:
    call = trainer.stub.DownloadDataset(trainer_pb.DownloadDatasetRequest(name=name))
    content = b"".join([part.content async for part in call])
    return [json.loads(line) for line in content.splitlines()]
