"""What a trainer would remember of generations, which move on each time they are watched."""

from collections.abc import AsyncIterator
from typing import Any

from google.longrunning import operations_pb2

from gnomon.errors import WorkStateError
from gnomon.v1 import generations_pb2 as generations_pb
from gnomon.v1 import resources_pb2 as pb

_NEXT = {
    generations_pb.Generation.SAMPLING: generations_pb.Generation.AWAITING_REVIEW,
    generations_pb.Generation.GENERATING: generations_pb.Generation.GENERATED,
}


class FakeGenerations:
    """Methods are named as in the protos."""

    def __init__(self) -> None:
        super().__init__()
        self.generations: dict[str, generations_pb.Generation] = {}

    async def CreateGeneration(self, request: Any, context: Any) -> Any:
        made = request.generation
        made.name = f"generations/{request.generation_id or 'made'}"
        made.state, made.sample_number = generations_pb.Generation.SAMPLING, 1
        made.seed_rows.extend([3, 5, 8])
        made.model, made.operation = "tiny-1", "operations/g1"
        made.progress.wanted_count = made.sample_row_count
        self.generations[made.name] = made
        return _operation(made)

    async def GetGeneration(self, request: Any, context: Any) -> Any:
        return self.generations[request.name]

    async def ListGenerations(self, request: Any, context: Any) -> Any:
        return generations_pb.ListGenerationsResponse(generations=self.generations.values())

    async def WatchGeneration(self, request: Any, context: Any) -> AsyncIterator[Any]:
        found = self.generations[request.name]
        yield generations_pb.WatchGenerationResponse(generation=found)
        if found.state in _NEXT:
            found.state = _NEXT[found.state]
            found.progress.kept_count = found.progress.wanted_count
            found.progress.input_tokens, found.progress.cost = 1_200, 0.25
            found.progress.dropped.judged_otherwise = 4
            if found.state == generations_pb.Generation.GENERATED:
                _finish(found)
            yield generations_pb.WatchGenerationResponse(generation=found)

    async def ListGeneratedRows(self, request: Any, context: Any) -> Any:
        said = [pb.Message(role="user", content="Where is my [red] card?")]
        row = generations_pb.GeneratedRow(
            row=1,
            instance=pb.Instance(span=pb.Span(input=said)),
            label="true",
            label_probabilities={"true": 0.9, "false": 0.1},
        )
        return generations_pb.ListGeneratedRowsResponse(rows=[row])

    async def RegenerateSample(self, request: Any, context: Any) -> Any:
        found = self._reviewable(request)
        found.wishes.add(reason=request.reason, words=request.words)
        found.sample_number += 1
        found.state = generations_pb.Generation.SAMPLING
        return found

    async def ApproveSample(self, request: Any, context: Any) -> Any:
        found = self._reviewable(request)
        found.state = generations_pb.Generation.GENERATING
        found.progress.wanted_count = found.row_count
        return found

    async def ResumeGeneration(self, request: Any, context: Any) -> Any:
        found = self.generations[request.name]
        found.budget.CopyFrom(request.budget)
        found.state = generations_pb.Generation.SAMPLING
        return _operation(found)

    def _reviewable(self, request: Any) -> generations_pb.Generation:
        found = self.generations[request.name]
        if found.state != generations_pb.Generation.AWAITING_REVIEW:
            raise WorkStateError(f"{found.name} is not AWAITING_REVIEW.", resource=found.name)
        return found


def _finish(found: generations_pb.Generation) -> None:
    found.generated_dataset = "datasets/made@1"
    found.class_counts.update({"true": 10, "false": 10})
    found.findings.add(code="FEWER_ROWS_THAN_WANTED", message="Fewer rows than wanted.")
    found.diversity.auroc, found.diversity.near_duplicate_share = 0.81, 0.125
    found.diversity.figures.add(key="distinct_2", generated=0.5, seeds=0.75)
    found.diversity.figures.add(key="spread", seeds=0.5)
    found.card = "# Generated data\n\nBy a model.\n"


def _operation(found: generations_pb.Generation) -> operations_pb2.Operation:
    operation = operations_pb2.Operation(name="operations/g1")
    operation.metadata.Pack(found)
    return operation
