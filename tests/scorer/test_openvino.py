"""What is particular to OpenVINO; see test_backends.py for what all engines keep."""

import importlib.util
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gnomon.errors import VersionUnloadableError
from gnomon_scorer.adapters import openvino_runtime
from gnomon_scorer.adapters.openvino_runtime import OpenVinoRuntime
from tests.scorer.backends import load, open_bundle, runtimes, skip_without
from tests.scorer.evaluators import make_bundle
from tests.scorer.fakes import tokens

NICE = 7

USE = """
import sys
sys.addaudithook(lambda event, args: event.startswith("socket.") and sys.exit(f"network: {event}"))
from pathlib import Path
from gnomon.tokens import Tokens
from gnomon_scorer.adapters.openvino_runtime import OpenVinoRuntime
assert "openvino" not in sys.modules
engine = OpenVinoRuntime()
assert "openvino" in engine.version
model = engine.open(Path(sys.argv[1]), "openvino-fp32", 1, 2, 32)
assert len(model.run([Tokens((2, 4, 3), (0, 0, 0))])) == 1
assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]
"""

FIRST_USES_AT_ONCE = """
import sys, threading
from pathlib import Path
import openvino
from gnomon.tokens import Tokens
from gnomon_scorer.adapters.openvino_runtime import OpenVinoRuntime
model = OpenVinoRuntime().open(Path(sys.argv[1]), "openvino-fp32", 1, 2, 32)
sys.setswitchinterval(1e-6)
together = threading.Barrier(8)
def use():
    together.wait()
    model.run([Tokens((2, 4, 3), (0, 0, 0))])
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.fixture(autouse=True)
def _installed():
    skip_without("openvino-fp32")


def test_it_is_imported_when_needed_and_never_speaks_with_the_network(tmp_path):
    folder = make_bundle().write(tmp_path / "bundle")
    home = tmp_path / "home"
    home.mkdir()

    subprocess.run(
        [sys.executable, "-c", USE, folder / "model.onnx"], check=True, env=os.environ | {"HOME": str(home)}
    )

    assert not list(home.iterdir())


def test_its_first_uses_may_come_at_once_whoever_imported_it(tmp_path):
    folder = make_bundle().write(tmp_path / "bundle")

    for _ in range(2):  # most processes locked up
        subprocess.run(
            [sys.executable, "-c", FIRST_USES_AT_ONCE, folder / "model.onnx"], check=True, timeout=60
        )


def test_a_machine_without_the_library_says_what_to_do(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    assert "not installed" in str(OpenVinoRuntime().problem("openvino-fp32"))


def test_a_processor_without_bf16_is_told_and_keeps_fp32(monkeypatch):
    monkeypatch.setattr(OpenVinoRuntime, "_capabilities", lambda self: ["FP32", "INT8"])
    engine = OpenVinoRuntime()

    for format_ in ("openvino-bf16", "openvino-int8"):
        assert "bf16" in str(engine.problem(format_))
    assert engine.problem("openvino-fp32") is None


def test_another_precision_than_asked_for_is_refused():
    library = openvino_runtime._library()

    class Elsewhere:
        def get_property(self, name):
            return library.Type.f32

    with pytest.raises(VersionUnloadableError, match="computes openvino-bf16 in f32"):
        openvino_runtime._check_precision(Elsewhere(), "openvino-bf16")


def test_threads_a_call_are_the_powers_of_two_and_all_cores():
    assert OpenVinoRuntime().threads(1) == (1,)
    assert OpenVinoRuntime().threads(6) == (1, 2, 4, 6)
    assert OpenVinoRuntime().threads(8) == (1, 2, 4, 8)


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of threads are Linux's")
def test_it_computes_with_the_priority_of_the_thread_that_opened_the_model(tmp_path):
    bundle = open_bundle(tmp_path, make_bundle(), "onnx-fp32", "openvino-fp32")

    def lower():
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)

    earlier = load(runtimes("openvino-fp32", cores=2), bundle)
    earlier.backend.close()  # whose threads must not be used again
    before = niceness_of_threads()
    with ThreadPoolExecutor(1, initializer=lower) as opening:
        opened = opening.submit(load, runtimes("openvino-fp32", cores=2), bundle).result()
    opened.backend.run([tokens(2, 4, 3)])

    started = {thread: nice for thread, nice in niceness_of_threads().items() if thread not in before}
    assert started
    assert set(started.values()) == {NICE}
    opened.backend.close()
    assert not niceness_of_threads().keys() & started.keys()


def niceness_of_threads() -> dict[int, int]:
    threads = [int(folder.name) for folder in Path("/proc/self/task").iterdir()]
    return {thread: os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}


def test_lengths_are_padded_to_a_step_but_not_beyond_what_the_model_reads(tmp_path):
    folder = make_bundle().write(tmp_path / "bundle")
    model = OpenVinoRuntime().open(folder / "model.onnx", "openvino-fp32", 1, 1, 40)

    widths = [model._width([tokens(*[2] * length)]) for length in (1, 16, 17, 33, 40, 50)]

    assert widths == [16, 16, 32, 40, 40, 50]
