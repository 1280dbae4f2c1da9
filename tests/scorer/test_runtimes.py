"""Which format is used: the fastest that can be had, or the one that was asked for, or none."""

import json
import os
import threading
import time
from dataclasses import replace

import pytest

from gnomon.bundle import Format, LineageRecord
from gnomon.errors import VersionUnloadableError
from gnomon_scorer.adapters.runtimes import Runtimes
from gnomon_scorer.domain.objective import Objective
from gnomon_scorer.domain.ports import Trial, Way
from gnomon_scorer.domain.tuning import AGAIN_S, UNSTEADY
from tests.scorer.backends import load, open_bundle, runtimes, skip_without
from tests.scorer.evaluators import make_bundle
from tests.scorer.fakes import FakeTunings, tokens, until
from tests.scorer.serving import error_of, scoring

BATCH = [tokens(2, 3)]


def nice_of_this_thread():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


class FakeModel:
    def __init__(self, engine, file, format_, threads):
        self.engine, self.file, self.format, self.threads = engine, file, format_, threads
        self.takes_s = engine.takes_s.get(format_, 0.0)
        self.has_threads = engine.has_threads
        self.computes_in_caller = not engine.has_threads
        self.ran_in = []
        self.memory_bytes = 100
        self.is_closed = False
        self.opened_at = nice_of_this_thread()

    def run(self, batch):
        assert not self.is_closed
        time.sleep(self.takes_s)
        self.ran_in.append((threading.current_thread(), nice_of_this_thread()))
        return [[0.0, 1.0] for _ in batch]

    def close(self):
        assert not self.is_closed
        self.is_closed = True


class FakeEngine:
    """Opens `slow` and `fast`, and says that it cannot run what is in `problems`."""

    length_step = 8
    version = "fake 1.0"

    def __init__(self, *formats, **problems):
        self.formats = formats
        self.problems = {name.replace("_", "-"): problem for name, problem in problems.items()}
        self.opened = []
        self.has_threads = False
        self.broken = set()
        self.takes_s = {}  # seconds of a call, by format

    def problem(self, format_):
        return self.problems.get(format_)

    def threads(self, cores):
        return (1, cores)

    def open(self, file, format, threads, cores, max_tokens):  # noqa: A002
        if format in self.broken:
            raise ValueError(f"{format} is broken")
        self.opened.append(FakeModel(self, file, format, threads))
        return self.opened[-1]

    def left_open(self):
        return [(model.format, model.threads) for model in self.opened if not model.is_closed]


def runtime(engine, tunings=None, **settings):
    """Time enough to try all, however busy the machine is; passes of fake models are short."""
    return Runtimes([engine], 2, tunings or FakeTunings(), **{"tuning_s": 30.0} | settings)


def bundle_of(tmp_path, *formats, folder="a", **changes):
    bundle = open_bundle(tmp_path / folder, make_bundle(), *formats)
    return replace(bundle, evaluator=replace(bundle.evaluator, **changes)) if changes else bundle


def with_objective(tmp_path, format_, per_second=0.1, folder="a"):
    """Return a bundle of two formats whose run stated an objective that one of them meets."""
    bundle = bundle_of(tmp_path, "onnx-fp32", "openvino-bf16", folder=folder)
    return replace(bundle, objective=Objective(format_, 32, per_second, 50.0))


def slow_reference(**problems):
    """Return an engine whose `onnx-fp32` is the slower format by far."""
    engine = FakeEngine("openvino-bf16", "onnx-fp32", **problems)
    engine.takes_s = {"onnx-fp32": 0.005}
    return engine


def test_all_that_was_tried_is_told_and_only_what_was_chosen_stays_open(tmp_path):
    engine = FakeEngine("openvino-bf16", "onnx-fp32")

    opened = load(runtime(engine), bundle_of(tmp_path, "onnx-fp32", "openvino-bf16"))

    way = opened.tuning.chosen.way
    assert engine.left_open() == [(way.format, way.threads)]
    assert {trial.way.format for trial in opened.tuning.trials} == {"onnx-fp32", "openvino-bf16"}
    assert opened.tuning.chosen.sequences_per_s > 0
    assert opened.tuning.measured_at is not None
    assert "2 cores, fake 1.0" in opened.tuning.machine
    assert opened.backend.limits == way.limits(8)


def test_what_a_machine_cannot_run_is_left_out_and_shown(tmp_path):
    engine = FakeEngine("openvino-bf16", "onnx-fp32", openvino_bf16="No bf16 here.")

    opened = load(runtime(engine), bundle_of(tmp_path, "onnx-fp32", "openvino-bf16"))

    assert opened.format == "onnx-fp32"
    assert Trial(Way("openvino-bf16", 0, 0)) in opened.tuning.trials


def test_what_cannot_be_opened_is_left_out_while_another_can(tmp_path):
    engine = FakeEngine("openvino-bf16", "onnx-fp32")
    engine.broken = {"openvino-bf16"}
    bundle = bundle_of(tmp_path, "onnx-fp32", "openvino-bf16")

    assert load(runtime(engine), bundle).format == "onnx-fp32"
    engine.broken = {"openvino-bf16", "onnx-fp32"}
    with pytest.raises(ValueError, match="broken"):
        load(runtime(engine), bundle)
    assert len(engine.left_open()) == 1  # that of the first load


def test_a_format_that_was_asked_for_is_used_although_others_are_faster(tmp_path):
    engine = FakeEngine("openvino-bf16", "onnx-fp32")
    bundle = bundle_of(tmp_path, "onnx-fp32", "openvino-bf16")

    assert load(runtime(engine, asked="onnx-fp32"), bundle).format == "onnx-fp32"
    assert load(runtime(engine, asked="openvino-bf16"), bundle).format == "openvino-bf16"


def test_a_version_without_the_format_that_was_asked_for_fails_and_says_so(tmp_path):
    asked = runtime(FakeEngine("openvino-bf16", "onnx-fp32"), asked="openvino-bf16")

    assert asked.problem is None
    with pytest.raises(VersionUnloadableError, match=r"does not have openvino-bf16.*has onnx-fp32.*`auto`"):
        load(asked, bundle_of(tmp_path, "onnx-fp32"))


def test_a_format_that_was_asked_for_and_cannot_be_run_here_fails_every_version(tmp_path):
    engine = FakeEngine("openvino-bf16", "onnx-fp32", openvino_bf16="No bf16 here.")
    asked = runtime(engine, asked="openvino-bf16")

    assert asked.problem == "No bf16 here."
    with pytest.raises(VersionUnloadableError, match="No bf16 here"):
        load(asked, bundle_of(tmp_path, "onnx-fp32", "openvino-bf16"))
    assert not engine.opened


def test_a_format_without_an_engine_is_a_problem():
    assert "onnx-fp32" in str(runtime(FakeEngine("onnx-fp32"), asked="openvino-int8").problem)


def test_a_new_version_of_the_same_build_is_not_measured_again(tmp_path):
    engine, tunings = FakeEngine("openvino-bf16", "onnx-fp32"), FakeTunings()
    lineage = LineageRecord(base_model_digest="f" * 64)
    formats = ("onnx-fp32", "openvino-bf16")
    first = load(runtime(engine, tunings), bundle_of(tmp_path, *formats, lineage=lineage))
    engine.opened.clear()

    second = load(runtime(engine, tunings), bundle_of(tmp_path, *formats, folder="b", lineage=lineage))

    assert second.tuning == first.tuning
    assert len(engine.opened) == 1


@pytest.mark.parametrize(
    "change",
    [{"max_tokens": 64}, {"lineage": LineageRecord(base_model_digest="e" * 64)}, {"classes": tuple("abcde")}],
)
def test_what_decides_speed_is_measured_anew(tmp_path, change):
    tunings = FakeTunings()
    lineage = {"lineage": LineageRecord(base_model_digest="f" * 64)}
    engine = FakeEngine("onnx-fp32")
    load(runtime(engine, tunings), bundle_of(tmp_path, **lineage))

    load(runtime(engine, tunings), bundle_of(tmp_path, folder="b", **lineage | change))

    assert len(tunings.kept) == 2


def test_without_measuring_the_reference_runs_and_nothing_is_kept(tmp_path):
    tunings = FakeTunings()
    engine = FakeEngine("openvino-bf16", "onnx-fp32")

    opened = load(runtime(engine, tunings, tuning_s=0), bundle_of(tmp_path, "onnx-fp32", "openvino-bf16"))

    assert opened.tuning.chosen == Trial(Way("onnx-fp32"))
    assert opened.tuning.measured_at is None
    assert not tunings.kept


def test_the_format_that_meets_the_service_objective_is_used_although_another_is_faster(tmp_path):
    assert load(runtime(slow_reference()), bundle_of(tmp_path, "onnx-fp32", "openvino-bf16")).format != (
        "onnx-fp32"
    )

    opened = load(runtime(slow_reference()), with_objective(tmp_path, "onnx-fp32", folder="b"))

    assert opened.format == "onnx-fp32"
    assert opened.tuning.objective_per_s > 0
    assert opened.reason.startswith(
        "onnx-fp32 met the service objective of the run, 0.1 instances/s of 32 tokens within 50 ms (p95); "
    )


def test_a_format_that_does_not_keep_up_here_gives_way_to_the_fastest(tmp_path):
    engine, tunings = slow_reference(), FakeTunings()
    bundle = with_objective(tmp_path, "onnx-fp32", per_second=1e9)

    for _ in ("measured", "known"):
        opened = load(runtime(engine, tunings), bundle)

        assert opened.format == "openvino-bf16"
        assert opened.reason.startswith("The fastest measured here. onnx-fp32 met the service objective")
        assert "where it was exported, but reaches only" in opened.reason
    assert len(tunings.kept) == 2


def test_a_format_that_does_not_work_here_gives_way_to_the_fastest(tmp_path):
    engine = slow_reference(openvino_bf16="No bf16 here.")
    opened = load(runtime(engine), with_objective(tmp_path, "openvino-bf16"))
    assert opened.format == "onnx-fp32"
    assert "but cannot be run on this machine" in opened.reason

    engine = slow_reference()
    engine.broken = {"openvino-bf16"}
    opened = load(runtime(engine), with_objective(tmp_path, "openvino-bf16", folder="b"))
    assert opened.format == "onnx-fp32"
    assert "but does not work here: openvino-bf16 is broken." in opened.reason


def test_a_format_that_worked_once_and_does_not_open_now_gives_way(tmp_path):
    tunings, bundle = FakeTunings(), with_objective(tmp_path, "openvino-bf16")
    assert load(runtime(slow_reference(), tunings), bundle).format == "openvino-bf16"
    engine = slow_reference()
    engine.broken = {"openvino-bf16"}

    opened = load(runtime(engine, tunings), bundle)

    assert opened.format == "onnx-fp32"
    assert engine.left_open() == [("onnx-fp32", opened.tuning.chosen.way.threads)]


def test_an_objective_that_no_format_meets_decides_nothing(tmp_path):
    opened = load(runtime(slow_reference()), with_objective(tmp_path, ""))

    assert opened.format == "openvino-bf16"
    assert "No format met the service objective of the run: 0.1 instances/s" in opened.reason


def test_the_objective_decides_where_nothing_is_measured(tmp_path):
    opened = load(runtime(slow_reference(), tuning_s=0), with_objective(tmp_path, "openvino-bf16"))

    assert opened.format == "openvino-bf16"
    assert opened.tuning.measured_at is None


def test_a_format_that_was_asked_for_is_used_whatever_the_objective(tmp_path):
    opened = load(runtime(slow_reference(), asked="openvino-bf16"), with_objective(tmp_path, "onnx-fp32"))

    assert (opened.format, opened.reason) == ("openvino-bf16", "The scorer was told to use it.")


@pytest.mark.parametrize("spread", [0.1, 0.5])
def test_what_was_measured_beside_other_work_is_measured_again_at_a_later_load(tmp_path, spread):
    tunings, bundle, now = FakeTunings(), bundle_of(tmp_path), [1_000.0]
    asked = runtime(FakeEngine("onnx-fp32"), tunings, clock=lambda: now[0])
    load(asked, bundle)
    ((place, tuning),) = tunings.kept.items()
    tunings.kept[place] = replace(tuning, chosen=replace(tuning.chosen, spread=spread))

    now[0] += AGAIN_S - 1
    assert load(asked, bundle).tuning.measured_at == 1_000.0  # loaded together with the first
    now[0] += 1
    measured_at = load(asked, bundle).tuning.measured_at

    assert measured_at == (now[0] if spread > UNSTEADY else 1_000.0)
    assert tunings.kept[place].measured_at == measured_at


def test_a_path_that_leaves_the_bundle_is_refused(tmp_path):
    bundle = bundle_of(tmp_path)
    (bundle.folder / "model.onnx").unlink()
    (bundle.folder / "model.onnx").symlink_to("/etc/hostname")

    with pytest.raises(VersionUnloadableError, match=r"lacks model\.onnx"):
        load(runtime(FakeEngine("onnx-fp32"), tuning_s=0), bundle)


def test_the_background_opens_its_own_model_once_where_that_has_threads_of_its_own(tmp_path):
    engine = FakeEngine("onnx-fp32")
    engine.has_threads = True
    backend = load(runtime(engine, tuning_s=0), bundle_of(tmp_path)).backend
    assert backend.memory_bytes == 200  # it will be needed with the first bulk job

    backend.run_in_background(BATCH)
    backend.run_in_background(BATCH)

    assert [model.opened_at for model in engine.opened] == [nice_of_this_thread(), 19]
    assert [thread for thread, _ in engine.opened[1].ran_in] == [threading.current_thread()] * 2
    assert backend.memory_bytes == 200
    backend.close()
    assert not engine.left_open()


def test_a_model_that_computes_where_it_is_called_is_called_in_threads_that_give_way(tmp_path):
    engine = FakeEngine("onnx-fp32")
    backend = load(runtime(engine, tuning_s=0, nice=7), bundle_of(tmp_path)).backend

    backend.run(BATCH)
    backend.run_in_background(BATCH)

    [model] = engine.opened
    assert [nice for _, nice in model.ran_in] == [7, 19]


def test_background_work_goes_on_when_its_own_model_cannot_be_opened(tmp_path):
    engine = FakeEngine("onnx-fp32")
    engine.has_threads = True
    bundle = bundle_of(tmp_path)
    backend = load(runtime(engine, tuning_s=0), bundle).backend
    (bundle.folder / "model.onnx").unlink()

    assert backend.run_in_background(BATCH) == [[0.0, 1.0]]
    backend.close()
    assert not engine.left_open()


def test_the_real_engines_are_measured_and_the_choice_scores(tmp_path):
    skip_without("openvino-fp32")
    bundle = open_bundle(tmp_path, make_bundle(), "onnx-fp32", "openvino-fp32")

    opened = load(runtimes(tuning_s=0.5), bundle)

    assert {trial.way.format for trial in opened.tuning.trials} == {"onnx-fp32", "openvino-fp32"}
    assert len(opened.backend.run(BATCH)[0]) == 2
    opened.backend.close()


async def test_a_scorer_told_to_use_what_its_machine_cannot_is_never_ready_and_says_why(registry, tmp_path):
    engine = FakeEngine("openvino-bf16", openvino_bf16="No bf16 here. Choose `auto`.")
    asked = Runtimes([engine], 1, FakeTunings(), asked="openvino-bf16")
    async with scoring(registry, tmp_path / "cache", asked) as caller:
        await until(lambda: any(slot.failures for slot in caller.app.versions.slots().values()))
        with pytest.raises(VersionUnloadableError, match="No bf16 here"):
            raise error_of((await caller.score("toxicity/1", "good")).results[0].outcomes[0])

        assert not await caller.is_healthy()


async def test_the_tuning_of_a_loaded_version_is_listed(caller):
    listed = (await caller.loaded())["toxicity/1"]

    assert listed.format == listed.tuning.chosen.format == "onnx-fp32"
    assert listed.tuning.chosen.threads == 1
    assert "onnxruntime" in listed.tuning.machine
    assert not listed.tuning.HasField("measure_time")
    assert listed.format_reason == "Nothing was measured here."


async def test_a_version_is_run_in_the_format_that_its_report_names_and_a_caller_sees_why(registry, tmp_path):
    formats = (Format("onnx-fp32", "model.onnx"), Format("openvino-bf16", "model.onnx"))
    objective = {"peak_qps": 0.1, "input_tokens": 32, "p95_ms": 50.0}
    for number, report in enumerate(
        (
            {"service": {"met": True, "format": "onnx-fp32", "objective": objective}},
            {"service": {"met": False, "format": "onnx-fp32", "objective": objective}},
            {},
        ),
        1,
    ):
        made = make_bundle().publishing(*formats)
        registry.register(f"load/{number}", made.replacing("report.json", json.dumps(report).encode()))
    async with scoring(registry, tmp_path / "cache", runtime(slow_reference())) as caller:
        await until(lambda: caller.app.follower.is_ready)
        for number in (1, 2, 3):
            await caller.score(f"load/{number}", "good")
        listed = await caller.loaded()

    assert [listed[f"load/{n}"].format for n in (1, 2, 3)] == ["onnx-fp32", *["openvino-bf16"] * 2]
    assert "onnx-fp32 met the service objective" in listed["load/1"].format_reason
    assert listed["load/1"].tuning.objective_sequences_per_second > 0
    assert "No format met the service objective" in listed["load/2"].format_reason
    assert listed["load/3"].format_reason == "The fastest measured here."
