"""`gnomon recipes`: the training set-ups that a deployment offers."""

import typer

from gnomon.cli import view
from gnomon.cli.output import Columns
from gnomon.cli.session import Session, command
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
