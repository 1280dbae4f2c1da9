"""Scores from a Triton server that runs an exported evaluator: the same as the scorer's.

Triton computes logits and nothing else; rendering, tokenizing, windows,
calibration and the decision are done here, by the rules that the scorer has.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from gnomon.arrays import filled
from gnomon.bundle import EVALUATOR_FILE, TOKENIZER_FILE, parse_evaluator
from gnomon.decision import Decision, decide
from gnomon.errors import BY_CODE, EvaluatorFailedError, GnomonError, InstanceInvalidError, InternalError
from gnomon.instances import Instance
from gnomon.rendering import Rendered, render
from gnomon.tokens import Reading, Tokens
from gnomon.triton.libraries import library
from gnomon.windows import reduce

_LENGTH_STEP = 8  # Triton batches requests of one length only; so lengths are padded up to a multiple of this
_CODES = {"CANCELLED": 1, "INVALID_ARGUMENT": 3, "DEADLINE_EXCEEDED": 4, "NOT_FOUND": 5, "UNAVAILABLE": 14}


class TritonEvaluator:
    """One exported evaluator on one Triton server. Safe to call from several threads.

    Args:
        address: of Triton's gRPC port, such as `127.0.0.1:8001`.
        model: the folder of the exported model, or any with its `evaluator.json` and `tokenizer.json`.
        name: what Triton calls the model; the folder's name if it is not given.
        timeout_s: how long one request may take.

    Raises:
        BundleInvalidError: `evaluator.json` is broken.
        InvalidRequestError: `gnomon[triton]` is not installed.
    """

    def __init__(
        self, address: str, model: str | Path, *, name: str | None = None, timeout_s: float = 30.0
    ) -> None:
        folder = Path(model)
        self.evaluator = parse_evaluator((folder / EVALUATOR_FILE).read_bytes())
        tokenizer = (folder / TOKENIZER_FILE).read_text(encoding="utf-8")
        self._tokenizer = library("gnomon.tokenizing").JsonTokenizer.read(tokenizer)
        self._name = name or folder.resolve().name
        self._timeout_s = timeout_s
        self._triton = library("tritonclient.grpc")
        self._failure = library("tritonclient.utils").InferenceServerException
        self._client = self._triton.InferenceServerClient(address)
        self._model: _Model | None = None

    def score(self, instances: Sequence[Instance]) -> list[Decision | GnomonError]:
        """Return the score of each instance, or why it has none.

        Raises:
            ServiceUnavailableError: there is no server, or the model is not ready.
            NotFoundError: the server has no model of that name.
            GnomonError: the server refused or failed.
        """
        texts = [self._rendered(instance) for instance in instances]
        readable = [text for text in texts if isinstance(text, Rendered)]
        readings = self._tokenizer.encode_windows(readable, self.evaluator.max_tokens, self.evaluator.windows)
        scores = iter(self._scores(readings))
        return [text if isinstance(text, GnomonError) else next(scores) for text in texts]

    def _rendered(self, instance: Instance) -> Rendered | GnomonError:
        try:
            return render(instance, self.evaluator.template, self.evaluator.step)
        except GnomonError as error:
            return error

    def _scores(self, readings: Sequence[Reading]) -> list[Decision | GnomonError]:
        rows = [tokens for reading in readings if reading.token_count for tokens in reading.windows]
        logits = iter(self._logits(rows))
        return [
            self._decided([next(logits) for _ in reading.windows])
            if reading.token_count
            else InstanceInvalidError("The instance holds nothing that the evaluator can read.")
            for reading in readings
        ]

    def _decided(self, windows: Sequence[Sequence[float]]) -> Decision | GnomonError:
        if not all(math.isfinite(logit) for row in windows for logit in row):
            return EvaluatorFailedError("The evaluator's logits are no numbers for this instance.")
        evaluator = self.evaluator
        flagged = [evaluator.classes.index(label) for label in evaluator.flagged_classes]
        reducer = evaluator.windows.reducer if evaluator.windows else ""
        return decide(evaluator, reduce(windows, reducer, flagged).logits)

    def _logits(self, rows: Sequence[Tokens]) -> list[list[float]]:
        """Return the logits of each row; rows of similar length go together."""
        if not rows:
            return []
        model = self._known_model()
        widths = [self._width(row) for row in rows]
        order = sorted(range(len(rows)), key=widths.__getitem__)
        found: dict[int, list[float]] = {}
        while order:
            some = [i for i in order[: model.max_batch_size] if widths[i] == widths[order[0]]]
            order = order[len(some) :]
            answer = self._asked([rows[i] for i in some], widths[some[0]], model)
            found.update(zip(some, answer, strict=True))
        return [found[i] for i in range(len(rows))]

    def _width(self, row: Tokens) -> int:
        up = -(-len(row) // _LENGTH_STEP) * _LENGTH_STEP
        return max(len(row), min(up, self.evaluator.max_tokens))

    def _asked(self, rows: Sequence[Tokens], width: int, model: "_Model") -> list[list[float]]:
        inputs = []
        for name, datatype in model.inputs.items():
            tensor = self._triton.InferInput(name, [len(rows), width], datatype)
            tensor.set_data_from_numpy(filled(name, rows, width, datatype.lower()))
            inputs.append(tensor)
        wanted = [self._triton.InferRequestedOutput(model.output)]
        answer = self._call("infer", self._name, inputs, outputs=wanted, client_timeout=self._timeout_s)
        shape = (len(rows), len(self.evaluator.classes))
        try:
            logits = answer.as_numpy(model.output).reshape(shape)
        except ValueError as error:
            raise EvaluatorFailedError(
                f"Triton gave {self._name}'s logits in another shape than {shape}. Export the version again."
            ) from error
        found: list[list[float]] = logits.tolist()
        return found

    def _known_model(self) -> "_Model":
        if self._model is None:
            answer = self._call("get_model_config", self._name, client_timeout=self._timeout_s)
            self._model = _Model(answer.config)
        return self._model

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call the server.

        Raises:
            GnomonError: as `score` says.
        """
        try:
            return getattr(self._client, method)(*arguments, **options)
        except self._failure as error:
            code = str(error.status()).removeprefix("StatusCode.")
            kind = BY_CODE.get(_CODES.get(code, 13), InternalError)
            raise kind(f"Triton could not score with {self._name}: {error.message()}") from error

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> "TritonEvaluator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Model:
    """What the server says of the model: its inputs with their types, its output, its largest batch."""

    def __init__(self, config: Any) -> None:
        pb = library("tritonclient.grpc.model_config_pb2")
        self.inputs: Mapping[str, str] = {
            entry.name: pb.DataType.Name(entry.data_type).removeprefix("TYPE_") for entry in config.input
        }
        self.output: str = config.output[0].name
        self.max_batch_size: int = config.max_batch_size
