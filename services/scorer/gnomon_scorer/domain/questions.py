"""What is asked of versions: one question a version and text, answered from the cache or by running it."""

from collections.abc import Sequence
from dataclasses import dataclass

from gnomon.errors import GnomonError
from gnomon.rendering import Rendered
from gnomon.tokens import Reading
from gnomon.windows import reduce
from gnomon_scorer.domain.loaded import LoadedVersion
from gnomon_scorer.domain.response_cache import Answer
from gnomon_scorer.domain.scheduler import Outcome, Ran


@dataclass(slots=True, eq=False)
class Question:
    """What one version makes of one text. `key` is its place in the cache; None where there is no cache.

    `reading` is there unless the cache had the answer, or the text cannot be read.
    """

    version: LoadedVersion
    text: Rendered
    key: bytes | None = None
    reading: Reading | None = None
    answer: Answer | GnomonError | None = None
    is_cached: bool = False

    def settle(self, windows: Sequence[Outcome]) -> None:
        """Take in what became of the windows. One that failed fails the instance: a part is no answer."""
        failed = next((outcome for outcome in windows if isinstance(outcome, GnomonError)), None)
        self.answer = failed or self._answer([ran.logits for ran in windows if isinstance(ran, Ran)])

    def _answer(self, logits: Sequence[Sequence[float]]) -> Answer:
        assert self.reading is not None
        if len(logits) == 1:
            return Answer(tuple(logits[0]), self.reading.token_count, self.reading.truncated)
        evaluator = self.version.evaluator
        assert evaluator.windows is not None
        flagged = [evaluator.classes.index(label) for label in evaluator.flagged_classes]
        reduced = reduce(logits, evaluator.windows.reducer, flagged)
        return Answer(
            logits=tuple(reduced.logits),
            token_count=self.reading.token_count,
            truncated=self.reading.truncated,
            window_count=len(logits),
            deciding_window=reduced.deciding_window,
        )
