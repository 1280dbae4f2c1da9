"""Aliases, versions that come and go, a registry that is away: over the wire."""

import asyncio

import pytest

from gnomon.errors import (
    ArtifactCorruptError,
    NotFoundError,
    RegistryUnavailableError,
    VersionLoadingError,
    VersionUnloadableError,
)
from gnomon.v1 import scorer_service_pb2 as pb
from gnomon_scorer.adapters.onnx_runtime import OnnxRuntime
from tests.scorer.evaluators import make_bundle, onnx_model
from tests.scorer.fakes import Gate, until
from tests.scorer.serving import FakeRegistry, HeldRuntime, number_of, scoring

READY, FAILED = pb.LoadedVersion.READY, pb.LoadedVersion.FAILED


async def number(caller, name="toxicity/production"):
    return number_of((await caller.score(name, "good")).results[0].outcomes[0])


async def until_state(caller, name, state):
    async with asyncio.timeout(60):
        while (one := (await caller.loaded()).get(name)) is None or one.state != state:
            await asyncio.sleep(0.01)
    return one


async def test_an_alias_moved_twenty_times_under_load_fails_no_call(caller, registry):
    want = {n: (await caller.score(f"toxicity/{n}", "good", "bad")).results for n in (1, 2)}
    answers, done = [], False

    async def keep_calling():
        while not done:
            answers.append(await caller.score("toxicity/production", "good", "bad"))

    callers = [asyncio.create_task(keep_calling()) for _ in range(8)]
    for move in range(20):
        version = 2 - move % 2
        registry.set_alias("toxicity/production", f"toxicity/{version}")
        await caller.until_serving("toxicity/production", version)
    done = True
    await asyncio.gather(*callers)

    assert len(answers) > 20
    for answer in answers:
        numbers = {number_of(result.outcomes[0]) for result in answer.results}
        assert len(numbers) == 1
        assert answer.results == want[numbers.pop()]


async def test_an_old_version_leaves_with_its_alias_unless_it_is_asked_for_by_number(caller, registry):
    registry.set_alias("toxicity/production", "toxicity/2")
    await caller.until_serving("toxicity/production", 2)
    await until_gone(caller, "toxicity/1")

    assert await number(caller, "toxicity/1") == 1
    registry.set_alias("toxicity/production", "toxicity/1")
    registry.set_alias("toxicity/production", "toxicity/2")
    await caller.until_serving("toxicity/production", 2)

    assert {"toxicity/1", "toxicity/2"} == set(await caller.loaded())


async def until_gone(caller, name):
    async with asyncio.timeout(60):
        while name in await caller.loaded():
            await asyncio.sleep(0.01)


BROKEN = {
    "no model": make_bundle(model=b"not a model"),
    "wrong classes": make_bundle(model=onnx_model(classes=3)),
    "no tokenizer": make_bundle(tokenizer=b"{}"),
    "no such file": make_bundle().replacing(
        "evaluator.json", make_bundle().contents["evaluator.json"].replace(b'"model.onnx"', b'"other.onnx"')
    ),
    "file outside": make_bundle().replacing(
        "evaluator.json", make_bundle().contents["evaluator.json"].replace(b'"model.onnx"', b'"../x"')
    ),
    "no evaluator": make_bundle().replacing("evaluator.json", b"{}"),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_broken_version_never_takes_the_place_of_a_good_one(caller, registry, what):
    registry.register("toxicity/3", BROKEN[what])
    registry.set_alias("toxicity/production", "toxicity/3")

    failed = await until_state(caller, "toxicity/3", FAILED)

    assert failed.error.message
    assert await number(caller) == 1
    assert await caller.is_healthy()
    assert not await caller.is_healthy("metrics/toxicity/versions/3")
    with pytest.raises(VersionUnloadableError) as refusal:
        await number(caller, "toxicity/3")
    assert refusal.value.retry_after_s is None  # a bad bundle stays bad: waiting would not help the caller
    registry.set_alias("toxicity/production", "toxicity/2")
    await caller.until_serving("toxicity/production", 2)


@pytest.mark.parametrize("spoil", ["altered", "cut", "missing"])
async def test_an_artifact_that_is_not_what_was_registered_is_refused_until_it_is_right(
    caller, registry, spoil
):
    made = make_bundle(seed=7)
    registry.register("toxicity/3", made)
    sha256 = next(file.sha256 for file in made.files if file.path == "model.onnx")
    content = registry.blobs.pop(sha256)
    if spoil != "missing":
        registry.blobs[sha256] = content[:100] if spoil == "cut" else content[:-1] + b"\0"

    with pytest.raises(ArtifactCorruptError):
        await number(caller, "toxicity/3")
    registry.set_alias("toxicity/production", "toxicity/3")
    assert await number(caller) == 1

    registry.blobs[sha256] = content
    await caller.until_serving("toxicity/production", 3)


async def test_a_file_altered_in_the_cache_is_fetched_again(caller, registry, tmp_path):
    bundle = registry.versions["metrics/toxicity/versions/2"]
    folder = tmp_path / "cache" / bundle.digest
    assert await number(caller, "toxicity/2") == 2
    caller.app.versions.unload(next(n for n in caller.app.versions.slots() if n.number == 2))
    (folder / "model.onnx").write_bytes(b"altered")

    assert await number(caller, "toxicity/2") == 2
    assert (folder / "model.onnx").read_bytes() == bundle.contents["model.onnx"]


async def test_a_scorer_with_a_corrupt_production_version_is_ready_for_others(registry, tmp_path):
    registry.register("tone/1", make_bundle(metric="tone", model=b"broken"))
    registry.set_alias("tone/production", "tone/1")
    async with scoring(registry, tmp_path / "cache") as caller:
        await caller.until_healthy()

        assert await number(caller) == 1
        assert (await caller.loaded())["tone/1"].state == FAILED
        with pytest.raises(VersionUnloadableError):
            await number(caller, "tone/production")


async def test_a_scorer_with_no_version_that_loads_joins_only_once_there_is_one(registry, tmp_path):
    registry.register("toxicity/3", make_bundle(model=b"broken"))
    registry.set_alias("toxicity/production", "toxicity/3")
    async with scoring(registry, tmp_path / "cache") as caller:
        await until_state(caller, "toxicity/3", FAILED)
        with pytest.raises(VersionUnloadableError):
            await number(caller)
        assert not await caller.is_healthy()

        registry.set_alias("toxicity/production", "toxicity/2")
        await caller.until_healthy()
        assert await number(caller) == 2


async def test_a_deleted_version_leaves_and_is_not_found(caller, registry):
    assert await number(caller, "toxicity/2") == 2
    registry.delete("toxicity/2")
    await until_gone(caller, "toxicity/2")

    with pytest.raises(NotFoundError):
        await number(caller, "toxicity/2")


async def test_a_deleted_alias_is_not_found(caller, registry):
    registry.delete_alias("toxicity/production")
    await until_gone(caller, "toxicity/1")

    with pytest.raises(NotFoundError):
        await number(caller)


async def test_what_was_made_a_moment_ago_is_found_before_the_watch_tells_of_it(caller, registry):
    registry.is_mute = True
    registry.register("toxicity/3", make_bundle(seed=3))
    registry.set_alias("toxicity/newest", "toxicity/3")

    assert await number(caller, "toxicity/3") == 3
    assert await number(caller, "toxicity/newest") == 3


async def test_the_registry_away_while_running_stops_no_score(caller, registry):
    await registry.stop()

    for _ in range(5):
        assert await number(caller) == 1
    assert await caller.is_healthy()
    with pytest.raises(RegistryUnavailableError) as refusal:
        await number(caller, "toxicity/9")
    assert refusal.value.retry_after_s > 0


async def test_what_changed_while_the_registry_was_away_is_caught_up_with(caller, registry):
    registry.set_alias("toxicity/shadow", "toxicity/2")
    await caller.until_serving("toxicity/shadow", 2)
    await registry.stop()
    registry.register("toxicity/3", make_bundle(seed=3))
    registry.set_alias("toxicity/production", "toxicity/3")
    registry.delete_alias("toxicity/shadow")
    registry.delete("toxicity/2")
    await registry.start()

    await caller.until_serving("toxicity/production", 3)
    await until_gone(caller, "toxicity/2")
    for name in ("toxicity/shadow", "toxicity/2"):
        with pytest.raises(NotFoundError):
            await number(caller, name)


async def test_a_scorer_that_starts_without_a_registry_waits_for_it(tmp_path):
    registry = FakeRegistry()
    await registry.start()
    await registry.stop()
    async with scoring(registry, tmp_path / "cache") as caller:
        assert not await caller.is_healthy()
        with pytest.raises(RegistryUnavailableError) as refusal:
            await number(caller)
        assert refusal.value.retry_after_s > 0

        registry.register("toxicity/1", make_bundle())
        registry.set_alias("toxicity/production", "toxicity/1")
        await registry.start()
        await caller.until_healthy()

        assert await number(caller) == 1
    await registry.stop()


async def test_a_registry_that_falls_silent_is_connected_to_again(registry, tmp_path):
    async with scoring(registry, tmp_path / "cache", registry_silence_s=0.2) as caller:
        await caller.until_healthy()
        registry.is_mute = True
        registry.set_alias("toxicity/production", "toxicity/2")

        await caller.until_serving("toxicity/production", 2)


async def test_concurrent_callers_share_one_load_and_wait_for_it(registry, tmp_path):
    runtime, gate = HeldRuntime(threads=2), Gate()
    async with scoring(registry, tmp_path / "cache", runtime) as caller:
        await caller.until_healthy()
        runtime.hold = gate
        calls = [asyncio.create_task(number(caller, "toxicity/2")) for _ in range(5)]
        await until(gate.entered.is_set)
        assert (await caller.loaded())["toxicity/2"].state == pb.LoadedVersion.LOADING
        gate.open()

        assert await asyncio.gather(*calls) == [2] * 5
        assert len([name for name in await caller.loaded() if name == "toxicity/2"]) == 1


async def test_who_cannot_wait_for_a_load_is_told_when_to_come_back(registry, tmp_path):
    runtime, gate = HeldRuntime(threads=2), Gate()
    async with scoring(registry, tmp_path / "cache", runtime, load_wait_s=0.05) as caller:
        await caller.until_healthy()
        runtime.hold = gate

        with pytest.raises(VersionLoadingError) as refusal:
            await number(caller, "toxicity/2")
        gate.open()
        assert refusal.value.retry_after_s > 0
        await until_state(caller, "toxicity/2", READY)
        assert await number(caller, "toxicity/2") == 2


async def test_when_memory_is_short_the_least_recently_used_leaves_and_aliased_ones_stay(registry, tmp_path):
    for n in (3, 4):
        registry.register(f"toxicity/{n}", make_bundle(seed=n))
    model = make_bundle().write(tmp_path / "one") / "model.onnx"
    size = OnnxRuntime().open(model, "onnx-fp32", 1, 2, 32).memory_bytes
    async with scoring(registry, tmp_path / "cache", memory_budget_bytes=int(size * 3.5)) as caller:
        await caller.until_healthy()
        for n in (2, 3, 2, 4):
            assert await number(caller, f"toxicity/{n}") == n

        assert set(await caller.loaded()) == {"toxicity/1", "toxicity/2", "toxicity/4"}
        assert await number(caller, "toxicity/3") == 3
        assert await number(caller) == 1


async def test_a_budget_for_less_than_one_version_still_serves(registry, tmp_path):
    async with scoring(registry, tmp_path / "cache", memory_budget_bytes=1) as caller:
        await caller.until_healthy()
        for n in (1, 2, 1):
            assert await number(caller, f"toxicity/{n}") == n
        assert await number(caller) == 1
        assert len(await caller.loaded()) == 1
