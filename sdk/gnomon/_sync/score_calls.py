# Made from gnomon/_async/score_calls.py by tools/unasync.py. Do not edit.

"""Calls for scores, until what could not be scored for now is scored."""

from functools import partial

from gnomon import _scoring
from gnomon._retry import Attempts, is_transient
from gnomon._scoring import Options
from gnomon._sync.concurrency import side_by_side, sleep
from gnomon._sync.connection import Connection
from gnomon.errors import CancelledError, DeadlineExceededError, GnomonError
from gnomon.v1 import scorer_service_pb2 as scorer

_METHOD = "gnomon.v1.ScorerService/Score"


class ScoreCalls:
    """The requests that one call of the user makes.

    A scorer answers once one of several versions can score; the others' outcomes
    are then errors, such as VERSION_LOADING, that time heals. They are asked for
    again, each version alone and of those rows alone, within the request's time.
    What has no score then keeps its error. From there on the other requests of
    the call do not wait for that version, until it scores again: a frame of a
    thousand requests would else wait a thousand times.
    """

    def __init__(self, connection: Connection, options: Options) -> None:
        self._connection = connection
        self._options = options
        self._given_up: set[str] = set()

    def score(self, request: scorer.ScoreRequest) -> scorer.ScoreResponse:
        """Return the response with what was asked for again in its place; its timing is the first answer's.

        Raises:
            GnomonError: the error of the whole request.
        """
        timeout_s = self._options.timeout_s
        attempts = Attempts(self._connection.timeout_s if timeout_s is None else timeout_s)
        response = self._send(request, attempts, self._options.hedge_after_s)
        missing = _scoring.missing_in(response)
        self._given_up &= {request.metric_versions[column] for column in missing}
        wanted = [column for column in missing if request.metric_versions[column] not in self._given_up]
        if wanted:
            again = partial(self._again, request, response, attempts)
            side_by_side(again, wanted, len(wanted))
        return response

    def _again(
        self, request: scorer.ScoreRequest, response: scorer.ScoreResponse, attempts: Attempts, column: int
    ) -> None:
        """Ask for one version's missing outcomes until all are there, or the time is over."""
        while rows := _scoring.missing_in(response).get(column):
            part = _scoring.part_of(request, rows, column)
            try:
                sleep(attempts.delay_after(_scoring.latest_error(response, rows, column)))
                answer = self._send(part, attempts)
            except CancelledError:
                raise  # the client was closed
            except GnomonError as error:
                self._given_up.add(request.metric_versions[column])
                if not (is_transient(error) or isinstance(error, DeadlineExceededError)):
                    _scoring.fill_error(response, rows, column, error)
                return
            _scoring.fill(response, rows, column, answer)

    def _send(
        self, request: scorer.ScoreRequest, attempts: Attempts, hedge_after_s: float | None = None
    ) -> scorer.ScoreResponse:
        return self._connection.unary(
            _METHOD,
            request,
            scorer.ScoreResponse,
            timeout_s=attempts.remaining_s(),
            hedge_after_s=hedge_after_s,
        )
