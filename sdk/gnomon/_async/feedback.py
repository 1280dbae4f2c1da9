"""`client.feedback`."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from google.longrunning import operations_pb2

from gnomon import _feedback, _scoring, feedback, shorthand
from gnomon._async.connection import AsyncConnection
from gnomon._async.operation import AsyncOperation
from gnomon._requests import new_request_id
from gnomon._scoring import Given, Outcome
from gnomon.errors import GnomonError, NotFoundError
from gnomon.feedback import Scored
from gnomon.feedback_comparison import FeedbackComparison
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer

if TYPE_CHECKING:
    from gnomon._async.client import AsyncClient

_SERVICE = "gnomon.v1.TrainerService"
_SCORING_S = 120.0  # two versions that nobody asked for lately are loaded first


class AsyncFeedback:
    """What people say of scores, and the next version that learns from it."""

    def __init__(self, client: "AsyncClient", trainer_connection: AsyncConnection) -> None:
        self._client = client
        self._trainer = trainer_connection

    async def record(
        self,
        scored: Scored,
        instance: Given | None = None,
        *,
        label: str | bool,
        input: str | None = None,  # noqa: A002  the field's own name
        output: str | None = None,
        documents: Iterable[str] = (),
        messages: Sequence[Mapping[str, Any]] | None = None,
        score_label: str | bool | None = None,
        score_probability: float | None = None,
        reviewer: str = "",
        review_time: datetime | None = None,
        comment: str = "",
        external_id: str = "",
    ) -> pb.Feedback:
        """Record what would have been right, or that the score was.

            score = await client.score("commitment", input=question, output=answer)
            await client.feedback.record(score, input=question, output=answer, label=True, reviewer="ann")

        Args:
            scored: the score, or the version that scored, such as `commitment@3`.
            instance, input, output, documents, messages: what was scored, as for `client.score`.
            label: the right class; the score's own to confirm it.
            score_label, score_probability: what the score said, where `scored` does not tell.
            review_time: when it was said, with a time zone; now if None. The last word on a text counts.
            external_id: the application's own ID of this entry: recorded twice, it is stored once.

        Raises:
            InvalidRequestError: the label is no class of the metric, or `review_time` is to come.
            InstanceInvalidError: the instance lacks what the metric reads.
            NotFoundError: there is no such version.
            AlreadyExistsError: `external_id` was recorded with other content.
        """
        entry = feedback.entry(
            scored,
            _scoring.one_instance(instance, input, output, documents, messages),
            label=label,
            score_label=score_label,
            score_probability=score_probability,
            reviewer=reviewer,
            review_time=review_time,
            comment=comment,
            external_id=external_id,
        )
        (outcome,) = await self.record_many([entry])
        if isinstance(outcome, GnomonError):
            raise outcome
        return outcome

    async def record_many(self, entries: Iterable[pb.Feedback]) -> Sequence[pb.Feedback | GnomonError]:
        """Record many entries, made by `gnomon.feedback.entry`.

        Returns:
            For each entry, in their order, what was stored, or its error.
        """
        outcomes: list[pb.Feedback | GnomonError] = []
        for request in _feedback.requests_of(entries, new_request_id):
            method, response = f"{_SERVICE}/RecordFeedback", trainer.RecordFeedbackResponse
            outcomes += _feedback.outcomes_of(await self._trainer.unary(method, request, response))
        return outcomes

    async def list(self, metric: str) -> AsyncIterator[pb.Feedback]:
        """Yield the feedback on a metric, newest first, every word that was said."""
        request = trainer.ListFeedbackRequest(parent=shorthand.metric(metric))
        response = trainer.ListFeedbackResponse
        async for page in self._trainer.pages(f"{_SERVICE}/ListFeedback", request, response):
            for said in page.feedback:
                yield said

    async def collect(self, metric: str, dataset_id: str = "") -> pb.Dataset:
        """Make a dataset of the last word on every text; `{metric}-feedback` if no ID is given."""
        request = trainer.CollectFeedbackRequest(parent=shorthand.metric(metric), dataset_id=dataset_id)
        return await self._trainer.unary(f"{_SERVICE}/CollectFeedback", request, pb.Dataset)

    async def start(
        self,
        metric: str,
        *,
        version: str | int = "production",
        project: str | None = None,
        run_id: str | None = None,
        display_name: str = "",
    ) -> AsyncOperation:
        """Queue the run that goes on from a version with what people said since.

        Raises:
            LineageMissingError: what the version was made of is not there any more.
            FeedbackMissingError: there is nothing that the version has not learned.
        """
        request = trainer.TrainFromFeedbackRequest(
            metric_version=shorthand.version_of(metric, version),
            project=shorthand.project(project) if project else "",
            run_id=run_id or "",
            display_name=display_name,
            request_id=new_request_id(),
        )
        method = f"{_SERVICE}/TrainFromFeedback"
        operation = await self._trainer.unary(method, request, operations_pb2.Operation)
        return AsyncOperation(self._client.runs, _feedback.unpacked(operation))

    async def train(
        self,
        metric: str,
        *,
        version: str | int = "production",
        project: str | None = None,
        run_id: str | None = None,
        display_name: str = "",
        promote: str | None = None,
        allow_protected: bool = False,
        timeout_s: float | None = None,
    ) -> FeedbackComparison:
        """Train the next version from one with what people said since, and compare the two.

        No alias is moved unless `promote` names one; see `promote`.

        Args:
            version: the version to go on from: a number or an alias.
            project: where to run; the project of that version's run if None.
            timeout_s: how long to wait for the run; None for as long as it takes.

        Raises:
            LineageMissingError, FeedbackMissingError: see `start`.
            VersionNotBetterError, EtagMismatchError: see `promote`.
            GnomonError: the run's own error.
        """
        operation = await self.start(
            metric, version=version, project=project, run_id=run_id, display_name=display_name
        )
        run = await operation.result(timeout_s)
        if promote is None:
            return await self.compare(run.name)
        return await self.promote(run.name, promote, allow_protected=allow_protected)

    async def compare(self, run: str) -> FeedbackComparison:
        """Compare the version of a run that learned from feedback with the one it went on from.

        On the test set of both, row by row, and on the feedback that was held
        out, which both score now as they are served.

        Raises:
            RunStateError: the run did not learn from feedback, or has no version yet.
        """
        found = await self._client.runs.get(run)
        origin = _feedback.origin_of(found)
        compared = await self._client.runs.compare(found.name, origin.run)
        rows = await self._client.datasets.rows(origin.held_out_set) if origin.held_out_set else []
        scores: list[dict[str, Outcome]] = []
        if rows:
            metric = await self._client.metrics.get(found.metric)
            scores = await self._client.score(
                [origin.metric_version, found.metric_version],
                instances=_feedback.instances_of(rows, metric),
                lane="bulk",
                timeout_s=_SCORING_S,
            )
        return _feedback.comparison_of(found, compared, rows, scores)

    async def promote(self, run: str, alias: str, *, allow_protected: bool = False) -> FeedbackComparison:
        """Point an alias at a run's version, if that is shown to be better than the one it went on from.

        It must not be worse on the test set, and must be better on the feedback
        that was held out, each by its 95 % interval.

        Raises:
            VersionNotBetterError: it is not, with the figures.
            EtagMismatchError: the alias points at another version than it was compared with, or was set
                meanwhile.
            AliasProtectedError: the alias is protected and `allow_protected` is not set.
        """
        compared = await self.compare(run)
        metric = compared.new_version.partition("/versions/")[0]
        try:
            current = await self._client.aliases.get(f"{metric}/aliases/{alias}")
        except NotFoundError:
            current = None
        _feedback.check_promotion(compared, current)
        await self._client.aliases.set(
            metric,
            alias,
            compared.new_version.rpartition("/")[2],
            allow_protected=allow_protected,
            etag=current.etag if current else "",
            must_be_new=current is None,
        )
        return compared
