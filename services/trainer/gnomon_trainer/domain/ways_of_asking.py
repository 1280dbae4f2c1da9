"""In which ways an endpoint can be asked for a judgement, and which of them it understands. Pure."""

from collections.abc import Sequence

from gnomon.errors import GnomonError
from gnomon_trainer.domain.chat import Form

BROKEN = "500"  # what some servers answer to whatever they do not understand
_NOT_UNDERSTOOD = {"400", "404", "415", "422", "501", BROKEN}
_NOT_ALLOWED = "403"  # what some answer where log-probabilities are asked of a model that reasons
_MOST_LIKELY = 20

Way = tuple[Form, bool]  # and whether log-probabilities are asked for

# From what binds an answer most to what every endpoint can do.
WAYS: tuple[Way, ...] = tuple(
    (form, likely) for form in (Form.SCHEMA, Form.OBJECT, Form.JSON, Form.TEXT) for likely in (True, False)
)


def likely_tokens(classes: int) -> int:
    """Return how many tokens to ask for where one of the classes begins, at most 20.

    Some more than there are classes, for other spellings. Not more than that: each is some 70 bytes at
    every place of every answer, and some endpoints give 5 at most.
    """
    return min(classes + 3, _MOST_LIKELY)


def may_be_the_way(error: GnomonError, way: Way) -> bool:
    """Tell whether the endpoint may answer if it is asked for less."""
    status = error.metadata.get("http_status")
    return status in _NOT_UNDERSTOOD or (status == _NOT_ALLOWED and way[1])


class Ways:
    """What is known of one endpoint.

    An internal error counts against a way only the second time. When a lesser
    way has worked, one more question is asked in those that ended so: who
    stumbled once is not asked for less for good.
    """

    def __init__(self) -> None:
        self._proved = len(WAYS)  # the index of the best way that has worked
        self._doubted: tuple[Way, ...] = ()

    @property
    def are_known(self) -> bool:
        """Tell whether the next question finds out nothing more: else it is to be asked alone."""
        return self._proved < len(WAYS) and not self._doubted

    def for_one_question(self) -> Sequence[Way]:
        """Return what is to be tried, one after the other until one works."""
        doubted, self._doubted = self._doubted, ()
        return WAYS if self._proved == len(WAYS) else (*doubted, WAYS[self._proved])

    def is_trial(self, way: Way) -> bool:
        """Tell whether a failure may be because of the way; there is none below the last one."""
        return WAYS.index(way) not in (self._proved, len(WAYS) - 1)

    def worked(self, way: Way, broken: Sequence[Way]) -> None:
        """Keep to a way; `broken` are those above it that ended in an internal error just now."""
        if self._proved == len(WAYS):
            self._doubted = tuple(broken)
        self._proved = min(self._proved, WAYS.index(way))
