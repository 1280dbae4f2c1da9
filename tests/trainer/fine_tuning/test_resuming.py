"""Whatever stops a training, the next call ends with the bits that an undisturbed one has."""

import errno
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gnomon.errors import GateFailedError, LeaseLostError
from gnomon.tokens import Tokens
from gnomon.windows import Reduced
from gnomon_trainer.adapters.fine_tuning import files, optimizing, preparing, stages
from gnomon_trainer.adapters.fine_tuning.batches import Examples
from gnomon_trainer.adapters.fine_tuning.checkpoints import Checkpoints
from gnomon_trainer.adapters.fine_tuning.compute import Compute
from gnomon_trainer.adapters.fine_tuning.exporting import OnnxExporter
from gnomon_trainer.adapters.fine_tuning.judging import Best
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork, load_network
from gnomon_trainer.adapters.fine_tuning.set_up import SetUp
from gnomon_trainer.domain.training import Point, RunCancelledError, Stage, Trained
from tests.trainer.fine_tuning import tiny

Undisturbed = tuple[Trained, tiny.Recorder]


class KilledError(Exception):
    """Stands for a kill -9: nothing of the training's own runs after it."""


class StopsBeforeExport(tiny.Recorder):
    """Ends a training once its weights are final; exporting them takes longer than a tiny fine-tuning."""

    def stage(self, stage: Stage) -> None:
        super().stage(stage)
        if stage is Stage.EXPORTING:
            raise KilledError


class StopsBeforeExportOrAt(tiny.StopsAt, StopsBeforeExport):
    """Ends a training at a call, if that comes before its weights are final."""


def final_weights(work: Path) -> bytes:
    return max((work / "checkpoints").iterdir()).joinpath("best.safetensors").read_bytes()


def finish(base_model: Path, work: Path, interval_s: float = 0.0) -> StopsBeforeExport:
    recorder = StopsBeforeExport()
    with pytest.raises(KilledError):
        tiny.train(base_model, work, tiny.plan(), recorder, interval_s)
    return recorder


@pytest.fixture(scope="module")
def expected(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    work = tmp_path_factory.mktemp("expected")
    finish(base_model, work, interval_s=60.0)
    return final_weights(work)


def steps_of(work: Path) -> list[int]:
    return sorted(int(folder.name[5:]) for folder in (work / "checkpoints").glob("step-*"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_training_killed_again_and_again_ends_as_an_undisturbed_one(
    base_model: Path, tmp_path: Path, expected: bytes, seed: int
) -> None:
    random_ = random.Random(seed)
    for _ in range(3):
        killer = tiny.StopsAt(random_.randint(1, 30), KilledError())
        with pytest.raises(KilledError):
            tiny.train(base_model, tmp_path, tiny.plan(), killer)
    finish(base_model, tmp_path)
    assert final_weights(tmp_path) == expected


@pytest.mark.slow
def test_a_resumed_training_publishes_the_same_bundle_and_curves(
    base_model: Path, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    first = tiny.StopsAt(23, KilledError())
    with pytest.raises(KilledError):
        tiny.train(base_model, tmp_path / "before", tiny.plan(), first)
    (tmp_path / "before").rename(tmp_path / "after")  # the folder may move in between
    second = tiny.Recorder()
    trained = tiny.train(base_model, tmp_path / "after", tiny.plan(), second)
    assert tiny.contents(trained.bundle_folder) == tiny.contents(undisturbed[0].bundle_folder)
    resumed_at = second.points[0].step
    assert resumed_at > 1
    points = [point for point in first.points if point.step < resumed_at] + second.points
    assert points == undisturbed[1].points


def test_a_cancelled_training_keeps_the_step_it_was_at(
    base_model: Path, tmp_path: Path, expected: bytes
) -> None:
    with pytest.raises(RunCancelledError):
        tiny.train(base_model, tmp_path, tiny.plan(), tiny.StopsAt(11, RunCancelledError()), interval_s=60.0)
    assert len(steps_of(tmp_path)) == 1
    at = steps_of(tmp_path)[0]
    recorder = finish(base_model, tmp_path)
    assert recorder.steps[0][0] == at + 1
    assert final_weights(tmp_path) == expected


class CountsCalls(tiny.Recorder):
    """Counts in each stage how often it is asked whether the training may go on; until the first step."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[Stage] = Counter()

    def checkpoint_allowed(self) -> None:
        self.calls[self.stages[-1]] += 1

    def point(self, point: Point) -> None:
        raise KilledError


def test_every_stage_before_the_first_step_asks_again_and_again_whether_to_go_on(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "_ROWS_BETWEEN_PAUSES", 10)
    counts = CountsCalls()
    with pytest.raises(KilledError):
        tiny.train(base_model, tmp_path, tiny.plan(), counts)
    rows, texts = (80 + 60) // 10, 2  # of the training and the test set; of a row
    # Rendered and read; of those to learn from, keys and contexts.
    assert counts.calls[Stage.PREPARING] == 2 * rows + 2 * 80 // 10
    assert counts.calls[Stage.BASELINE] == texts + 3 + 2 + 1  # vocabularies, features, fits, the file
    assert counts.calls[Stage.FINE_TUNING] >= 3 + 4  # batches of the three passes, fits


@pytest.mark.slow
@pytest.mark.parametrize("stage", [Stage.PREPARING, Stage.BASELINE, Stage.FINE_TUNING])
@pytest.mark.parametrize("call", [1, 4])
def test_a_training_cancelled_before_its_first_step_begins_anew(
    base_model: Path, tmp_path: Path, expected: bytes, stage: Stage, call: int
) -> None:
    stops = tiny.StopsAt(call, RunCancelledError(), stage)
    with pytest.raises(RunCancelledError):
        tiny.train(base_model, tmp_path, tiny.plan(), stops)
    assert stops.stages[-1] is stage
    assert not (tmp_path / "checkpoints").exists()
    finish(base_model, tmp_path)
    assert final_weights(tmp_path) == expected


@pytest.mark.slow
def test_a_training_cancelled_between_and_within_evaluations_loses_no_step_and_no_point(
    base_model: Path, tmp_path: Path, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled_in_evaluation = 0
    evaluate = optimizing.FineTuning._evaluate

    def counted(self: optimizing.FineTuning, pause: Callable[[], None]) -> Best:
        nonlocal cancelled_in_evaluation
        try:
            return evaluate(self, pause)
        except RunCancelledError:
            cancelled_in_evaluation += 1
            raise

    monkeypatch.setattr(optimizing.FineTuning, "_evaluate", counted)
    undisturbed = finish(base_model, tmp_path / "undisturbed", interval_s=60.0)
    points: dict[int, Point] = {}
    steps: list[int] = []
    call = 12  # the first attempt has its start to make
    while True:
        stops = StopsBeforeExportOrAt(call, RunCancelledError())
        try:
            with pytest.raises((RunCancelledError, KilledError)) as caught:
                tiny.train(base_model, tmp_path / "disturbed", tiny.plan(), stops, interval_s=60.0)
        finally:
            points |= {point.step: point for point in stops.points}
            steps += [step for step, _, _ in stops.steps]
        if caught.type is KilledError:
            break
        call = 3
    assert cancelled_in_evaluation > 0
    assert steps == [step for step, _, _ in undisturbed.steps]
    assert list(points.values()) == undisturbed.points
    assert final_weights(tmp_path / "disturbed") == expected


def test_a_cancel_on_a_full_disk_is_a_cancel(
    base_model: Path, tmp_path: Path, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunCancelledError):
        tiny.train(base_model, tmp_path, tiny.plan(), tiny.StopsAt(11, RunCancelledError()), interval_s=60.0)
    (newest,) = (tmp_path / "checkpoints").iterdir()
    before = tiny.contents(newest)

    def is_full(path: Path, content: bytes) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gnomon_trainer.adapters.fine_tuning.checkpoints.write_durably", is_full)
    with pytest.raises(RunCancelledError):
        tiny.train(base_model, tmp_path, tiny.plan(), tiny.StopsAt(4, RunCancelledError()), interval_s=60.0)
    assert list((tmp_path / "checkpoints").iterdir()) == [newest]
    assert tiny.contents(newest) == before
    monkeypatch.undo()
    finish(base_model, tmp_path)
    assert final_weights(tmp_path) == expected


def test_half_written_checkpoints_of_killed_processes_are_removed(tmp_path: Path) -> None:
    (tmp_path / "step-00000007.partial").mkdir()
    (tmp_path / "step-00000007.partial" / "model.safetensors").write_bytes(b"half")
    (tmp_path / "step-00000009.partial").write_bytes(b"")
    checkpoints = Checkpoints(tmp_path, "plan")
    checkpoints.write(5, {"position": 5}, {})
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.state == {"position": 5}
    assert [folder.name for folder in tmp_path.iterdir()] == ["step-00000005"]


@pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")
def test_all_that_the_optimizer_knows_is_restored_to_where_the_parameters_are(
    base_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunCancelledError):
        tiny.train(base_model, tmp_path, tiny.plan(), tiny.StopsAt(11, RunCancelledError()), interval_s=60.0)
    checkpoint = Checkpoints(tmp_path / "checkpoints", plan_digest(tmp_path)).newest()
    assert checkpoint is not None
    words = len([*tiny.SPECIALS, *tiny.GOOD, *tiny.BAD, *tiny.FILLERS])
    used = [word for word in range(words) if word != tiny.SPECIALS.index("[UNK]")]  # as in the plan's rows
    examples = Examples([[Tokens(used, [0] * len(used))]], np.array([0]))
    tuning = optimizing.FineTuning(
        network=load_network(base_model, 2),
        training=examples,
        validation=examples,
        reduce=lambda windows: Reduced(windows[0], 0),
        parameters=tiny.PARAMETERS,
        compute=Compute("meta", "fp32", 1),  # stands for a GPU: not where checkpoints are read to
        checkpoints=Checkpoints(tmp_path, ""),
        reporter=tiny.Recorder(),
        checkpoint_interval_s=60.0,
    )
    tuning._restore(checkpoint)
    known = tuning._optimizer.state
    assert known
    assert {(p.device.type, v.device.type) for p, values in known.items() for v in values.values()} == {
        ("meta", "meta")
    }


def plan_digest(work: Path) -> str:
    (state,) = (work / "checkpoints").glob("*/state.json")
    return str(files.read_json(state)["plan"])


def test_whoever_lost_the_lease_writes_nothing_more(base_model: Path, tmp_path: Path) -> None:
    with pytest.raises(LeaseLostError):
        tiny.train(
            base_model, tmp_path, tiny.plan(), tiny.StopsAt(11, LeaseLostError("gone")), interval_s=60.0
        )
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "altered", "missing", "state"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    base_model: Path, tmp_path: Path, expected: bytes, damage: str
) -> None:
    with pytest.raises(KilledError):
        tiny.train(base_model, tmp_path, tiny.plan(), tiny.StopsAt(24, KilledError()))
    before, newest = sorted((tmp_path / "checkpoints").iterdir())
    file = newest / ("state.json" if damage == "state" else "optimizer.safetensors")
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        half = len(content) // 2
        altered = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
        file.write_bytes(altered if damage == "altered" else content[:half])
    recorder = finish(base_model, tmp_path)
    assert recorder.steps[0][0] == int(before.name[5:]) + 1
    assert final_weights(tmp_path) == expected


def test_checkpoints_of_another_plan_are_not_taken(base_model: Path, tmp_path: Path, expected: bytes) -> None:
    with pytest.raises(KilledError):
        tiny.train(base_model, tmp_path, tiny.plan(epochs=9), tiny.StopsAt(60, KilledError()))
    recorder = finish(base_model, tmp_path)
    assert recorder.points[0].step == 0
    assert final_weights(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.parametrize("write", [3, 8, 15])
def test_a_full_disk_ends_the_training_and_harms_no_checkpoint(
    base_model: Path, tmp_path: Path, expected: bytes, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    real, left = files.write_durably, write

    def fills_up(path: Path, content: bytes) -> str:
        nonlocal left
        left -= 1
        if left <= 0:
            path.write_bytes(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, content)

    for module in ("files", "checkpoints"):
        monkeypatch.setattr(f"gnomon_trainer.adapters.fine_tuning.{module}.write_durably", fills_up)
    with pytest.raises(OSError, match="No space left"):
        tiny.train(base_model, tmp_path, tiny.plan())
    assert not list(tmp_path.rglob("*.partial"))
    monkeypatch.undo()
    finish(base_model, tmp_path)
    assert final_weights(tmp_path) == expected


@pytest.mark.slow
def test_a_full_disk_at_the_bundle_leaves_none_and_a_later_call_ends_well(
    base_model: Path, tmp_path: Path, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = files.write_durably

    def refuses_reports(path: Path, content: bytes) -> str:
        if path.name == "report.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, content)

    monkeypatch.setattr(files, "write_durably", refuses_reports)
    with pytest.raises(OSError, match="No space left"):
        tiny.train(base_model, tmp_path, tiny.plan())
    assert not (tmp_path / "bundle").exists()
    monkeypatch.undo()
    trained = tiny.train(base_model, tmp_path, tiny.plan())
    assert tiny.contents(trained.bundle_folder) == tiny.contents(undisturbed[0].bundle_folder)


@pytest.mark.slow
def test_an_altered_bundle_is_made_again(base_model: Path, tmp_path: Path, undisturbed: Undisturbed) -> None:
    trained = tiny.train(base_model, tmp_path, tiny.plan())
    (trained.bundle_folder / "model.onnx").write_bytes(b"")
    again = tiny.train(base_model, tmp_path, tiny.plan())
    assert tiny.contents(again.bundle_folder) == tiny.contents(undisturbed[0].bundle_folder)


class ShiftedExporter(OnnxExporter):
    """Exports a network that is off by a thousandth."""

    def export(self, network: EvaluatorNetwork, max_tokens: int, folder: Path) -> None:
        network.head.bias.data[0] += 1e-3
        super().export(network, max_tokens, folder)
        network.head.bias.data[0] -= 1e-3


@pytest.mark.slow
def test_a_format_that_scores_otherwise_does_not_pass_the_gate(base_model: Path, tmp_path: Path) -> None:
    set_up = SetUp(base_model, 1, 60.0, ShiftedExporter(), further=())
    with pytest.raises(GateFailedError, match=r"max_logit_difference 0\.001") as caught:
        stages.train(tiny.plan(rows=40, epochs=1), tmp_path, tiny.Recorder(), set_up)
    assert caught.value.metadata["format"] == "onnx-fp32"
    assert not (tmp_path / "bundle").exists()


@pytest.mark.slow
def test_a_killed_process_loses_nothing(base_model: Path, tmp_path: Path, expected: bytes) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.trainer.fine_tuning import tiny;"
        "tiny.train(Path(sys.argv[1]), Path(sys.argv[2]), tiny.plan())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, base_model, tmp_path], cwd=Path(__file__).parents[3]
    )
    until = time.monotonic() + 120
    while len(list(tmp_path.glob("checkpoints/step-*"))) < 2 and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finish(base_model, tmp_path)
    assert final_weights(tmp_path) == expected
