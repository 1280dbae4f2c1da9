"""In which order rows are reviewed: those first whose label is most in doubt. Pure."""

from collections.abc import Iterable, Set

from gnomon_trainer.domain.reviews import Item, Order, Reason, Signals

NARROW = 0.2  # a margin below it is reason enough to ask


def queue(
    rows: Iterable[tuple[int, Signals]], order: Order, limit: int, first: Set[int] = frozenset()
) -> list[Item]:
    """Return the first rows in an order; those that nothing is known of come last, as they were given.

    Rows of equal doubt follow each other by margin, then as they were given. The rows numbered `first`,
    in the same order, go before all others.
    """

    def place(entry: tuple[int, Signals]) -> tuple[bool, bool, float, float]:
        row, signals = entry
        found, margin = doubt(signals, order), signals.margin
        return row not in first, found is None, -(found or 0.0), 1.0 if margin is None else margin

    asked = sorted(rows, key=place)[:limit]
    return [Item(row, rank, reason(signals, order), signals) for rank, (row, signals) in enumerate(asked, 1)]


def doubt(signals: Signals, order: Order) -> float | None:
    """Return how much is in doubt, in [0, 1]; None where nothing tells."""
    noise = None if signals.label_probability is None else 1 - signals.label_probability
    if order is Order.LABEL_NOISE:
        return noise
    if order is Order.JUDGE_DISAGREEMENT:
        return judge_doubt(signals)
    if order is Order.LOW_MARGIN:
        return None if signals.margin is None else 1 - signals.margin
    known = [found for found in (noise, judge_doubt(signals)) if found is not None]
    return sum(known) / len(known) if known else None


def judge_doubt(signals: Signals) -> float | None:
    """Return what a judge gives to other classes than the label: a share where it is known, else 0 or 1."""
    if signals.judge_share is not None:
        return 1 - signals.judge_share
    return float(signals.judge_label != signals.label) if signals.judge_label else None


def reason(signals: Signals, order: Order) -> Reason:
    """Return why a row is asked; what the order looks at is named first."""
    holds = {
        Reason.LABEL_NOISE: bool(signals.expected_label) and signals.expected_label != signals.label,
        Reason.JUDGE_DISAGREEMENT: bool(signals.judge_label) and signals.judge_label != signals.label,
        Reason.LOW_MARGIN: signals.margin is not None and signals.margin < NARROW,
    }
    for candidate in sorted(holds, key=lambda candidate: candidate != order.value):
        if holds[candidate]:
            return candidate
    return Reason.NO_SIGNAL
