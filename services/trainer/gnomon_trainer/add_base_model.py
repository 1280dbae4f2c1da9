"""`python -m gnomon_trainer.add_base_model all-mpnet-base-v2`: gets a base model from packages of PyPI.

It is put into the folder in which the trainer looks for base models,
GNOMON_TRAINER_MODEL_DIR; the folder that it lies in then is printed.
"""

import argparse
import sys
from pathlib import Path

from gnomon.errors import BaseModelMissingError
from gnomon_trainer.adapters import gguf_models, packaged_models
from gnomon_trainer.adapters.base_models import IN_GGUF, IN_PARTS
from gnomon_trainer.settings import TrainerSettings


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="gnomon_trainer.add_base_model")
    parser.add_argument("base_model", help=f"one of {', '.join((*IN_PARTS, *IN_GGUF))}")
    parser.add_argument("--folder", type=Path, help="of base models; the trainer's if not given")
    given = parser.parse_args(arguments)
    folder = given.folder or TrainerSettings().model_dir
    add = gguf_models.add if given.base_model in IN_GGUF else packaged_models.add
    try:
        print(add(given.base_model, folder.expanduser().absolute()))  # noqa: T201
    except BaseModelMissingError as error:
        print(error.message, file=sys.stderr)  # noqa: T201
        return 1
    except OSError as error:
        print(f"{given.base_model} cannot be put into {folder}: {error.strerror or error}.", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
