# Made from gnomon/_async/recipes.py by tools/unasync.py. Do not edit.

"""`client.recipes`."""

from collections.abc import Iterator

from gnomon._sync.connection import Connection
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer


class Recipes:
    """Recipes are named, vetted training set-ups."""

    def __init__(self, trainer_connection: Connection) -> None:
        self._trainer = trainer_connection

    def list(self) -> Iterator[pb.Recipe]:
        """Yield the recipes that this deployment offers."""
        request, response = trainer.ListRecipesRequest(), trainer.ListRecipesResponse
        for page in self._trainer.pages("gnomon.v1.TrainerService/ListRecipes", request, response):
            yield from page.recipes
