"""`client.recipes`."""

from collections.abc import AsyncIterator

from gnomon._async.connection import AsyncConnection
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer


class AsyncRecipes:
    """Recipes are named, vetted training set-ups."""

    def __init__(self, trainer_connection: AsyncConnection) -> None:
        self._trainer = trainer_connection

    async def list(self) -> AsyncIterator[pb.Recipe]:
        """Yield the recipes that this deployment offers."""
        request, response = trainer.ListRecipesRequest(), trainer.ListRecipesResponse
        async for page in self._trainer.pages("gnomon.v1.TrainerService/ListRecipes", request, response):
            for recipe in page.recipes:
                yield recipe
