"""Fine-tuning: from a head on a frozen encoder to the best weights on the held-out rows.

Everything that chance decides follows from the seed and the number of the
step: the order of the rows from (seed, epoch), dropout from (seed, step), the
learning rate from the step. A checkpoint therefore holds no random state, and
a training that was killed and resumed ends with the same bits as one that
was not.
"""

import contextlib
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gnomon.errors import TrainingFailedError
from gnomon_trainer.adapters.fine_tuning import batches, contrastive, shown, vocabulary
from gnomon_trainer.adapters.fine_tuning.averaging import Averaging
from gnomon_trainer.adapters.fine_tuning.batches import Examples
from gnomon_trainer.adapters.fine_tuning.checkpoints import Checkpoint, Checkpoints
from gnomon_trainer.adapters.fine_tuning.compute import Compute
from gnomon_trainer.adapters.fine_tuning.judging import Best, Reduce, logits_of, measured, pooled
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork
from gnomon_trainer.adapters.fine_tuning.probe import class_weights, head_by_folds, head_on_frozen
from gnomon_trainer.adapters.fine_tuning.rates import parameter_groups, share_of_peak
from gnomon_trainer.domain.training import Parameters, Point, Reporter, TrainingInterruptedError

_POINTS_PER_EPOCH = 20
# Of 0.2 and 1, judged on training rows of a set of 77 classes: 1 ended below the head that it began with.
_SOFTNESS = 0.2
_CHECKPOINT_COST = 20  # a checkpoint may take a twentieth of the time


@dataclass(slots=True)
class Position:
    """Where a training is; what a checkpoint holds beside tensors.

    A step is `judged` once it is evaluated, if it is one that is, and
    reported. `norm` is the gradient's of the last step.
    """

    step: int = 0
    judged: bool = True
    norm: float = 0.0
    best: Best = field(default_factory=lambda: Best(0, -1.0, math.inf))
    evaluations_without_gain: int = 0
    loss_sum: float = 0.0
    loss_steps: int = 0
    finished: bool = False

    @classmethod
    def of(cls, state: dict[str, Any]) -> "Position":
        return cls(**{**state, "best": Best(**state["best"])})


class FineTuning:
    """One fine-tuning. `run` leaves the network with its best weights and says when it had them.

    With `steps` it takes so many and nothing is evaluated: the last weights are the best. It then begins
    with the network's `own_head` or with a fitted one, as it is told.
    """

    def __init__(
        self,
        *,
        network: EvaluatorNetwork,
        training: Examples,
        validation: Examples,
        reduce: Reduce,
        parameters: Parameters,
        compute: Compute,
        checkpoints: Checkpoints,
        reporter: Reporter,
        checkpoint_interval_s: float,
        steps: int | None = None,
        own_head: bool = False,
    ) -> None:
        self._network = network.to(compute.device)
        vocabulary.narrow(self._network, itertools.chain(*training.windows, *validation.windows))
        self._training, self._validation, self._reduce = training, validation, reduce
        self._parameters, self._compute = parameters, compute
        self._checkpoints, self._reporter = checkpoints, reporter
        self._interval_s = self._wait_s = checkpoint_interval_s
        self._classes = network.head.out_features
        self._optimizer = torch.optim.AdamW(parameter_groups(network, parameters), fused=True)
        weights = class_weights(
            training.labels, self._classes, parameters.class_weight_power, training.targets
        )
        self._class_weights = torch.tensor(weights, dtype=torch.float32, device=compute.device)
        self._steps_per_epoch = math.ceil(len(training.windows) / parameters.batch_size)
        self.total_steps = self._steps_per_epoch * parameters.epochs
        self._contrastive_steps = self._steps_per_epoch * parameters.contrastive_epochs
        self._steps, self._own_head = steps, own_head
        self._last_step = self.total_steps if steps is None else steps
        decay = parameters.weight_averaging
        self._averaging = Averaging(self._network, decay) if decay else None
        often = parameters.evaluations_per_epoch
        self._evaluate_every = max(1, self._steps_per_epoch // often) if often else 0  # 0: at the end alone
        self._point_every = max(1, self._steps_per_epoch // _POINTS_PER_EPOCH)
        self._position = Position()
        self._best_weights: dict[str, Tensor] = {}
        self._last_written = time.monotonic()

    def run(self, checkpoint: Checkpoint | None) -> Best:
        """Fine-tune to the end, from a checkpoint if there is one.

        Raises:
            TrainingFailedError: the loss or the gradient is no number.
            TrainingInterruptedError: the reporter said so; a checkpoint is written.
            OSError: a checkpoint could not be written; the one before it is untouched.
        """
        if checkpoint is None:
            self._start()
        else:
            self._restore(checkpoint)
        batches_of_epoch: list[list[int]] = []
        epoch_of_batches = -1
        clock = _Clock(self._position.step)
        while not self._position.finished:
            self._pause_if_asked()
            if self._position.judged:
                epoch, index = divmod(self._position.step, self._steps_per_epoch)
                if epoch != epoch_of_batches:
                    epoch_of_batches = epoch
                    batches_of_epoch = self._batches(epoch)
                self._step(batches_of_epoch[index])
            self._after_step(clock)
            self._write_if_due()
        self._network.restore(self._best_weights)
        vocabulary.widen(self._network)
        self._network.eval()
        return self._position.best

    # ------------------------------------------------------------ one step

    def _batches(self, epoch: int) -> list[list[int]]:
        size, seed = self._parameters.batch_size, self._parameters.seed
        if epoch < self._parameters.contrastive_epochs:
            return contrastive.epoch(self._training.labels, size, seed, epoch)
        return batches.epoch(self._training.lengths, size, seed, epoch)

    def _step(self, indices: list[int]) -> None:
        position, parameters = self._position, self._parameters
        if position.step == self._contrastive_steps:
            self._soften_head()
        position.step += 1
        torch.manual_seed((parameters.seed * 1_000_003 + position.step) % 2**63)
        share = share_of_peak(position.step, self.total_steps, parameters.warmup_share)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * share
        self._network.train()
        windows = shown.windows(
            self._network,
            [self._training.windows[i] for i in indices],
            reduce=None if self._is_contrastive or parameters.window_reducer == "mean" else self._reduce,
            key=f"{parameters.seed}:{position.step}",
            compute=self._compute,
        )
        inputs = batches.tensors(windows, self._network, self._compute.device)
        labels = torch.from_numpy(self._training.labels[indices]).to(self._compute.device)
        with self._compute.autocast():
            pooled = self._network.pool(**inputs)
        if self._is_contrastive:
            losses = contrastive.losses(pooled, labels)
        else:
            logits = self._network.classify(pooled)
            losses = cross_entropy(
                logits, self._targets(indices, labels), weight=self._class_weights, reduction="sum"
            )
        # The last batch of an epoch may be smaller; its rows must not count more than others.
        loss = losses / parameters.batch_size
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = float(torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0))
        value = losses.item() / len(indices)
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise self._not_a_number("loss" if math.isfinite(norm) else "gradient")
        self._optimizer.step()
        if self._averaging and not self._is_contrastive:
            self._averaging.after_step()
        position.judged, position.norm = False, norm
        position.loss_sum += value
        position.loss_steps += 1

    def _targets(self, indices: list[int], labels: Tensor) -> Tensor:
        """Return what the rows are to be taken for: their classes, or the shares of all classes."""
        shares = self._training.targets
        return labels if shares is None else torch.from_numpy(shares[indices]).to(self._compute.device)

    @property
    def _is_contrastive(self) -> bool:
        """Whether the step that was taken last was one of the warm-up."""
        return 0 < self._position.step <= self._contrastive_steps

    def _not_a_number(self, what: str) -> TrainingFailedError:
        rate = self._parameters.learning_rate
        return TrainingFailedError(
            f"The {what} is no number at step {self._position.step} of {self.total_steps}. "
            f"Lower learning_rate, which is {rate:g}; {rate / 4:g} is a good next try.",
            step=str(self._position.step),
            learning_rate=f"{rate:g}",
        )

    def _after_step(self, clock: "_Clock") -> None:
        position = self._position
        last = position.step == self._last_step
        every = self._evaluate_every
        at_evaluation = self._steps is None and (
            last or (every > 0 and position.step % self._steps_per_epoch % every == 0)
        )
        warmed_up = position.step in (self._contrastive_steps, self._last_step)
        if self._is_contrastive and (at_evaluation or warmed_up):
            self._fit_head(self._pause_if_asked)
        found = self._evaluate(self._pause_if_asked) if at_evaluation else None
        if found or position.step % self._point_every == 0:
            share = share_of_peak(position.step, self.total_steps, self._parameters.warmup_share)
            rate = self._optimizer.param_groups[0]["peak"] * share
            mean_loss = position.loss_sum / position.loss_steps
            position.loss_sum, position.loss_steps = 0.0, 0
            self._reporter.point(
                Point(
                    step=position.step,
                    loss=mean_loss,
                    learning_rate=rate,
                    gradient_norm=position.norm,
                    validation_loss=found.loss if found else None,
                    validation_macro_f1=found.macro_f1 if found else None,
                )
            )
        if found:
            self._judge(replace(found, own_head=position.best.own_head))
        elif last:
            self._keep(Best(position.step, 0.0, 0.0))
        position.judged = True
        position.finished = last or position.evaluations_without_gain >= self._parameters.patience
        self._reporter.progress(
            position.step, self._last_step, clock.remaining_s(position.step, self._last_step)
        )

    # ---------------------------------------------------------- evaluation

    def _evaluate(self, pause: Callable[[], None]) -> Best:
        logits = logits_of(self._candidate, self._validation, self._reduce, self._compute, pause)
        if not np.isfinite(logits).all():
            raise self._not_a_number("loss on the held-out rows")
        return measured(self._position.step, logits, self._validation.labels, self._classes)

    @property
    def _candidate(self) -> EvaluatorNetwork:
        """The network that is evaluated and may be kept."""
        return self._averaging.network if self._averaging else self._network

    def _judge(self, found: Best) -> None:
        if found.beats(self._position.best):
            self._keep(found)
            self._position.evaluations_without_gain = 0
        else:
            self._position.evaluations_without_gain += 1

    def _keep(self, best: Best) -> None:
        self._position.best = best
        self._best_weights = {k: v.clone() for k, v in self._candidate.learned().items()}

    # ------------------------------------------------- start and checkpoints

    def _start(self) -> None:
        """Put a logistic regression on the frozen encoder and count it as the first candidate.

        Where the network has a head already, the better one on the held-out
        rows is taken. Whoever is interrupted here starts anew: there is nothing
        to keep yet.
        """
        pause = self._reporter.checkpoint_allowed
        if self._steps is not None:
            if not self._own_head:
                self._fit_head(pause)
            elif self._averaging:
                self._averaging.begin()
            self._keep(Best(0, 0.0, 0.0))
            self._position.finished = self._steps == 0
            return
        own = replace(self._evaluate(pause), own_head=True) if self._network.answers_untrained else None
        if own:
            self._judge(own)
        self._fit_head(pause)
        found = self._evaluate(pause)
        self._judge(found)
        if own and self._position.best == own:
            found = own
            self._network.restore(self._best_weights)
            self._position.evaluations_without_gain = 0
            if self._averaging:
                self._averaging.begin()
        self._reporter.point(Point(0, validation_loss=found.loss, validation_macro_f1=found.macro_f1))

    def _fit_head(self, pause: Callable[[], None]) -> None:
        """Put a logistic regression on the encoder as it is now."""
        training = pooled(self._network, self._training, self._compute, pause)
        labels, targets = self._training.labels, self._training.targets
        classes, power = self._classes, self._parameters.class_weight_power
        if self._parameters.final_rows == "all":
            weight, bias = head_by_folds(
                training=training,
                training_labels=labels,
                classes=classes,
                power=power,
                targets=targets,
                pause=pause,
            )
        else:
            weight, bias = head_on_frozen(
                training=training,
                training_labels=labels,
                validation=pooled(self._network, self._validation, self._compute, pause),
                validation_labels=self._validation.labels,
                classes=classes,
                power=power,
                targets=targets,
                pause=pause,
            )
        with torch.no_grad():
            self._network.head.weight.copy_(torch.from_numpy(weight))
            self._network.head.bias.copy_(torch.from_numpy(bias))
        if self._averaging:
            self._averaging.begin()

    @torch.no_grad()
    def _soften_head(self) -> None:
        """Make the fitted head unsure: it knows nearly all rows; the few others would teach too little."""
        if not self._network.answers_untrained:
            self._network.head.weight.mul_(_SOFTNESS)
            self._network.head.bias.mul_(_SOFTNESS)
            if self._averaging:
                self._averaging.begin()

    def _pause_if_asked(self) -> None:
        try:
            self._reporter.checkpoint_allowed()
        except TrainingInterruptedError:
            with contextlib.suppress(OSError):  # a full disk: the checkpoint before this one has to do
                self._write()
            raise

    def _write_if_due(self) -> None:
        if self._position.finished or time.monotonic() - self._last_written >= self._wait_s:
            self._pause_if_asked()
            self._write()

    def _write(self) -> None:
        started = time.monotonic()
        tensors = {"best": self._best_weights}
        if not self._position.finished:
            names: dict[Tensor, str] = {p: name for name, p in self._network.named_parameters()}
            tensors["model"] = self._network.learned()
            if self._averaging:
                tensors["average"] = self._averaging.network.learned()
            tensors["optimizer"] = {
                f"{key}:{names[parameter]}": value
                for parameter, values in self._optimizer.state.items()
                for key, value in values.items()
            }
        state = {"position": asdict(self._position), "compute": asdict(self._compute)}
        self._checkpoints.write(self._position.step, state, tensors)
        self._last_written = time.monotonic()
        if self._interval_s:
            self._wait_s = max(self._interval_s, _CHECKPOINT_COST * (self._last_written - started))

    def _restore(self, checkpoint: Checkpoint) -> None:
        self._position = Position.of(checkpoint.state["position"])
        self._best_weights = checkpoint.tensors["best"]
        if self._position.finished:
            return
        self._network.restore(checkpoint.tensors["model"])
        if self._averaging:
            self._averaging.restore(checkpoint.tensors["average"])
        parameters = dict(self._network.named_parameters())
        for key, value in checkpoint.tensors["optimizer"].items():
            what, name = key.split(":", 1)
            # All of it, `step` too: the fused AdamW counts its steps where the parameters are.
            self._optimizer.state[parameters[name]][what] = value.to(self._compute.device)


class _Clock:
    """Tells the time left from the time that the steps of this process took, evaluations included."""

    def __init__(self, step: int) -> None:
        self._first, self._began = step, time.monotonic()

    def remaining_s(self, step: int, total: int) -> float | None:
        done = step - self._first
        return None if done < 3 else (time.monotonic() - self._began) / done * (total - step)
