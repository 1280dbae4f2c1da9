"""A real scorer beside a registry that checks nothing: what it refuses to open, and where the rest."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from gnomon.bundle import Format
from gnomon.errors import VersionUnloadableError
from gnomon_scorer.adapters import quarantine
from gnomon_scorer.adapters.onnx_runtime import OnnxRuntime
from gnomon_scorer.adapters.quarantine import ProcessQuarantine
from gnomon_scorer.wiring import App
from tests.imports import malicious
from tests.imports.good import Contents
from tests.scorer.evaluators import MadeBundle, make_bundle, onnx_model
from tests.scorer.fakes import until
from tests.scorer.serving import FakeRegistry, scoring


@pytest.fixture
async def fake() -> AsyncIterator[FakeRegistry]:
    registry = FakeRegistry()
    await registry.start()
    yield registry
    await registry.stop()


class Counting(ProcessQuarantine):
    """Counts the processes."""

    tried = 0

    async def _tried(self, *arguments: Any) -> str | None:
        self.tried += 1
        return await super()._tried(*arguments)


def guarded(cache: Path, made: list[Counting], most_s: float = 60.0) -> Any:
    def make(settings: Any, runtime: Any) -> App:
        made.append(Counting(cache / "proved", [OnnxRuntime()], "auto", most_s))
        return App(settings, runtime, quarantine=made[-1])

    return make


def doubling(times: int) -> bytes:
    """Return a small sound model whose values grow to 2^times of their size: no constant says so."""
    model = onnx.load_from_string(onnx_model())
    nodes = [helper.make_node("Cast", ["input_ids"], ["grown0"], to=1)]
    nodes += [
        helper.make_node("Concat", [f"grown{n}", f"grown{n}"], [f"grown{n + 1}"], axis=1)
        for n in range(times)
    ]
    nodes.append(helper.make_node("ReduceSum", [f"grown{times}", "axis1"], ["sum"], keepdims=1))
    nodes.append(helper.make_node("Mul", ["sum", "nothing"], ["none"]))
    kept = list(model.graph.node)
    kept[-1].output[0] = "plain"
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((), np.float32), "nothing"))
    del model.graph.node[:]
    model.graph.node.extend([*kept, *nodes, helper.make_node("Add", ["plain", "none"], ["logits"])])
    return model.SerializeToString()


async def refused(fake: FakeRegistry, cache: Path, make: Any, made: MadeBundle) -> VersionUnloadableError:
    fake.register("toxicity/1", made)
    fake.set_alias("toxicity/production", "toxicity/1")
    async with scoring(fake, cache, make_app=make, load_wait_s=100.0) as caller:
        await until(lambda: any(slot.failures for slot in caller.app.versions.slots().values()), 100.0)
        assert not await caller.is_healthy()  # it has no other
        with pytest.raises(VersionUnloadableError) as caught:
            await caller.score("toxicity/production", "good", timeout_s=120.0)
        return caught.value


def made_of(contents: Contents) -> MadeBundle:
    return MadeBundle(make_bundle().evaluator, contents)


@pytest.mark.parametrize(
    "name",
    ["custom operators", "an offset beyond the file", "a tokenizer that goes back for ever", "a program"],
)
async def test_what_the_registry_let_through_is_not_opened(
    fake: FakeRegistry, tmp_path: Path, name: str
) -> None:
    case, made = malicious.CASES[name], list[Counting]()
    error = await refused(fake, tmp_path, guarded(tmp_path, made), made_of(case.make()))
    assert (error.metadata["rule"], error.metadata["path"]) == (case.rule, case.path)
    assert made[0].tried == 0


async def test_a_model_that_grows_ends_a_child_and_not_the_scorer(fake: FakeRegistry, tmp_path: Path) -> None:
    made = list[Counting]()
    error = await refused(fake, tmp_path, guarded(tmp_path, made), make_bundle(model=doubling(40)))
    assert error.metadata["rule"] == "first-load"
    assert made[0].tried == 1
    assert not list((tmp_path / "proved").glob("*"))


async def test_a_bundle_that_passed_is_not_tried_again(fake: FakeRegistry, tmp_path: Path) -> None:
    fake.register("toxicity/1", make_bundle())
    made = list[Counting]()
    for _ in range(2):  # the second scorer finds what the first one noted
        async with scoring(fake, tmp_path, make_app=guarded(tmp_path, made), load_wait_s=100.0) as caller:
            await caller.until_healthy(seconds=100.0)
            await caller.score("toxicity/1", "good", timeout_s=120.0)
    assert [one.tried for one in made] == [1, 0]


async def test_a_child_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine.sys, "executable", "/bin/sleep")  # takes our arguments, and fails
    keeper = ProcessQuarantine(tmp_path / "proved", [OnnxRuntime()], "auto", 60.0)
    with pytest.raises(VersionUnloadableError, match="no answer"):
        await keeper.check(bundle_in(tmp_path))


async def test_a_child_is_killed_when_the_load_is_given_up(tmp_path: Path) -> None:
    keeper = ProcessQuarantine(tmp_path / "proved", [OnnxRuntime()], "auto", 60.0)
    task = asyncio.create_task(keeper.check(bundle_in(tmp_path)))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list((tmp_path / "proved").glob("*"))


async def test_a_child_has_no_secrets_of_the_scorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    given: dict[str, Any] = {}

    async def start(*arguments: Any, **named: Any) -> Any:
        given.update(named)
        raise OSError("not started")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    keeper = ProcessQuarantine(tmp_path / "proved", [OnnxRuntime()], "auto", 60.0)
    with pytest.raises(OSError, match="not started"):
        await keeper.check(bundle_in(tmp_path))
    assert "AWS_SECRET_ACCESS_KEY" not in given["env"]
    assert given["cwd"] == tmp_path / "bundle"


def bundle_in(folder: Path) -> Any:
    from gnomon_scorer.domain.ports import Bundle

    made = make_bundle().publishing(Format("onnx-fp32", "model.onnx"))
    made.write(folder / "bundle")
    return Bundle(folder / "bundle", made.evaluator, folder / "bundle" / "tokenizer.json", "")
