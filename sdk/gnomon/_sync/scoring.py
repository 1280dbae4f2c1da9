# Made from gnomon/_async/scoring.py by tools/unasync.py. Do not edit.

"""Scoring: the methods of the client itself."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from gnomon import _scoring
from gnomon._frames import cells_of, pandas, with_scores
from gnomon._scoring import BATCH, IN_FLIGHT, Given, Metrics, Options, Outcome, Streamed, options_of
from gnomon._sync.concurrency import in_thread, side_by_side
from gnomon._sync.connection import Connection
from gnomon._sync.score_calls import ScoreCalls
from gnomon._sync.streaming import RowStream
from gnomon.errors import MessageTooLargeError
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import scorer_service_pb2 as scorer

if TYPE_CHECKING:
    import pandas as pd

_SERVICE = "gnomon.v1.ScorerService"


class Scoring:
    """What a client can do with a scorer.

    A metric is `toxicity`, which means the version that its alias `production`
    points at, `toxicity@3` for a fixed version, `toxicity@shadow` for another
    alias, or a whole name.
    """

    _scorer: Connection

    @overload
    def score(
        self,
        metrics: str,
        instance: Given | None = None,
        *,
        input: str | None = None,
        output: str | None = None,
        documents: Iterable[str] = (),
        messages: Sequence[Mapping[str, Any]] | None = None,
        lane: str | None = None,
        timeout_s: float | None = None,
        hedge_after_s: float | None = None,
    ) -> pb.Score: ...

    @overload
    def score(
        self,
        metrics: list[str] | tuple[str, ...],
        instance: Given | None = None,
        *,
        input: str | None = None,
        output: str | None = None,
        documents: Iterable[str] = (),
        messages: Sequence[Mapping[str, Any]] | None = None,
        lane: str | None = None,
        timeout_s: float | None = None,
        hedge_after_s: float | None = None,
    ) -> dict[str, pb.Score]: ...

    @overload
    def score(
        self,
        metrics: str | list[str] | tuple[str, ...],
        *,
        instances: Iterable[Given],
        lane: str | None = None,
        timeout_s: float | None = None,
        hedge_after_s: float | None = None,
    ) -> list[dict[str, Outcome]]: ...

    def score(
        self,
        metrics: str | list[str] | tuple[str, ...],
        instance: Given | None = None,
        *,
        input: str | None = None,  # noqa: A002  the field's own name
        output: str | None = None,
        documents: Iterable[str] = (),
        messages: Sequence[Mapping[str, Any]] | None = None,
        instances: Iterable[Given] | None = None,
        lane: str | None = None,
        timeout_s: float | None = None,
        hedge_after_s: float | None = None,
    ) -> pb.Score | dict[str, pb.Score] | list[dict[str, Outcome]]:
        """Score one instance, or many.

            score = client.score("toxicity", output="…")  # score.flagged, score.label
            by_metric = client.score(["toxicity", "tone@2"], output="…")
            score = client.score("goal-reached", messages=[{"role": "user", "content": "…"}, …])
            rows = client.score("toxicity", instances=[span, span])

        Args:
            metrics: one metric, or several.
            instance: a span, a trace, a session, or a mapping of texts.
            input, output, documents: the texts of a span, in place of `instance`.
            messages: a conversation as OpenAI's chat API writes it, with tool
                calls and their results, for a metric of traces or sessions.
            instances: many of what `instance` may be, in place of it.
            lane: `guardrail` if somebody waits for the verdict before an answer is
                shown, `bulk` if nobody waits, else `online`, which None means.
            timeout_s: of each request, with its repetitions; the client's if None. A
                version that is being loaded is waited for as long.
            hedge_after_s: send a request that has no answer by then a second time,
                over another connection, and take the first answer. With a list of
                addresses it goes to another of them; with a name that has several,
                or several processes behind one, it may. At most one request in ten
                is sent twice.

        Returns:
            The score of the instance; with several metrics, a dict of them by
            metric as it was given. For `instances` a list of such dicts in their
            order, in which an instance that could not be scored has its error.

        Raises:
            InstanceInvalidError: the one instance lacks what the metric reads.
            NotFoundError: there is no such metric, version or alias.
            VersionUnloadableError: the version's evaluator cannot be loaded.
        """
        wanted = _scoring.metrics_of(metrics)
        options = options_of(lane, timeout_s, hedge_after_s)
        if instances is not None:
            return self._score_many(wanted, instances, BATCH, options)
        only = _scoring.one_instance(instance, input, output, documents, messages)
        request = _scoring.request_of(wanted, [_scoring.message_of(only)], options.lane)
        response = ScoreCalls(self._scorer, options).score(request)
        scores = _scoring.scores_or_raise(_scoring.rows_of(wanted, response)[0])
        return scores[metrics] if isinstance(metrics, str) else scores

    def score_batch(
        self,
        metrics: str | Iterable[str],
        instances: Iterable[Given],
        *,
        lane: str | None = None,
        timeout_s: float | None = None,
        hedge_after_s: float | None = None,
    ) -> scorer.ScoreResponse:
        """Score at most 256 instances in one request, and return the response, with its timing."""
        options = options_of(lane, timeout_s, hedge_after_s)
        messages = map(_scoring.message_of, instances)
        request = _scoring.request_of(_scoring.metrics_of(metrics), messages, options.lane)
        return ScoreCalls(self._scorer, options).score(request)

    def score_stream(
        self,
        metrics: str | Iterable[str],
        instances: Iterable[Streamed] | Iterable[Streamed],
        *,
        timeout_s: float | None = None,
    ) -> Generator[dict[str, Outcome], None, None]:
        """Score rows of which there are too many for memory, in the lane `bulk`.

            for row in client.score_stream("toxicity", rows_of_a_file()):
                row["toxicity"]  # its score, or its error

        What an alias means is looked up once, at the start. A scorer that is
        away or restarted is seen as a delay: what was not answered is sent again.

        Args:
            instances: read as they are scored, at most some thousand ahead, and
                beside the caller: in a thread, where they do not come
                asynchronously. Rows are sent once there are 64, or 0.1 s later:
                what gives them may wait for their scores. An error among them stands for an instance that
                could not be made, and is its outcome.
            timeout_s: how long there may be no progress for failures; the
                client's if None.

        Yields:
            A dict of the scores by metric for each instance, in their order, in
            which an instance that could not be scored has its error.

        Raises:
            NotFoundError: there is no such metric, version or alias.
            Exception: what `instances` raised, after the scores of those before it.
        """
        options = options_of("bulk", timeout_s)
        stream = RowStream(self._scorer, _scoring.metrics_of(metrics), instances, options)
        with closing(stream.scored()) as rows:
            yield from rows

    def resolve(self, metrics: str | Iterable[str], *, timeout_s: float | None = None) -> dict[str, str]:
        """Return the version, by its number, that the scorer scores each metric with now."""
        nothing: list[Streamed] = []
        options = options_of("bulk", timeout_s)
        stream = RowStream(self._scorer, _scoring.metrics_of(metrics), nothing, options)
        with closing(stream.scored()) as rows:
            for _ in rows:
                pass
        return stream.versions

    def score_frame(
        self,
        frame: "pd.DataFrame",
        metrics: str | Iterable[str],
        *,
        columns: Mapping[str, str] | None = None,
        batch: int = BATCH,
        lane: str = "bulk",
        timeout_s: float | None = None,
    ) -> "pd.DataFrame":
        """Score every row of a DataFrame.

        Args:
            columns: from the frame's column to `input`, `output` or `documents`;
                by default the columns of those names. A cell is a text, or a list
                of messages (`{"role": …, "content": …}`) or documents.
            batch: rows a request, 1 to 256.
            lane: as in `score`.

        Returns:
            A copy of the frame with the columns `<metric>.label`,
            `<metric>.flagged`, `<metric>.<class>` (its probability) and
            `<metric>.error` (why the row has no score) for each metric. A class
            called label, flagged or error is in `<metric>.<class>.probability`.

        Raises:
            ModuleNotFoundError: pandas is not installed.
            InvalidRequestError: the frame lacks a column, or two are mapped to one name.
        """
        in_thread(pandas)
        wanted, options = _scoring.metrics_of(metrics), options_of(lane, timeout_s)
        rows_of_frame = in_thread(cells_of, frame, columns)
        rows = self._score_many(wanted, rows_of_frame, batch, options)
        return in_thread(with_scores, frame, wanted.given, rows)

    def loaded_versions(self) -> Iterator[scorer.LoadedVersion]:
        """Yield the versions that the scorer holds in memory, and those that failed to load."""
        request, response = scorer.ListLoadedVersionsRequest(), scorer.ListLoadedVersionsResponse
        for page in self._scorer.pages(f"{_SERVICE}/ListLoadedVersions", request, response):
            yield from page.loaded_versions

    def _score_many(
        self, metrics: Metrics, instances: Iterable[Given], batch: int, options: Options
    ) -> list[dict[str, Outcome]]:
        messages = in_thread(_scoring.messages_of, instances)
        requests = _scoring.requests_of(metrics, messages, batch, options.lane)
        calls = ScoreCalls(self._scorer, options)
        parts = side_by_side(partial(self._score_rows, metrics, calls), requests, IN_FLIGHT)
        return _scoring.in_order(metrics, messages, parts)

    def _score_rows(
        self, metrics: Metrics, calls: ScoreCalls, request: scorer.ScoreRequest
    ) -> list[dict[str, Outcome]]:
        try:
            return _scoring.rows_of(metrics, calls.score(request))
        except MessageTooLargeError as error:
            if len(request.instances) > 1:
                raise
            return _scoring.all_failed(metrics, request, error)  # it is the instance that is too large
