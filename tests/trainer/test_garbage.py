"""Rows and work folders that nothing needs are removed, and no others."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gnomon_trainer.adapters import garbage as garbage_module
from gnomon_trainer.adapters.garbage import Garbage
from gnomon_trainer.adapters.row_files import RowFiles
from tests.databases import ENGINES, trainer_database
from tests.trainer.test_stores_contract import SqlStores
from tests.trainer.things import draft, new_run

NOW = 1_800_000_000.0
DAY_S = 86_400.0


class Bench:
    """Stores of a trainer, its data folder, and digests of rows that were stored long ago."""

    def __init__(self, stores: SqlStores, data_dir: Path) -> None:
        self.stores, self.data_dir = stores, data_dir
        self.rows = RowFiles(data_dir / "datasets", data_dir / "tmp")

    def store(self, what: str, age_s: float = 9 * DAY_S) -> str:
        sink = self.rows.sink()
        sink.write({"output": what})
        digest, _ = sink.keep()
        os.utime(self.data_dir / "datasets" / f"{digest}.jsonl", (NOW - age_s, NOW - age_s))
        return digest

    def garbage(self) -> Garbage:
        return Garbage(self.stores.database, self.data_dir, NOW, min_age_s=DAY_S, retention_s=30 * DAY_S)

    def collect(self) -> list[str]:
        garbage = self.garbage()
        return [removed.name for removed in garbage.remove(garbage.find())]


@pytest.fixture(params=ENGINES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    stores = SqlStores(trainer_database(request.param, request, tmp_path))
    yield Bench(stores, tmp_path / "data")
    stores.database.close()


def test_rows_stay_as_long_as_a_dataset_or_a_run_needs_them(bench: Bench) -> None:
    names = ("listed", "in a run", "deleted lately", "deleted long ago", "never listed")
    listed, in_run, lately, long_ago, never = (bench.store(name) for name in names)
    young = bench.store("of an upload that is under way", age_s=60.0)
    drafts = [
        draft("listed", listed),
        draft("in-run", in_run),
        draft("lately", lately),
        draft("long", long_ago),
    ]
    bench.stores.datasets.add(drafts, None, 1.0)
    run = new_run()
    spec = replace(run.spec, training_set="datasets/in-run@1", training_set_digest=in_run)
    spec = replace(spec, test_set="datasets/listed@1", test_set_digest=listed)
    bench.stores.runs.create(replace(run, spec=spec), None)
    bench.stores.datasets.delete("lately", NOW - DAY_S)
    bench.stores.datasets.delete("long", NOW - 31 * DAY_S)

    assert sorted(bench.collect()) == sorted(f"datasets/{digest}.jsonl" for digest in (long_ago, never))
    left = {path.stem for path in (bench.data_dir / "datasets").iterdir()}
    assert left == {listed, in_run, lately, young}


def test_rows_that_are_listed_after_they_were_found_stay(bench: Bench) -> None:
    digest, garbage = bench.store("soon listed"), bench.garbage()
    found = garbage.find()
    bench.stores.datasets.add([draft("train", digest)], None, 1.0)

    assert [path.stem for path in found] == [digest]
    assert list(garbage.remove(found)) == []
    assert list(bench.rows.read(digest)) == [{"output": "soon listed"}]


def test_rows_that_are_stored_again_are_young_again(bench: Bench) -> None:
    bench.store("twice")
    garbage = bench.garbage()
    found = garbage.find()
    bench.store("twice", age_s=0.0)

    assert len(found) == 1
    assert list(garbage.remove(found)) == []


def test_work_folders_go_only_where_there_is_no_such_run(bench: Bench) -> None:
    train, test = bench.store("train"), bench.store("test")
    bench.stores.datasets.add([draft("train", train), draft("test", test)], None, 1.0)
    run = bench.stores.runs.create(new_run(), None)
    for uid in (run.uid, "r-gone"):
        (bench.data_dir / "runs" / uid / "1").mkdir(parents=True)
        (bench.data_dir / "runs" / uid / "1" / "predictions.jsonl").write_bytes(b"12345")
        os.utime(bench.data_dir / "runs" / uid, (NOW - 9 * DAY_S, NOW - 9 * DAY_S))

    assert bench.collect() == ["runs/r-gone"]
    assert [path.name for path in (bench.data_dir / "runs").iterdir()] == [run.uid]


def work_folder(bench: Bench, name: str) -> None:
    folder = bench.data_dir / "runs" / name
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "predictions.jsonl").write_bytes(b"12345")
    os.utime(folder, (NOW - 9 * DAY_S, NOW - 9 * DAY_S))


def test_folders_are_deleted_while_others_may_write(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted: list[Path] = []

    def delete(folder: Path, ignore_errors: bool) -> None:
        bench.stores.datasets.add([draft(f"d{len(deleted)}", bench.store("rows"))], None, 1.0)
        deleted.append(folder)

    for name in ("r-a", "r-b"):
        work_folder(bench, name)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", delete)  # as if it were killed before
        assert sorted(bench.collect()) == ["runs/r-a", "runs/r-b"]
    assert len(deleted) == 2
    assert len(bench.collect()) == 2, "what was left is found again"
    assert list((bench.data_dir / "runs").iterdir()) == []


def test_a_batch_that_took_long_lets_others_write_and_looks_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage_module, "_LONGEST_S", 0.0)
    digests = {bench.store(str(number)) for number in range(2)}
    garbage = bench.garbage()
    removing = garbage.remove(garbage.find())
    (left,) = digests - {Path(next(removing).name).stem}
    bench.stores.datasets.add([draft("train", left)], None, 1.0)

    assert list(removing) == []
    assert len(list(bench.rows.read(left))) == 1
