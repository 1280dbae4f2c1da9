"""Whether a bundle holds what an evaluator needs, and nothing else. Nothing is run, unpickled or unpacked.

The registry asks before it registers a version, the scorer before it opens
one, the SDK before it sends one. Files are judged by what they hold; only
weights are not read. A model's name counts as well: runtimes choose how to
read a file by its suffix, and a file may be sound in two ways at once, so
each is read here as they will read it. Pure: standard library only.
"""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gnomon.bundle import EVALUATOR_FILE, TOKENIZER_FILE, BundleFile, Evaluator, check_files, parse_evaluator
from gnomon.bundle_checks import kinds
from gnomon.bundle_checks.json_text import read_json
from gnomon.bundle_checks.onnx_model import check_onnx
from gnomon.bundle_checks.openvino_ir import check_openvino
from gnomon.bundle_checks.policy import Policy, policy_from, read_policy
from gnomon.bundle_checks.refusing import quoted, refuse
from gnomon.bundle_checks.safetensors_file import check_safetensors, is_safetensors
from gnomon.bundle_checks.tokenizer import check_tokenizer
from gnomon.errors import BundleInvalidError

__all__ = ["Open", "Policy", "check_contents", "folder_opener", "policy_from", "read_policy"]

_ONNX, _IR = ".onnx", ".xml"

Open = Callable[[str], IO[bytes]]
"""Opens one of the bundle's files, by its path, for reading anywhere in it."""


def check_contents(files: Iterable[BundleFile], open_: Open, policy: Policy | None = None) -> Evaluator:
    """Check every file of a bundle; return what its `evaluator.json` says.

    `files` have the sizes of the contents. Takes milliseconds for an encoder,
    whatever its weights weigh.

    Raises:
        BundleInvalidError: a file breaks a rule; its metadata name `path` and `rule`.
        OSError: a file cannot be read.
    """
    ordered = check_files(files)
    sizes = {file.path: file.size_bytes for file in ordered}
    try:
        return _Check(sizes, open_, policy or Policy()).all()
    except BundleInvalidError as error:
        # Its traceback holds frames, and they what was read: for as long as anybody keeps the error.
        raise error.with_traceback(None) from None


def folder_opener(folder: Path) -> Open:
    """Open files of a folder; what is a link or no regular file is refused."""

    def open_(path: str) -> IO[bytes]:
        handle = os.open(folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            refuse(path, "file-kind", "is no regular file")
        return os.fdopen(handle, "rb")

    return open_


@dataclass(frozen=True, slots=True)
class _Check:
    sizes: Mapping[str, int]
    open: Open
    policy: Policy

    def all(self) -> Evaluator:
        total, most = sum(self.sizes.values()), self.policy
        if total > most.max_total_bytes or len(self.sizes) > most.max_files:
            largest = max(self.sizes, key=lambda path: self.sizes[path])
            limits = f"{most.max_files} files and {most.max_total_bytes} bytes"
            refuse(
                largest,
                "bundle-size",
                f"is one of {len(self.sizes)} files of {total} bytes; allowed are {limits}",
            )
        evaluator = self._evaluator()
        self._tokenizer()
        known = {EVALUATOR_FILE, TOKENIZER_FILE}
        for path in sorted({entry.path for entry in evaluator.formats}):
            known |= {path, *self._model(path, len(evaluator.classes))}
        for path in self.sizes:
            if path not in known:
                self._other(path)
            elif path not in (EVALUATOR_FILE, TOKENIZER_FILE):
                self._start(path)
        return evaluator

    def _evaluator(self) -> Evaluator:
        content = self._content(EVALUATOR_FILE, self.policy.max_json_bytes)
        read_json(EVALUATOR_FILE, content)
        try:
            evaluator = parse_evaluator(content)
        except BundleInvalidError as error:
            error.metadata = {"path": EVALUATOR_FILE, "rule": "evaluator"}
            raise
        for entry in evaluator.formats:
            if entry.format not in self.policy.formats:
                allowed = ", ".join(sorted(self.policy.formats))
                refuse(
                    EVALUATOR_FILE, "format", f"has the format {quoted(entry.format)}; allowed are {allowed}"
                )
            if not entry.path.endswith(suffixes := _suffixes(entry.format)):
                refuse(
                    EVALUATOR_FILE,
                    "format",
                    f"names {quoted(entry.path)} for {entry.format}, which reads {' and '.join(suffixes)}",
                )
            if entry.path not in self.sizes:
                refuse(
                    EVALUATOR_FILE,
                    "format",
                    f"names {quoted(entry.path)}, which is not among the bundle's files",
                )
        base_model = evaluator.lineage.base_model
        if not isinstance(base_model, str) or not self.policy.allows_base_model(base_model):
            refuse(
                EVALUATOR_FILE, "base-model", f"has the base model {quoted(base_model)}, which is not allowed"
            )
        return evaluator

    def _tokenizer(self) -> None:
        content = self._content(TOKENIZER_FILE, self.policy.max_tokenizer_bytes)
        check_tokenizer(TOKENIZER_FILE, read_json(TOKENIZER_FILE, content), self.policy)

    def _model(self, path: str, classes: int) -> frozenset[str]:
        """Check the main file of a format; return the files that belong to it."""
        self._start(path)
        check = check_openvino if path.endswith(_IR) else check_onnx
        with self.open(path) as file:
            return check(path, file, self.sizes, classes, self.policy)

    def _other(self, path: str) -> None:
        """Check a file that no runtime reads: JSON, tensors or text, and nothing else."""
        start = self._start(path)
        if path.casefold().endswith(".json"):
            read_json(path, self._content(path, self.policy.max_json_bytes))
        elif is_safetensors(start):
            with self.open(path) as file:
                check_safetensors(path, file, self.sizes[path], self.policy)
        elif problem := kinds.text_problem(self._content(path, self.policy.max_text_bytes)):
            refuse(
                path, "file-kind", f"{problem}; beside models a bundle holds JSON, safetensors and text only"
            )

    def _start(self, path: str) -> bytes:
        with self.open(path) as file:
            start = file.read(kinds.START_BYTES)
        if found := kinds.forbidden(start):
            refuse(path, "file-kind", f"is {found}")
        return start

    def _content(self, path: str, most: int) -> bytes:
        if self.sizes[path] > most:
            refuse(path, "file-size", f"has {self.sizes[path]} bytes; at most {most} are allowed")
        with self.open(path) as file:
            content = file.read(most + 1)
        if len(content) != self.sizes[path]:
            refuse(path, "file-size", f"has {len(content)} bytes; its size is said to be {self.sizes[path]}")
        return content


def _suffixes(format_: str) -> tuple[str, ...]:
    """Return how a format's files may end: its runtime must read ONNX or OpenVINO's XML, and nothing else."""
    return (_ONNX, _IR) if format_.startswith("openvino-") else (_ONNX,)
