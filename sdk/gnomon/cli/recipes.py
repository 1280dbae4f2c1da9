"""`gnomon recipes`: the training set-ups that a deployment offers."""

from typing import Annotated

import typer
from rich.console import Group

from gnomon.cli import parameters, view
from gnomon.cli.output import Columns
from gnomon.cli.session import Session, command
from gnomon.errors import NotFoundError
from gnomon.v1 import resources_pb2 as pb

app = typer.Typer(name="recipes", help="Recipes are vetted training set-ups.", no_args_is_help=True)

_COLUMNS: Columns[pb.Recipe] = {
    "recipe": lambda recipe: view.short(recipe.name),
    "base model": lambda recipe: recipe.base_model,
    "available": lambda recipe: "yes" if recipe.available else f"no: {recipe.unavailable_reason}",
    "when to take it": lambda recipe: recipe.description,
}


@app.command("list")
@command
def list_(session: Session) -> None:
    """List recipes."""
    session.output.show_list(session.client.recipes.list(), _COLUMNS, "This deployment offers no recipe.")


@app.command("get")
@command
def get(
    session: Session, *, recipe: Annotated[str, typer.Argument(help="The recipe, as `list` names it.")]
) -> None:
    """Show a recipe: its base model, every parameter, and what each one is."""
    known = {view.short(entry.name): entry for entry in session.client.recipes.list()}
    found = known.get(view.short(recipe))
    if found is None:
        raise NotFoundError(
            f"There is no recipes/{recipe}. There are {', '.join(known) or 'none'}.",
            resource=f"recipes/{recipe}",
        )
    session.output.show(
        found, lambda shown: Group(view.details(shown, without=("parameters",)), parameters.of_recipe(shown))
    )
