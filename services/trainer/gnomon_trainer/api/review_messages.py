"""From reviews to messages, and what a blind one hides."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gnomon import convert
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import reviews_pb2 as pb
from gnomon_trainer.api.messages import timestamp
from gnomon_trainer.domain.measures import Measure
from gnomon_trainer.domain.review_agreement import Agreement, Progress
from gnomon_trainer.domain.review_use_cases import Disagreement, Shown
from gnomon_trainer.domain.reviews import Answer, Decision, Item, Outcome, Review

_ANSWER = "REVIEW_ANSWER_"


def review_message(review: Review) -> pb.Review:
    """Return a review without what was done in it."""
    message = pb.Review(
        name=str(review.name),
        dataset=str(review.reviewed),
        metric=review.metric,
        classes=review.classes,
        order=review.order.name,
        limit=review.limit,
        blind=review.blind,
        reviewers_per_row=review.reviewers_per_row,
        judge_column=review.judge_column,
        include_reviewed=review.include_reviewed,
        state="OPEN" if review.applied_version is None else "APPLIED",
        item_count=review.item_count,
        create_time=timestamp(review.create_time),
    )
    if review.applied_version is not None:
        message.applied_version = f"datasets/{review.dataset}@{review.applied_version}"
    if review.apply_time is not None:
        message.apply_time.CopyFrom(timestamp(review.apply_time))
    return message


def progress_message(progress: Progress) -> pb.Review:
    message, counts = review_message(progress.review), progress.counts()
    message.open_count = counts[Outcome.OPEN]
    message.settled_count = counts[Outcome.SETTLED]
    message.corrected_count = counts["corrected"]
    message.disagreement_count = counts[Outcome.DISPUTED]
    message.unsure_count = counts[Outcome.UNSURE]
    for reviewer, answers in progress.of_reviewers().items():
        message.reviewers.add(
            reviewer=reviewer,
            labelled_count=answers[Answer.LABEL],
            unsure_count=answers[Answer.UNSURE],
            skipped_count=answers[Answer.SKIP],
        )
    message.agreements.extend(map(_agreement_message, progress.agreements()))
    return message


def _agreement_message(agreement: Agreement) -> pb.Review.Agreement:
    return pb.Review.Agreement(
        first_reviewer=agreement.first_reviewer,
        second_reviewer=agreement.second_reviewer,
        row_count=agreement.row_count,
        agreement=_measure(agreement.agreement),
        kappa=_measure(agreement.kappa),
    )


def _measure(measure: Measure | None) -> resources.Measure | None:
    return None if measure is None else resources.Measure(**asdict(measure))


def item_message(shown: Shown) -> pb.ReviewItem:
    """Return a row to look at; of a blind review, without anything that holds a label."""
    item = shown.item
    message = pb.ReviewItem(
        row=item.row,
        rank=item.rank,
        instance=convert.instance_to_proto(shown.row.instance),
        columns=_columns(shown.columns),
    )
    if not shown.review.blind:
        message.MergeFrom(_signals_message(item))
    return message


def _columns(cells: Mapping[str, Any]) -> dict[str, str]:
    texts = {
        name: cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
        for name, cell in cells.items()
        if cell is not None
    }
    return {name: text for name, text in texts.items() if text}


def _signals_message(item: Item) -> pb.ReviewItem:
    signals = item.signals
    return pb.ReviewItem(
        reason=item.reason.name,
        label=signals.label,
        expected_label=signals.expected_label,
        label_probability=signals.label_probability,
        expected_probability=signals.expected_probability,
        judge_label=signals.judge_label,
        judge_share=signals.judge_share,
    )


def decision_message(decision: Decision) -> pb.ReviewDecision:
    message = pb.ReviewDecision(
        row=decision.row,
        reviewer=decision.reviewer,
        answer=_ANSWER + decision.answer.name,
        label=decision.label,
        adjudicates=decision.adjudicates,
        create_time=timestamp(decision.create_time),
    )
    if decision.withdraw_time is not None:
        message.withdraw_time.CopyFrom(timestamp(decision.withdraw_time))
    return message


def disagreement_message(found: Disagreement) -> pb.ListDisagreementsResponse.Disagreement:
    return pb.ListDisagreementsResponse.Disagreement(
        item=item_message(found.shown), decisions=map(decision_message, found.decisions)
    )


def answer_of(value: int) -> Answer | None:
    """Return the answer that a message's enum names; None for one that this release does not know."""
    known = {pb.ReviewAnswer.Value(_ANSWER + answer.name): answer for answer in Answer}
    return known.get(value)
