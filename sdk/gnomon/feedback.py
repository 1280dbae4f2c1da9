"""What people say of scores, as entries for `client.feedback.record_many`. Pure."""

from datetime import datetime
from typing import Any

from gnomon import shorthand
from gnomon._requests import refused
from gnomon._scoring import Given, message_of
from gnomon.v1 import resources_pb2 as pb

Scored = str | pb.Score


def entry(
    scored: Scored,
    instance: Given,
    *,
    label: str | bool,
    score_label: str | bool | None = None,
    score_probability: float | None = None,
    reviewer: str = "",
    review_time: datetime | None = None,
    comment: str = "",
    external_id: str = "",
) -> pb.Feedback:
    """Return an entry about a score, or about what a version said.

        score = client.score("commitment", **texts)
        client.feedback.record_many([feedback.entry(score, texts, label=True, reviewer="ann"), …])

    Args: as of `client.feedback.record`.
    """
    if isinstance(scored, pb.Score):
        version = scored.metric_version
        told = next((c.probability for c in scored.classes if c.label == scored.label), None)
        score_label = scored.label if score_label is None else score_label
        score_probability = told if score_probability is None else score_probability
    else:
        version = shorthand.metric_version(scored)
    said = pb.Feedback(
        metric_version=version,
        instance=message_of(instance),
        label=_text(label),
        score_label=_text(score_label),
        score_probability=score_probability,
        reviewer=reviewer,
        comment=comment,
        external_id=external_id,
    )
    if review_time is not None:
        if review_time.tzinfo is None:
            raise refused("review_time", "must have a time zone")
        said.review_time.FromDatetime(review_time)
    return said


def _text(label: Any) -> str:
    return "" if label is None else str(label).lower() if isinstance(label, bool) else str(label)
