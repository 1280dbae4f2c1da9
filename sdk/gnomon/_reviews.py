"""From a user's words about reviews to messages. Pure."""

from gnomon._requests import refused
from gnomon.v1 import reviews_pb2 as pb


def review_message(
    *,
    order: str,
    limit: int,
    blind: bool,
    reviewers_per_row: int,
    judge_column: str,
    include_reviewed: bool,
) -> pb.Review:
    """Return the message of how to review.

    Raises:
        InvalidRequestError: there is no such order.
    """
    known = [name for name in pb.Review.Order.keys() if name != "ORDER_UNSPECIFIED"]  # noqa: SIM118  no mapping
    if order.upper() not in known:
        raise refused("order", f"is {order[:40]!r}; it must be one of: {', '.join(known).lower()}")
    return pb.Review(
        order=order.upper(),
        limit=limit,
        blind=blind,
        reviewers_per_row=reviewers_per_row,
        judge_column=judge_column,
        include_reviewed=include_reviewed,
    )


def answer_of(word: str) -> pb.ReviewAnswer:
    """Return the answer that a user's word names, or raise InvalidRequestError."""
    known = {
        "label": pb.REVIEW_ANSWER_LABEL,
        "unsure": pb.REVIEW_ANSWER_UNSURE,
        "skip": pb.REVIEW_ANSWER_SKIP,
    }
    if word.lower() not in known:
        raise refused("answer", f"is {word[:40]!r}; it must be one of: {', '.join(known)}")
    return known[word.lower()]
