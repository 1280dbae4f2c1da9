"""A metric version in memory: runs batches, and can prove that it still does."""

import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from gnomon.bundle import ONNX_FP32, OPENVINO_FP32, Evaluator
from gnomon.decision import calibrated
from gnomon.errors import VersionUnloadableError
from gnomon.names import MetricVersionName
from gnomon.tokens import Tokens
from gnomon_scorer.domain.ports import BatchLimits, Bundle, Logits, Opened, Tokenizer, Trial, Tuning
from gnomon_scorer.domain.probing import known_text, stretched

_WARM_LENGTHS = (4, 16, 64, 128, 512)

# What batch-mates may change before batches are given up for a version; the bounds of the gate.
_SAME_LOGIT = 1e-4  # for the formats that compute in fp32
_SAME_PROBABILITY = 2e-3  # for all others
_FULL_PRECISION = (ONNX_FP32, OPENVINO_FP32)


class BadOutputError(Exception):
    """The evaluator's output has the wrong shape, or is not finite."""


class LoadedVersion:
    """One version in memory. `close` waits for those who use it."""

    def __init__(
        self,
        name: MetricVersionName,
        bundle: Bundle,
        tokenizer: Tokenizer,
        opened: Opened,
    ) -> None:
        self.name = name
        self.evaluator: Evaluator = bundle.evaluator
        self.tokenizer = tokenizer
        self.tokenizer_sha256 = bundle.tokenizer_sha256
        self.bundle_digest = bundle.digest
        self.format = opened.format
        self.format_reason = opened.reason
        self.tuning: Tuning = opened.tuning
        self.limits: BatchLimits = opened.backend.limits
        self.is_closed = False
        self.idle: Callable[[LoadedVersion], None] = lambda _: None  # told whenever the last user has left
        self._backend = opened.backend
        self._users = 0
        self._counting = threading.Lock()
        self._is_retired = False
        self._proof: Tokens | None = None

    @property
    def memory_bytes(self) -> int:
        return self._backend.memory_bytes

    @property
    def is_held(self) -> bool:
        return self._users > 0

    def run(self, batch: Sequence[Tokens]) -> Logits:
        """Return the logits of a batch, checked; blocks.

        Raises:
            BadOutputError: wrong shape, or a number that is not finite.
            Exception: whatever the runtime raises.
        """
        return self._checked(self._backend.run(batch), len(batch))

    def run_in_background(self, batch: Sequence[Tokens]) -> Logits:
        """Do what `run` does, giving way to it."""
        return self._checked(self._backend.run_in_background(batch), len(batch))

    def _checked(self, logits: Logits, instances: int) -> Logits:
        classes = len(self.evaluator.classes)
        if len(logits) != instances or any(len(row) != classes for row in logits):
            raise BadOutputError(f"The evaluator must give {instances} rows of {classes} logits.")
        if not all(math.isfinite(value) for row in logits for value in row):
            raise BadOutputError("The evaluator gives logits that are not finite.")
        return logits

    def prove(self) -> None:
        """Score a known text, or raise what `run` raises; blocks."""
        self.run([self._known_text()])

    def warm(self) -> None:
        """Prove the version at several lengths, and find out whether it can be batched; blocks.

        An evaluator whose scores change beside others, or that cannot take
        two at once, is served one instance a call.

        Raises:
            VersionUnloadableError: it gives no finite logits of the right shape.
        """
        known = self._known_text()
        longest = min(self.evaluator.max_tokens, _WARM_LENGTHS[-1])
        lengths = sorted({min(length, longest) for length in (*_WARM_LENGTHS, len(known))})
        probes = [stretched(known, length) for length in lengths]
        try:
            alone = [self.run([probe])[0] for probe in probes]
        except Exception as error:
            raise VersionUnloadableError(
                f"{self.name} cannot score: {first_line(error)}", metric_version=str(self.name)
            ) from error
        if self.limits.max_instances > 1 and not self._is_batch_invariant(probes[:3], alone[:3]):
            self.limits = replace(self.limits, max_instances=1)
            alone_way = replace(self.tuning.chosen.way, batch_tokens=0)
            self.tuning = replace(self.tuning, chosen=Trial(alone_way))  # it was not measured so

    def _is_batch_invariant(self, probes: list[Tokens], alone: list[Sequence[float]]) -> bool:
        try:
            together = self.run(probes)
        except Exception:
            return False
        return all(self._are_same(one, other) for one, other in zip(alone, together, strict=True))

    def _are_same(self, one: Sequence[float], other: Sequence[float]) -> bool:
        most = _SAME_LOGIT
        if self.format not in _FULL_PRECISION:
            most, calibration = _SAME_PROBABILITY, self.evaluator.calibration
            one, other = calibrated(calibration, one), calibrated(calibration, other)
        return all(abs(a - b) <= most for a, b in zip(one, other, strict=True))

    def _known_text(self) -> Tokens:
        if self._proof is None:
            self._proof = known_text(self.tokenizer, self.evaluator.max_tokens)
        return self._proof

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the version in memory for as long as this lasts."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def hold(self) -> None:
        """Keep the version in memory until it is released as often; safe in any thread."""
        with self._counting:
            self._users += 1

    def release(self) -> None:
        """Take a hold back; the last one closes a version that has to leave."""
        with self._counting:
            self._users -= 1
        self._close_if_idle()
        if not self.is_held:
            self.idle(self)

    def close(self) -> None:
        """Leave memory once nobody uses it."""
        self._is_retired = True
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._is_retired and not self._users and not self.is_closed:
            self.is_closed = True
            self._backend.close()


def first_line(error: BaseException) -> str:
    """Return what an error says, short enough for a status."""
    text = str(error).strip().partition("\n")[0][:300] or type(error).__name__
    return text if text.endswith(".") else f"{text}."
