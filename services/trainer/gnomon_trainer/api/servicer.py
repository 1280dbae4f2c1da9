"""`gnomon.v1.TrainerService`."""

# ruff: noqa: N802, ARG002  the names and arguments are those of the generated base class

from collections.abc import AsyncIterator
from typing import Any

from gnomon.v1 import trainer_service_pb2_grpc as rpc
from gnomon_trainer.api.dataset_calls import DatasetCalls
from gnomon_trainer.api.feedback_calls import FeedbackCalls
from gnomon_trainer.api.generation_calls import GenerationCalls
from gnomon_trainer.api.judge_calls import JudgeCalls
from gnomon_trainer.api.labelling_calls import LabellingCalls
from gnomon_trainer.api.provider_calls import ProviderCalls
from gnomon_trainer.api.review_calls import ReviewCalls
from gnomon_trainer.api.run_calls import RunCalls
from gnomon_trainer.domain.check_use_cases import Checks
from gnomon_trainer.domain.dataset_use_cases import Datasets
from gnomon_trainer.domain.feedback_use_cases import FeedbackCases
from gnomon_trainer.domain.generation_use_cases import Generations
from gnomon_trainer.domain.judge_use_cases import Judges
from gnomon_trainer.domain.labelling_use_cases import Labellings
from gnomon_trainer.domain.provider_use_cases import Providers
from gnomon_trainer.domain.review_use_cases import Reviews
from gnomon_trainer.domain.run_use_cases import Runs

FULL_NAME = "gnomon.v1.TrainerService"
# An update names its run and what it changes; what a create needs is not asked of it.
# Instances and entries of feedback fail one by one.
PER_ITEM = {
    f"/{FULL_NAME}/UpdateRun": frozenset({"run"}),
    f"/{FULL_NAME}/JudgeInstances": frozenset({"instances"}),
    f"/{FULL_NAME}/RecordFeedback": frozenset({"entries"}),
}


class TrainerServicer(rpc.TrainerServiceServicer):
    """Sends each call to the part that answers it."""

    # ruff: noqa: N802, ARG002  the names and arguments are those of the generated base class

    def __init__(
        self,
        *,
        datasets: Datasets,
        checks: Checks,
        reviews: Reviews,
        runs: Runs,
        providers: Providers,
        judges: Judges,
        labellings: Labellings,
        feedback: FeedbackCases,
        generations: Generations,
    ) -> None:
        self._datasets = DatasetCalls(datasets, checks)
        self._reviews = ReviewCalls(reviews)
        self._runs = RunCalls(runs)
        self._providers = ProviderCalls(providers)
        self._judges = JudgeCalls(judges)
        self._labellings = LabellingCalls(labellings)
        self._feedback = FeedbackCalls(feedback)
        self._generations = GenerationCalls(generations)

    async def UploadDataset(self, request_iterator: Any, context: Any) -> Any:
        return await self._datasets.upload(request_iterator)

    async def GetDataset(self, request: Any, context: Any) -> Any:
        return await self._datasets.get(request)

    async def ListDatasets(self, request: Any, context: Any) -> Any:
        return await self._datasets.list(request)

    async def DeleteDataset(self, request: Any, context: Any) -> Any:
        return await self._datasets.delete(request)

    async def SplitDataset(self, request: Any, context: Any) -> Any:
        return await self._datasets.split(request)

    async def CheckDataset(self, request: Any, context: Any) -> Any:
        return await self._datasets.check(request)

    async def DownloadDataset(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async for response in self._datasets.download(request):
            yield response

    async def CreateReview(self, request: Any, context: Any) -> Any:
        return await self._reviews.create(request)

    async def GetReview(self, request: Any, context: Any) -> Any:
        return await self._reviews.get(request)

    async def ListReviews(self, request: Any, context: Any) -> Any:
        return await self._reviews.list(request)

    async def NextReviewItems(self, request: Any, context: Any) -> Any:
        return await self._reviews.next_items(request)

    async def RecordReviewDecision(self, request: Any, context: Any) -> Any:
        return await self._reviews.record(request)

    async def WithdrawReviewDecision(self, request: Any, context: Any) -> Any:
        return await self._reviews.withdraw(request)

    async def ListReviewDecisions(self, request: Any, context: Any) -> Any:
        return await self._reviews.list_decisions(request)

    async def ListDisagreements(self, request: Any, context: Any) -> Any:
        return await self._reviews.list_disagreements(request)

    async def AdjudicateDisagreement(self, request: Any, context: Any) -> Any:
        return await self._reviews.adjudicate(request)

    async def ApplyReview(self, request: Any, context: Any) -> Any:
        return await self._reviews.apply(request)

    async def ListRecipes(self, request: Any, context: Any) -> Any:
        return await self._runs.list_recipes(request)

    async def CreateRun(self, request: Any, context: Any) -> Any:
        return await self._runs.create(request)

    async def GetRun(self, request: Any, context: Any) -> Any:
        return await self._runs.get(request)

    async def ListRuns(self, request: Any, context: Any) -> Any:
        return await self._runs.list(request)

    async def UpdateRun(self, request: Any, context: Any) -> Any:
        return await self._runs.update(request)

    async def ResumeRun(self, request: Any, context: Any) -> Any:
        return await self._runs.resume(request)

    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async for response in self._runs.watch(request):
            yield response

    async def CompareRuns(self, request: Any, context: Any) -> Any:
        return await self._runs.compare(request)

    async def ListPredictions(self, request: Any, context: Any) -> Any:
        return await self._runs.list_predictions(request)

    async def CreateProvider(self, request: Any, context: Any) -> Any:
        return await self._providers.create(request)

    async def GetProvider(self, request: Any, context: Any) -> Any:
        return await self._providers.get(request)

    async def ListProviders(self, request: Any, context: Any) -> Any:
        return await self._providers.list(request)

    async def UpdateProvider(self, request: Any, context: Any) -> Any:
        return await self._providers.update(request)

    async def DeleteProvider(self, request: Any, context: Any) -> Any:
        return await self._providers.delete(request)

    async def TestProvider(self, request: Any, context: Any) -> Any:
        return await self._providers.test(request)

    async def JudgeInstances(self, request: Any, context: Any) -> Any:
        return await self._judges.judge_instances(request)

    async def CreateLabelling(self, request: Any, context: Any) -> Any:
        return await self._labellings.create(request)

    async def GetLabelling(self, request: Any, context: Any) -> Any:
        return await self._labellings.get(request)

    async def ListLabellings(self, request: Any, context: Any) -> Any:
        return await self._labellings.list(request)

    async def WatchLabelling(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async for response in self._labellings.watch(request):
            yield response

    async def ResumeLabelling(self, request: Any, context: Any) -> Any:
        return await self._labellings.resume(request)

    async def ListWrongRows(self, request: Any, context: Any) -> Any:
        return await self._labellings.list_wrong_rows(request)

    async def CompareLabellings(self, request: Any, context: Any) -> Any:
        return await self._labellings.compare(request)

    async def CreateGeneration(self, request: Any, context: Any) -> Any:
        return await self._generations.create(request)

    async def GetGeneration(self, request: Any, context: Any) -> Any:
        return await self._generations.get(request)

    async def ListGenerations(self, request: Any, context: Any) -> Any:
        return await self._generations.list(request)

    async def WatchGeneration(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async for response in self._generations.watch(request):
            yield response

    async def ListGeneratedRows(self, request: Any, context: Any) -> Any:
        return await self._generations.list_rows(request)

    async def RegenerateSample(self, request: Any, context: Any) -> Any:
        return await self._generations.regenerate(request)

    async def ApproveSample(self, request: Any, context: Any) -> Any:
        return await self._generations.approve(request)

    async def ResumeGeneration(self, request: Any, context: Any) -> Any:
        return await self._generations.resume(request)

    async def RecordFeedback(self, request: Any, context: Any) -> Any:
        return await self._feedback.record(request)

    async def ListFeedback(self, request: Any, context: Any) -> Any:
        return await self._feedback.list(request)

    async def CollectFeedback(self, request: Any, context: Any) -> Any:
        return await self._feedback.collect(request)

    async def TrainFromFeedback(self, request: Any, context: Any) -> Any:
        return await self._feedback.train(request)
