"""How `gnomon status` tells the way in which a version runs."""

import io

from rich.console import Console

from gnomon.cli.status import _shown, _way
from gnomon.v1 import scorer_service_pb2 as pb

Trial = pb.Tuning.Trial


def test_a_measured_way_is_shown_with_its_speed_and_what_the_machine_cannot_run():
    chosen = Trial(format="onnx-fp32", threads=2, batch_tokens=512, sequences_per_second=117.6)
    tuning = pb.Tuning(chosen=chosen, trials=[chosen, Trial(format="openvino-bf16")])

    assert _way(tuning) == "2 threads, 512 tokens, 118/s, cannot run openvino-bf16"


def test_a_measurement_that_was_disturbed_says_so():
    chosen = Trial(format="onnx-fp32", threads=1, batch_tokens=512, sequences_per_second=117.6, spread=0.35)

    assert _way(pb.Tuning(chosen=chosen)) == "1 thread, 512 tokens, 118/s (passes 35% apart)"


def test_why_a_version_runs_in_its_format_is_shown():
    version = pb.LoadedVersion(metric_version="metrics/a/versions/1", format="onnx-fp32")
    version.format_reason = "The fastest here."
    console = Console(width=200, record=True, file=io.StringIO())

    console.print(_shown({}, [version]))

    assert "a@1, onnx-fp32:  The fastest here." in console.export_text()


def test_a_way_that_was_not_measured_has_no_speed():
    assert _way(pb.Tuning(chosen=Trial(format="onnx-fp32", threads=1))) == "1 thread, one a call"
    assert _way(pb.Tuning()) == ""
