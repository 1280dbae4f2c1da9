"""The memory budget while versions are in use: what is held counts, and is never there twice."""

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import VersionUnloadableError
from gnomon.names import AliasName
from gnomon_scorer.domain.ports import AliasSet, VersionCreated
from gnomon_scorer.domain.versions import BackOff
from tests.scorer.fakes import FakeRuntime, until
from tests.scorer.test_versions import PRODUCTION, V1, V2, V3, World

SIZE = 100  # of every version here


class Remembering(FakeRuntime):
    """Keeps all that was ever opened."""

    def __init__(self):
        super().__init__()
        self.opened = []

    def load(self, bundle, known):
        opened = super().load(bundle, known)
        self.opened.append((bundle.folder.name, opened.backend))
        return opened

    def open(self):
        return [name for name, backend in self.opened if not backend.is_closed]


@contextlib.asynccontextmanager
async def memory(*snapshot, budget):
    created = [VersionCreated(name) for name in (V1, V2, V3)]
    world = World(*snapshot, *created, budget=budget, back_off=BackOff(first_s=60.0))
    world.runtime = world.versions._loader._runtime = Remembering()
    async with world.running():
        await until(lambda: world.follower.is_ready)
        yield world


def counted(world):
    return sum(world.versions.memory_bytes().values())


async def hold(world, name):
    """Do as a stream does at its start."""
    version = await world.versions.get(name, 5.0, pinned=True)
    version.hold()
    return version


async def test_a_version_that_a_stream_holds_is_not_loaded_a_second_time():
    async with memory(budget=SIZE) as world:
        held = await hold(world, V1)
        for name in (V2, V1, V2, V1, V2):
            (await hold(world, name)).release()

        assert world.runtime.loads.count("toxicity-1") == 1
        assert counted(world) == SIZE * len(world.runtime.open())
        held.release()


async def test_what_had_to_stay_for_its_users_leaves_with_the_last_of_them():
    async with memory(budget=SIZE) as world:
        held = [await hold(world, name) for name in (V1, V1, V2, V3)]
        assert counted(world) == 3 * SIZE

        for version in held[:-1]:
            version.release()

        assert world.runtime.open() == ["toxicity-3"]
        held[-1].release()
        assert world.runtime.open() == ["toxicity-3"]


async def test_an_alias_keeps_its_version_when_a_stream_of_another_ends():
    async with memory(AliasSet(PRODUCTION, V1), budget=2 * SIZE) as world:
        held = [await hold(world, name) for name in (V1, V2, V3)]
        held[0].release()
        held = [await hold(world, V1), *held[1:]]
        for version in held:
            version.release()

        assert "toxicity-1" in world.runtime.open()
        assert counted(world) <= 2 * SIZE


async def test_what_a_stream_holds_makes_no_two_aliases_throw_each_other_out():
    staging = AliasName("toxicity", "staging")
    async with memory(AliasSet(PRODUCTION, V1), AliasSet(staging, V2), budget=2 * SIZE) as world:
        held = await hold(world, V3)
        for name in (V1, V2) * 3:
            (await hold(world, name)).release()

        loads = [name for name, _ in world.runtime.opened]
        # The one of them that was loaded first, whichever that was, made room for the third, and came back.
        assert sorted([loads.count("toxicity-1"), loads.count("toxicity-2")]) == [1, 2]
        held.release()
        assert counted(world) == 2 * SIZE


async def test_a_version_that_left_while_it_is_held_counts_until_it_is_let_go():
    async with memory(budget=10 * SIZE) as world:
        held = await hold(world, V1)
        world.versions.unload(V1)
        anew = await hold(world, V1)
        world.versions.fail(anew, VersionUnloadableError("It broke."))

        assert world.versions.memory_bytes() == {V1: 2 * SIZE}
        held.release()
        assert world.versions.memory_bytes() == {V1: SIZE}
        anew.release()
        assert world.versions.memory_bytes() == {}


@pytest.mark.parametrize("budget", [SIZE, 2 * SIZE])
@given(st.lists(st.one_of(st.sampled_from([V1, V2, V3]), st.integers(0, 5)), max_size=20))
@settings(max_examples=60, deadline=None)
def test_whatever_is_held_memory_is_counted_and_beyond_the_budget_there_is_only_that(budget, steps):
    async def scenario():
        async with memory(budget=budget) as world:
            held = []
            for step in [*steps, *[0] * len(steps)]:
                if isinstance(step, int):
                    if held:
                        held.pop(step % len(held)).release()
                else:
                    held.append(await hold(world, step))
                there, used = world.runtime.open(), {version.name for version in held}
                assert len(there) == len(set(there))
                assert counted(world) == SIZE * len(there)
                assert counted(world) <= max(budget, SIZE * (len(used) + 1))
            assert counted(world) <= budget

    asyncio.run(scenario())
