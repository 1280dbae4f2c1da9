"""What every implementation of a port keeps: the fakes of the unit tests, and the real ones."""

import asyncio
import contextlib

import pytest

from gnomon.bundle import Windows
from gnomon.errors import NotFoundError, RegistryUnavailableError
from gnomon.names import AliasName
from gnomon.rendering import Rendered
from gnomon_scorer.adapters.bundles import BundleCache
from gnomon_scorer.adapters.registry import Registry
from gnomon_scorer.adapters.tokenizers import TokenizerFiles
from gnomon_scorer.domain.ports import (
    AliasDeleted,
    AliasSet,
    SnapshotComplete,
    VersionCreated,
    VersionDeleted,
)
from tests.scorer.evaluators import make_bundle, tokenizer_json
from tests.scorer.fakes import FakeBundles, FakeCatalog, FakeTokenizer, version_name
from tests.scorer.serving import FakeRegistry

V1, V2 = version_name("toxicity/1"), version_name("toxicity/2")
PRODUCTION = AliasName("toxicity", "production")


class OnTheWire:
    """The real catalog, and how a test changes what it shows."""

    def __init__(self, fake, registry):
        self.catalog = registry
        self._fake = fake

    def act(self):
        self._fake.register("toxicity/2", make_bundle())
        self._fake.set_alias("toxicity/production", "toxicity/2")
        self._fake.delete_alias("toxicity/production")
        self._fake.delete("toxicity/2")

    async def go_away(self):
        await self._fake.stop()


class InMemory:
    def __init__(self):
        self.catalog = FakeCatalog(VersionCreated(V1), AliasSet(PRODUCTION, V1), SnapshotComplete())
        self.catalog.known = {str(V1): V1, "metrics/toxicity/versions/production": V1}

    def act(self):
        for event in (
            VersionCreated(V2),
            AliasSet(PRODUCTION, V2),
            AliasDeleted(PRODUCTION),
            VersionDeleted(V2),
        ):
            self.catalog.send(event)

    async def go_away(self):
        self.catalog.is_away = True
        self.catalog.send(RegistryUnavailableError("away"))


@pytest.fixture(params=["fake", "wire"])
async def source(request):
    if request.param == "fake":
        yield InMemory()
        return
    fake = FakeRegistry()
    await fake.start()
    fake.register("toxicity/1", make_bundle())
    fake.set_alias("toxicity/production", "toxicity/1")
    registry = Registry({"registry": fake.address}, timeout_s=1.0)
    yield OnTheWire(fake, registry)
    await registry.close()
    await fake.stop()


async def take(events, count):
    async with asyncio.timeout(5):
        return [await anext(events) for _ in range(count)]


async def test_a_watch_gives_the_snapshot_and_then_each_change_in_order(source):
    async with contextlib.aclosing(source.catalog.watch()) as events:
        assert await take(events, 3) == [VersionCreated(V1), AliasSet(PRODUCTION, V1), SnapshotComplete()]
        source.act()
        assert await take(events, 4) == [
            VersionCreated(V2),
            AliasSet(PRODUCTION, V2),
            AliasDeleted(PRODUCTION),
            VersionDeleted(V2),
        ]


async def test_a_watch_ends_with_an_error_when_the_registry_goes_away(source):
    async with contextlib.aclosing(source.catalog.watch()) as events:
        await take(events, 3)
        await source.go_away()
        with pytest.raises(RegistryUnavailableError):
            await take(events, 1)
    with pytest.raises(RegistryUnavailableError):
        async with contextlib.aclosing(source.catalog.watch()) as events:
            await take(events, 1)


async def test_a_name_is_found_by_number_and_by_alias(source):
    assert await source.catalog.find(V1) == V1
    assert await source.catalog.find(version_name("toxicity/production")) == V1
    with pytest.raises(NotFoundError):
        await source.catalog.find(version_name("toxicity/9"))


@pytest.fixture(params=["fake", "json"])
def tokenizer(request, tmp_path):
    if request.param == "fake":
        return FakeTokenizer()
    file = tmp_path / "tokenizer.json"
    file.write_bytes(tokenizer_json())
    return TokenizerFiles().load(file)


def test_a_tokenizer_gives_tokens_for_each_text_in_order_cut_to_the_limit(tokenizer):
    texts = [Rendered("good"), Rendered("a " * 50), Rendered("a", "movie " * 50), Rendered("a b", "c")]

    tokens = tokenizer.encode(texts, 8)

    assert [one.truncated for one in tokens] == [False, True, True, False]
    assert all(len(one.ids) == len(one.type_ids) <= 8 for one in tokens)
    assert tokens == [tokenizer.encode([text], 8)[0] for text in texts]
    assert tokenizer.encode([], 8) == []


def test_a_tokenizer_reads_what_is_too_long_in_windows(tokenizer):
    texts = [Rendered("good"), Rendered("movie " * 20)]

    fits, long = tokenizer.encode_windows(texts, 8, Windows(4, 64))

    assert list(fits.windows) == tokenizer.encode(texts[:1], 8)
    assert len(long.windows) > 1
    assert all(len(one.ids) == len(one.type_ids) <= 8 for one in long.windows)
    assert not long.truncated
    assert tokenizer.encode_windows(texts[1:], 8, None)[0].truncated


class MissingOrigin:
    async def files(self, name):
        raise NotFoundError(f"There is no {name}.")


class BundleOrigin(MissingOrigin):
    async def files(self, name):
        return make_bundle().files

    async def download(self, name, folder):
        make_bundle().write(folder)


@pytest.mark.parametrize("kind", ["fake", "cache"])
async def test_bundles_gives_the_same_bundle_each_time_and_tells_what_is_missing(kind, tmp_path):
    sound = FakeBundles() if kind == "fake" else BundleCache(tmp_path, BundleOrigin())
    missing = FakeBundles() if kind == "fake" else BundleCache(tmp_path, MissingOrigin())
    if isinstance(missing, FakeBundles):
        missing.errors[V1] = NotFoundError("none")

    bundle = await sound.fetch(V1)

    assert await sound.fetch(V1) == bundle
    assert bundle.evaluator.classes == ("false", "true")
    with pytest.raises(NotFoundError):
        await missing.fetch(V1)
