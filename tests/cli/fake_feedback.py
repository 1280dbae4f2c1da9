"""What the fake services remember of feedback."""

from typing import Any

from gnomon.errors import InvalidRequestError
from gnomon.status import to_status
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer_pb


class FakeFeedback:
    """Stores every entry but those that are labelled `maybe`."""

    def __init__(self) -> None:
        super().__init__()
        self.feedback: list[pb.Feedback] = []

    async def RecordFeedback(self, request: Any, context: Any) -> Any:
        return trainer_pb.RecordFeedbackResponse(outcomes=map(self._store, request.entries))

    def _store(self, entry: pb.Feedback) -> trainer_pb.FeedbackOutcome:
        if entry.label == "maybe":
            return trainer_pb.FeedbackOutcome(error=to_status(InvalidRequestError("'maybe' is no label.")))
        entry.name = f"{entry.metric_version.partition('/versions/')[0]}/feedback/f{len(self.feedback) + 1}"
        self.feedback.append(entry)
        return trainer_pb.FeedbackOutcome(feedback=entry)

    async def ListFeedback(self, request: Any, context: Any) -> Any:
        return trainer_pb.ListFeedbackResponse(feedback=self.feedback)
