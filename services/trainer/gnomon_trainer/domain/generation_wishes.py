"""Why a sample was not good enough, and what each reason changes in how a generator is asked. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gnomon.errors import InvalidRequestError, Violation

MOST_CHARACTERS = 1_000
_ROWS_PER_CALL = 5
_EXAMPLES_PER_CALL = 4


class Reason(StrEnum):
    """The names are those of `gnomon.v1.Generation.Reason`."""

    TOO_REPETITIVE = "too_repetitive"
    LABELS_WRONG = "labels_wrong"
    OFF_TOPIC = "off_topic"
    OTHER = "other"  # in the reviewer's words alone


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reviewer said of a sample."""

    reason: Reason
    words: str = ""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a generator is asked, as all wishes so far have it."""

    rows_per_call: int = _ROWS_PER_CALL
    examples_per_call: int = _EXAMPLES_PER_CALL
    explains: bool = False  # says of each row first why it is of its class
    varies_tone: bool = True
    sentences: tuple[str, ...] = ()


_SENTENCES = {
    Reason.TOO_REPETITIVE: "Earlier items were too much alike. Let no two items share their situation, their "
    "first words or the way they are built.",
    Reason.LABELS_WRONG: "Earlier items were not of their class. Say first, in `why`, what puts an item into "
    "its class and into no other; leave out what a strict reader could doubt.",
    Reason.OFF_TOPIC: "Earlier items were beside the topic. Stay with what the examples are about, with the "
    "people who write there, and with their way of writing.",
}


def check_wish(wish: Wish) -> Wish:
    """Return the wish, or raise InvalidRequestError where it says nothing, or too much."""
    if wish.reason is Reason.OTHER and not wish.words.strip():
        raise _wrong("words", "must say what is wrong where the reason is OTHER")
    if len(wish.words) > MOST_CHARACTERS:
        raise _wrong("words", f"must be at most {MOST_CHARACTERS} characters")
    if any(not c.isprintable() and c not in "\n\t" for c in wish.words):
        raise _wrong("words", "must be printable")
    return wish


def manner(wishes: Sequence[Wish]) -> Manner:
    """Return how to ask once these wishes were said, oldest first; none is forgotten.

    Too repetitive: fewer rows a call and twice the examples. Labels wrong: each row is explained
    before it is written. Off topic: twice the examples, and no tone but theirs. The reviewer's own
    words stand in the prompt as they are.
    """
    reasons = {wish.reason for wish in wishes}
    more = bool(reasons & {Reason.TOO_REPETITIVE, Reason.OFF_TOPIC})
    said = [_SENTENCES[reason] for reason in Reason if reason in reasons and reason in _SENTENCES]
    words = [f"A person who read earlier items says: {w}" for wish in wishes if (w := wish.words.strip())]
    return Manner(
        rows_per_call=2 if Reason.TOO_REPETITIVE in reasons else _ROWS_PER_CALL,
        examples_per_call=2 * _EXAMPLES_PER_CALL if more else _EXAMPLES_PER_CALL,
        explains=Reason.LABELS_WRONG in reasons,
        varies_tone=Reason.OFF_TOPIC not in reasons,
        sentences=tuple(dict.fromkeys([*said, *words])),
    )


def _wrong(field: str, rule: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field} {rule}.", violations=[Violation(field, rule)])
