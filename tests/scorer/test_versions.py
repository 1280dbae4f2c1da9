"""What is kept in memory, and which version an alias means, without a wire."""

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import (
    ArtifactCorruptError,
    NotFoundError,
    RegistryUnavailableError,
    StorageFullError,
    VersionLoadingError,
    VersionUnloadableError,
)
from gnomon.names import AliasName
from gnomon_scorer.domain.catalog import CatalogView
from gnomon_scorer.domain.following import Follower
from gnomon_scorer.domain.ports import (
    AliasDeleted,
    AliasSet,
    SnapshotComplete,
    VersionCreated,
    VersionDeleted,
)
from gnomon_scorer.domain.versions import PATIENCE, BackOff, Loader, State, Versions
from tests.scorer.fakes import (
    FakeBundles,
    FakeCatalog,
    FakeRuntime,
    FakeTokenizers,
    until,
    version_name,
)

V1, V2, V3 = (version_name(f"toxicity/{n}") for n in (1, 2, 3))
PRODUCTION = AliasName("toxicity", "production")
BY_ALIAS = version_name("toxicity/production")
TONE, TONE_PRODUCTION = version_name("tone/1"), AliasName("tone", "production")
QUICK = BackOff(first_s=0.01, most_s=0.02)


class World:
    """Versions and a follower over fakes."""

    def __init__(self, *snapshot, budget=1000, back_off=QUICK):
        self.bundles = FakeBundles()
        self.runtime = FakeRuntime()
        self.catalog = FakeCatalog(*snapshot, SnapshotComplete())
        loader = Loader(self.bundles, FakeTokenizers(), self.runtime)
        self.versions = Versions(loader, budget, back_off)
        self.follower = Follower(self.catalog, self.versions, silence_s=5.0, back_off=QUICK)

    @contextlib.asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.follower.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.versions.stop()

    def states(self):
        return {name.number: slot.state for name, slot in self.versions.slots().items()}


async def test_aliased_versions_are_loaded_before_the_scorer_is_ready():
    world = World(VersionCreated(V1), VersionCreated(V2), AliasSet(PRODUCTION, V1))
    gate = world.bundles.gates[V1] = asyncio.Event()
    async with world.running():
        await until(lambda: world.bundles.fetches)
        assert not world.follower.is_ready
        gate.set()
        await until(lambda: world.follower.is_ready)

        assert world.states() == {1: State.READY}


async def test_a_catalog_without_aliases_is_ready_at_once():
    async with World().running() as world:
        await until(lambda: world.follower.is_ready)


async def test_a_scorer_that_serves_one_alias_is_ready_when_the_version_of_another_failed():
    world = World(AliasSet(PRODUCTION, V1), AliasSet(TONE_PRODUCTION, TONE))
    world.bundles.errors[V1] = ArtifactCorruptError("altered")
    async with world.running():
        await until(lambda: world.follower.is_ready)

        assert (await world.versions.get(TONE, 1.0, pinned=False)).name == TONE
        with pytest.raises(ArtifactCorruptError) as refusal:
            await world.versions.get(await world.follower.resolve(BY_ALIAS), 1.0, pinned=False)
        assert refusal.value.retry_after_s is None


@pytest.mark.parametrize(
    "error", [ArtifactCorruptError("altered"), RegistryUnavailableError("away"), StorageFullError("full")]
)
async def test_a_scorer_that_serves_no_alias_is_not_ready_however_often_it_tried(error):
    world = World(AliasSet(PRODUCTION, V1), AliasSet(TONE_PRODUCTION, TONE))
    world.bundles.errors |= {V1: error, TONE: error}
    async with world.running():
        await until(lambda: min(map(world.bundles.fetches.count, (V1, TONE))) > PATIENCE + 1)
        assert not world.follower.is_ready
        world.bundles.errors.clear()

        await until(lambda: world.follower.is_ready)


@pytest.mark.parametrize("error", [RegistryUnavailableError("away"), StorageFullError("full")])
async def test_a_failure_that_may_pass_is_waited_out_but_not_for_ever(error):
    world = World(AliasSet(PRODUCTION, V1), AliasSet(TONE_PRODUCTION, TONE))
    world.bundles.errors[V1] = error
    ready_after = []

    def changed():
        if world.follower.is_ready and not ready_after:
            ready_after.append(world.versions.slots()[V1].failures)

    world.follower.changed = changed
    async with world.running():
        await until(lambda: ready_after)

        assert ready_after[0] == PATIENCE
        assert (await world.versions.get(TONE, 1.0, pinned=False)).name == TONE
        del world.bundles.errors[V1]
        await until(lambda: world.versions.is_ready(V1))


async def test_a_scorer_that_gave_up_waiting_stays_ready_while_it_tries_again():
    world = World(AliasSet(PRODUCTION, V1), AliasSet(TONE_PRODUCTION, TONE))
    world.bundles.errors[V1] = StorageFullError("full")
    async with world.running():
        await until(lambda: world.follower.is_ready)
        gate = world.bundles.gates[V1] = asyncio.Event()
        await until(lambda: world.versions.slots()[V1].state is State.LOADING)

        assert world.follower.is_ready
        gate.set()


async def test_a_version_that_failed_by_its_number_is_tried_again_once_an_alias_points_at_it():
    world = World(VersionCreated(V1))
    world.bundles.errors[V1] = StorageFullError("full")
    async with world.running():
        await until(lambda: world.follower.is_ready)
        with pytest.raises(StorageFullError):
            await world.versions.get(V1, 1.0, pinned=True)
        failed = world.versions.slots()[V1].task
        await until(failed.done)  # nobody asks for it any more
        del world.bundles.errors[V1]
        world.catalog.send(AliasSet(PRODUCTION, V1))

        await until(lambda: world.versions.is_ready(V1))


async def test_an_alias_serves_the_old_version_until_the_new_one_is_loaded():
    world = World(AliasSet(PRODUCTION, V1))
    gate = world.bundles.gates[V2] = asyncio.Event()
    async with world.running():
        await until(lambda: world.follower.is_ready)
        world.catalog.send(AliasSet(PRODUCTION, V2))
        await until(lambda: V2 in world.bundles.fetches)
        assert await world.follower.resolve(BY_ALIAS) == V1
        gate.set()
        await until(lambda: world.states() == {2: State.READY})

        assert await world.follower.resolve(BY_ALIAS) == V2
        assert world.runtime.backends["toxicity-1"].is_closed


async def test_a_broken_version_is_tried_again_and_takes_over_once_it_is_sound():
    world = World(AliasSet(PRODUCTION, V1))
    world.bundles.errors[V2] = ArtifactCorruptError("altered")
    async with world.running():
        await until(lambda: world.follower.is_ready)
        world.catalog.send(AliasSet(PRODUCTION, V2))
        await until(lambda: world.bundles.fetches.count(V2) >= 3)
        assert await world.follower.resolve(BY_ALIAS) == V1
        del world.bundles.errors[V2]
        await until(lambda: world.states() == {2: State.READY})

        assert await world.follower.resolve(BY_ALIAS) == V2


async def test_a_version_that_does_not_pass_warming_never_serves():
    world = World(AliasSet(PRODUCTION, V1))
    world.runtime.behaviours["toxicity-2"] = lambda batch: [[float("nan"), 0.0]] * len(batch)
    async with world.running():
        await until(lambda: world.follower.is_ready)
        world.catalog.send(AliasSet(PRODUCTION, V2))
        await until(lambda: world.states().get(2) is State.FAILED)

        assert await world.follower.resolve(BY_ALIAS) == V1
        assert isinstance(world.versions.slots()[V2].error, VersionUnloadableError)
        assert world.runtime.backends["toxicity-2"].is_closed


async def test_what_a_new_snapshot_lacks_is_forgotten():
    world = World(AliasSet(PRODUCTION, V1), VersionCreated(V2))
    async with world.running():
        await until(lambda: world.follower.is_ready)
        await world.versions.get(V2, 1.0, pinned=True)
        world.catalog.snapshot = (VersionCreated(V1), SnapshotComplete())
        world.catalog.send(RegistryUnavailableError("away"))
        await until(lambda: not world.states())

        with pytest.raises(NotFoundError):
            await world.follower.resolve(BY_ALIAS)


async def test_a_half_received_snapshot_changes_nothing():
    world = World(AliasSet(PRODUCTION, V1))
    async with world.running():
        await until(lambda: world.follower.is_ready)
        world.catalog.snapshot = (VersionCreated(V3),)
        world.catalog.send(RegistryUnavailableError("away"))
        await until(lambda: world.catalog.watches == 2)
        world.catalog.send(RegistryUnavailableError("away"))
        await until(lambda: world.catalog.watches == 3)

        assert await world.follower.resolve(BY_ALIAS) == V1
        with pytest.raises(RegistryUnavailableError):
            await world.follower.resolve(V3)


async def test_a_load_that_failed_for_the_registrys_absence_is_tried_when_it_is_back():
    world = World(AliasSet(PRODUCTION, V1), back_off=BackOff(first_s=60.0))
    world.bundles.errors[V1] = RegistryUnavailableError("away")
    async with world.running():
        await until(lambda: world.states() == {1: State.FAILED})
        assert not world.follower.is_ready  # as if it had not begun to load
        del world.bundles.errors[V1]
        world.catalog.send(RegistryUnavailableError("away"))

        await until(lambda: world.states() == {1: State.READY})
        assert world.follower.is_ready


async def test_concurrent_callers_share_one_load():
    world = World(VersionCreated(V1))
    async with world.running():
        await until(lambda: world.follower.is_ready)
        loaded = await asyncio.gather(*(world.versions.get(V1, 5.0, pinned=True) for _ in range(10)))

        assert len(set(loaded)) == 1
        assert world.bundles.fetches == [V1]


async def test_a_caller_who_waits_for_a_load_gets_it_although_the_alias_moves_on():
    world = World(VersionCreated(V1), VersionCreated(V2))
    gate = world.bundles.gates[V1] = asyncio.Event()
    async with world.running():
        await until(lambda: world.follower.is_ready)
        world.catalog.send(AliasSet(PRODUCTION, V1))
        await until(lambda: world.bundles.fetches)
        call = asyncio.create_task(world.versions.get(V1, 5.0, pinned=False))
        await asyncio.sleep(0)
        world.catalog.send(AliasSet(PRODUCTION, V2))
        await until(lambda: world.versions.is_ready(V2))
        gate.set()

        assert (await call).name == V1


async def test_a_caller_whose_wait_ends_leaves_the_load_running():
    world = World(VersionCreated(V1))
    gate = world.bundles.gates[V1] = asyncio.Event()
    async with world.running():
        with pytest.raises(VersionLoadingError):
            await world.versions.get(V1, 0.01, pinned=True)
        gate.set()

        await until(lambda: world.versions.is_ready(V1))


async def test_an_aliased_version_leaves_memory_only_after_all_others():
    world = World(AliasSet(PRODUCTION, V1), VersionCreated(V2), VersionCreated(V3), budget=200)
    async with world.running():
        await until(lambda: world.follower.is_ready)
        await world.versions.get(V2, 1.0, pinned=True)
        await world.versions.get(V3, 1.0, pinned=True)

        assert set(world.states()) == {1, 3}
        assert world.runtime.backends["toxicity-2"].is_closed
        assert not world.runtime.backends["toxicity-1"].is_closed


async def test_what_memory_has_no_room_for_is_not_loaded_again_unasked():
    world = World(AliasSet(PRODUCTION, V1), AliasSet(TONE_PRODUCTION, TONE), budget=100)
    async with world.running():
        await until(lambda: world.follower.is_ready)
        await until(lambda: len(world.runtime.loads) == 2)
        await asyncio.sleep(0.05)
        assert len(world.runtime.loads) == 2

        assert (await world.versions.get(V1, 1.0, pinned=False)).name == V1
        assert (await world.versions.get(TONE, 1.0, pinned=False)).name == TONE


events = st.one_of(
    st.builds(VersionCreated, st.sampled_from([V1, V2, V3])),
    st.builds(VersionDeleted, st.sampled_from([V1, V2, V3])),
    st.builds(
        AliasSet, st.sampled_from([PRODUCTION, AliasName("toxicity", "shadow")]), st.sampled_from([V1, V2])
    ),
    st.builds(AliasDeleted, st.sampled_from([PRODUCTION])),
)


@given(st.lists(events, max_size=30))
@settings(max_examples=100, deadline=None)
def test_an_alias_never_points_at_a_version_that_is_not_there(history):
    view = CatalogView()
    for event in history:
        view.apply(event)
        before = (set(view.versions), dict(view.aliases))
        view.apply(event)  # events may repeat
        assert (view.versions, view.aliases) == before
        assert set(view.aliases.values()) <= view.versions


@given(st.lists(st.one_of(events, st.sampled_from(["break", "mend"])), max_size=12))
@settings(max_examples=30, deadline=None)
def test_whatever_happens_in_the_end_a_sound_catalog_is_served(history):
    async def scenario():
        world = World(AliasSet(PRODUCTION, V1))
        async with world.running():
            for event in history:
                if event == "break":
                    world.bundles.errors[V2] = ArtifactCorruptError("altered")
                elif event == "mend":
                    world.bundles.errors.pop(V2, None)
                else:
                    world.catalog.send(event)
                await asyncio.sleep(0)
            world.bundles.errors.clear()
            world.catalog.send(AliasSet(PRODUCTION, V2))
            await until(lambda: world.follower._serving.get(PRODUCTION) == V2 and world.versions.is_ready(V2))
            wanted = set(world.follower._view.aliases.values())
            await until(lambda: all(world.versions.is_ready(v) for v in wanted))
            await until(lambda: set(world.versions.slots()) == wanted)

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [StorageFullError("The disk is full."), OSError(24, "Too many open files")])
async def test_what_the_machine_is_short_of_is_not_told_as_a_bad_bundle(error):
    world = World(back_off=BackOff(first_s=60))
    world.bundles.errors[V1] = error

    with pytest.raises((StorageFullError, VersionUnloadableError)) as refusal:
        await world.versions.get(V1, 5, pinned=True)
    with pytest.raises(type(refusal.value)) as again:
        await world.versions.get(V1, 5, pinned=True)
    await world.versions.stop()

    assert "sound bundle" not in refusal.value.message
    assert 0 < again.value.retry_after_s <= 60
