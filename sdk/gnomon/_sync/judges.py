# Made from gnomon/_async/judges.py by tools/unasync.py. Do not edit.

"""`client.judges`."""

from collections.abc import Iterable

from gnomon import shorthand
from gnomon._scoring import Given, message_of
from gnomon._sync.connection import Connection
from gnomon.errors import DeadlineExceededError, GnomonError, ServiceUnavailableError
from gnomon.v1 import trainer_service_pb2 as trainer

_TIMEOUT_S = 600.0


class Judges:
    """Judges are models at providers that label by a metric's judge prompt."""

    def __init__(self, trainer_connection: Connection) -> None:
        self._trainer = trainer_connection

    def judge(
        self,
        metric: str,
        instances: Iterable[Given],
        *,
        provider: str,
        votes: int = 1,
        budget: trainer.JudgeInstancesRequest.Budget | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> trainer.JudgeInstancesResponse:
        """Have up to 100 instances judged; return one result each, and what was spent.

        An instance is given as it is to `client.score`: `{"input": "…", "output": "…"}`. One that cannot be
        judged has an error in its place. Nothing is stored; a call that is repeated is paid again, so it is
        never repeated by itself.

        Raises:
            InvalidRequestError: the metric has no judge prompt, or there are too many instances or votes.
            NotFoundError: there is no such provider or metric.
            ServiceUnavailableError, DeadlineExceededError: the trainer went away or took too long. What it
                had asked the provider by then is paid.
        """
        request = trainer.JudgeInstancesRequest(
            provider=shorthand.provider(provider),
            metric=shorthand.metric(metric),
            instances=map(message_of, instances),
            votes=votes,
            budget=budget,
        )
        method = "gnomon.v1.TrainerService/JudgeInstances"
        try:
            return self._trainer.unary(
                method, request, trainer.JudgeInstancesResponse, timeout_s=timeout_s, repeats=False
            )
        except (ServiceUnavailableError, DeadlineExceededError) as error:
            raise _maybe_paid(error, len(request.instances), votes) from error


def _maybe_paid(error: GnomonError, count: int, votes: int) -> GnomonError:
    """Return the error, with what the call may have cost."""
    calls = f"up to {count} instances, {votes} times each" if votes > 1 else f"up to {count} instances"
    told = type(error)(
        f"{error.message} The provider may have been asked about {calls}, and bill it; "
        "a call that is repeated is paid again."
    )
    told.metadata = error.metadata
    return told
