"""What every catalog store does, the one in memory and the one in SQL."""

import dataclasses
import threading
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from gnomon.instances import InputShape, OutputType, Step
from gnomon.names import AliasName, ApiKeyName, MetricName, ProjectName
from gnomon_registry.adapters.catalog import SqlCatalog
from gnomon_registry.adapters.prometheus import PrometheusObserver
from gnomon_registry.domain.api_key import ApiKey, EarlierText
from gnomon_registry.domain.entities import (
    Alias,
    Answered,
    BlobOwner,
    Change,
    ChangeKind,
    Definition,
    LabelClass,
    Metric,
    MetricVersion,
    Project,
)
from gnomon_registry.domain.observing import ObservedCatalog
from tests.databases import ENGINES, registry_database
from tests.registry import bundles
from tests.registry.fakes import FakeCatalog

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
BOOLEAN = (LabelClass("false"), LabelClass("true", "it is so — «yes»", True))


def project(name="p", **changes):
    return dataclasses.replace(Project(ProjectName(name), "P", "on p", "e1", NOW, NOW), **changes)


def metric(name="m"):
    definition = Definition(OutputType.BOOLEAN, BOOLEAN, Step.LLM_SPAN, InputShape.OUTPUT, "tone@1")
    return Metric(MetricName(name), definition, "M", "on m", "Is it so?", "e1", NOW, NOW)


def version(number, metric="m"):
    evaluator = bundles.EVALUATOR
    return MetricVersion(
        metric=metric,
        number=number,
        description="the first",
        digest="a" * 64,
        files=tuple(sorted(bundles.listed(bundles.files()))),
        formats=evaluator.formats,
        threshold=0.625,
        max_tokens=256,
        lineage=evaluator.lineage,
        report=b"\x08\x01",
        create_time=NOW,
    )


def alias(alias="production", number=1, metric="m", **changes):
    return dataclasses.replace(Alias(AliasName(metric, alias), number, False, "e1", NOW), **changes)


def change(number=1, old=None, alias="production", kind=ChangeKind.ALIAS_SET, metric="m"):
    return Change(kind, metric, number, NOW, alias, old)


def api_key(key_id, **changes):
    key = ApiKey(
        name=ApiKeyName(key_id),
        display_name="a bot",
        scopes=("score", "registry:write"),
        projects=(),
        secret_sha256=bytes(range(32)),
        last_four="wxyz",
        created_by="operator",
        etag="e1",
        create_time=NOW,
        rotate_time=NOW,
    )
    return dataclasses.replace(key, **changes)


@pytest.fixture(params=["fake", "observed", *ENGINES])
def store(request, tmp_path):
    if request.param == "fake":
        yield FakeCatalog()
        return
    engine = "sqlite" if request.param == "observed" else request.param
    database = registry_database(engine, request, tmp_path)
    catalog = SqlCatalog(database, on_commit=lambda: None)
    if request.param == "observed":
        catalog = ObservedCatalog(catalog, PrometheusObserver(CollectorRegistry()))
    yield catalog
    database.close()


@pytest.fixture
def filled(store):
    """A store with a metric, three versions and an alias."""
    with store.writing() as catalog:
        catalog.put_metric(metric())
        for number in (1, 2, 3):
            catalog.add_version(version(number))
        catalog.put_alias(alias())
    return store


def test_what_was_written_is_read_as_it_was(filled):
    with filled.reading() as catalog:
        assert catalog.metric(MetricName("m")) == metric()
        assert catalog.version("m", 2) == version(2)
        assert catalog.alias(AliasName("m", "production")) == alias()


def test_what_is_not_there_is_none(store):
    with store.reading() as catalog:
        assert catalog.project(ProjectName("p")) is None
        assert catalog.metric(MetricName("m")) is None
        assert catalog.version("m", 1) is None
        assert catalog.alias(AliasName("m", "a")) is None
        assert catalog.answered("x") is None
        assert (catalog.last_number("m"), catalog.last_change()) == (0, 0)


def test_putting_again_overwrites(store):
    later = project(display_name="Q", update_time=NOW + timedelta(days=1))
    with store.writing() as catalog:
        catalog.put_project(project())
        catalog.put_project(later)
    with store.reading() as catalog:
        assert catalog.projects("", 10) == [later]


def test_an_error_undoes_the_whole_transaction(filled):
    def half(catalog):
        catalog.put_project(project())
        catalog.add_version(version(4))
        catalog.log(change())
        catalog.remember(Answered("r", "b", "x"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), filled.writing() as catalog:
        half(catalog)
    with filled.reading() as catalog:
        assert catalog.project(ProjectName("p")) is None
        assert (catalog.last_number("m"), catalog.last_change()) == (3, 0)
        assert catalog.answered("r") is None


def test_a_reader_sees_one_moment(filled):
    with filled.reading() as reader:
        assert reader.last_number("m") == 3
        with filled.writing() as writer:
            writer.add_version(version(4))
        assert reader.last_number("m") == 3
    with filled.reading() as reader:
        assert reader.last_number("m") == 4


def test_writers_wait_for_each_other(filled):
    def add():
        for _ in range(10):
            with filled.writing() as catalog:
                catalog.add_version(version(catalog.last_number("m") + 1))

    threads = [threading.Thread(target=add) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with filled.reading() as catalog:
        assert catalog.live_versions() == [("m", n) for n in range(1, 54)]


def test_lists_start_after_a_key_and_end_at_the_limit(store):
    with store.writing() as catalog:
        for name in ("b", "a-b", "a", "c"):
            catalog.put_project(project(name))
            catalog.put_metric(metric(name))
    with store.reading() as catalog:
        assert [p.name.project for p in catalog.projects("", 10)] == ["a", "a-b", "b", "c"]
        assert [p.name.project for p in catalog.projects("a", 2)] == ["a-b", "b"]
        assert [m.name.metric for m in catalog.metrics("b", 2)] == ["c"]


def test_removed_is_gone(filled):
    with filled.writing() as catalog:
        catalog.put_project(project())
        catalog.put_metric(metric("other"))
    with filled.writing() as catalog:
        catalog.remove_project(ProjectName("p"))
        catalog.remove_metric(MetricName("other"))
        catalog.remove_alias(AliasName("m", "production"))
    with filled.reading() as catalog:
        assert catalog.projects("", 10) == []
        assert [m.name.metric for m in catalog.metrics("", 10)] == ["m"]
        assert catalog.aliases(None, "", None) == []


def test_versions_come_newest_first_and_deleted_ones_on_request(filled):
    with filled.writing() as catalog:
        catalog.set_delete_time("m", 2, NOW)
    with filled.reading() as catalog:
        numbers = [v.number for v in catalog.versions_newest_first("m", None, 10, show_deleted=False)]
        with_deleted = [v.number for v in catalog.versions_newest_first("m", None, 2, show_deleted=True)]
        before = [v.number for v in catalog.versions_newest_first("m", 2, 10, show_deleted=True)]
        assert (numbers, with_deleted, before) == ([3, 1], [3, 2], [1])
        assert catalog.version("m", 2).delete_time == NOW
        assert catalog.live_versions() == [("m", 1), ("m", 3)]
        assert catalog.last_number("m") == 3
    with filled.writing() as catalog:
        catalog.set_delete_time("m", 2, None)
        assert catalog.version("m", 2) == version(2)


def test_versions_know_who_points_at_them(filled):
    with filled.writing() as catalog:
        catalog.put_alias(alias("blue"))
        catalog.put_alias(alias("shadow", 3))
    with filled.reading() as catalog:
        assert catalog.version("m", 1).aliases == ("blue", "production")
        listed = catalog.versions_newest_first("m", None, 10, show_deleted=False)
        assert [v.aliases for v in listed] == [("shadow",), (), ("blue", "production")]


def test_aliases_are_listed_of_one_metric_or_of_all(filled):
    with filled.writing() as catalog:
        catalog.put_metric(metric("n"))
        catalog.add_version(version(1, "n"))
        catalog.put_alias(alias("blue", metric="n"))
        catalog.put_alias(alias("shadow"))
    with filled.reading() as catalog:
        names = [str(a.name) for a in catalog.aliases(None, "", None)]
        assert names == ["metrics/m/aliases/production", "metrics/m/aliases/shadow", "metrics/n/aliases/blue"]
        assert [a.name.alias for a in catalog.aliases("m", "production", 5)] == ["shadow"]
        assert [a.name.alias for a in catalog.aliases("m", "", 1)] == ["production"]


def test_the_log_keeps_its_order_and_gives_increasing_ids(filled):
    with filled.writing() as catalog:
        for number in (1, 2, 3):
            catalog.log(change(number))
    with filled.reading() as catalog:
        logged = catalog.changes(0, 10)
        ids = [entry.id for entry in logged]
        assert ids == sorted(set(ids))
        assert [entry.number for entry in logged] == [1, 2, 3]
        assert catalog.last_change() == ids[-1]
        assert [entry.number for entry in catalog.changes(ids[0], 1)] == [2]
        assert dataclasses.replace(logged[0], id=0) == change(1)


def test_the_history_of_one_alias_is_its_part_of_the_log_backwards(filled):
    with filled.writing() as catalog:
        catalog.log(change(1))
        catalog.log(change(2, alias="shadow"))
        catalog.log(change(9, metric="n"))
        catalog.log(change(3, old=1))
        catalog.log(change(None, old=3, kind=ChangeKind.ALIAS_DELETED))
    with filled.reading() as catalog:
        name = AliasName("m", "production")
        history = catalog.alias_changes_newest_first(name, None, 10)
        assert [(entry.old_number, entry.number) for entry in history] == [(3, None), (1, 3), (None, 1)]
        assert catalog.alias_changes_newest_first(name, history[0].id, 1) == [history[1]]


def test_keys_are_kept_with_their_digests_and_listed_by_name(store):
    plain = api_key("aaa")
    earlier = tuple(EarlierText(bytes([n]) * 32, NOW + timedelta(microseconds=n)) for n in (3, 2, 1))
    whole = api_key("bbb", earlier=earlier, revoke_time=NOW, expire_time=NOW)
    one_earlier = api_key("ccc", earlier=earlier[:1])
    with store.writing() as catalog:
        catalog.put_api_key(whole)
        catalog.put_api_key(plain)
        catalog.put_api_key(one_earlier)
        catalog.put_api_key(plain := dataclasses.replace(plain, display_name="renamed", projects=("p",)))
    with store.reading() as catalog:
        assert [catalog.api_key(key_id) for key_id in ("aaa", "bbb", "ddd")] == [plain, whole, None]
        assert catalog.api_keys("", 10) == [plain, whole, one_earlier]
        assert (catalog.api_keys("aaa", 1), catalog.api_keys("", 1)) == ([whole], [plain])


def test_answered_requests_are_remembered(store):
    answered = Answered("5f4dcc3b-0000-4000-8000-000000000000", "b" * 64, "metrics/m/versions/1")
    with store.writing() as catalog:
        catalog.remember(answered)
    with store.reading() as catalog:
        assert catalog.answered(answered.request_id) == answered


def test_sizes_count_what_there_is(filled):
    with filled.writing() as catalog:
        catalog.set_delete_time("m", 1, NOW)
        catalog.log(change())
    with filled.reading() as catalog:
        sizes = catalog.sizes()
        live, last = len(catalog.live_versions()), catalog.last_change()
        counts = len(catalog.projects("", 100)), len(catalog.metrics("", 100))
        aliases = len(catalog.aliases(None, "", None))

    assert (sizes.projects, sizes.metrics) == counts
    assert (sizes.versions, sizes.versions_published) == (live, live + 1)
    assert (sizes.aliases, sizes.last_change) == (aliases, last)


def test_blobs_are_counted_for_the_key_that_stored_them(store):
    first, second = "a" * 64, "b" * 64
    with store.writing() as catalog:
        catalog.put_blob_owner(first, BlobOwner("apiKeys/a", 2**40))
        catalog.put_blob_owner(second, BlobOwner("apiKeys/a", 5))
        catalog.put_blob_owner("c" * 64, BlobOwner("apiKeys/b", 7))
    with store.reading() as catalog:
        assert catalog.stored_bytes("apiKeys/a") == 2**40 + 5
        assert catalog.stored_bytes("apiKeys/nobody") == 0
        assert catalog.blob_owner(first) == BlobOwner("apiKeys/a", 2**40)
        assert catalog.blob_owner("d" * 64) is None
        assert sorted(catalog.owned_blobs()) == [first, second, "c" * 64]
    with store.writing() as catalog:
        catalog.put_blob_owner(second, BlobOwner("apiKeys/b", 5))
        catalog.remove_blob_owner(first)
    with store.reading() as catalog:
        assert (catalog.stored_bytes("apiKeys/a"), catalog.stored_bytes("apiKeys/b")) == (0, 12)
