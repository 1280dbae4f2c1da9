"""A disk that runs full, for real: a small one below the trainer's data, or below its database."""

import contextlib
import os
import subprocess
import time

import pytest
from benchmarks.faults.kills import SHORT
from benchmarks.faults.sites import inside, site, until

from gnomon.errors import StorageFullError
from gnomon.v1 import resources_pb2 as pb

METRIC = "toxicity"


@contextlib.contextmanager
def small_disk(folder, mebibytes=12):
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "gnomon-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def filled(folder):
    """Fill a disk to the last byte; make room again at the end."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
        yield
    filler.unlink()


def rows(home, start, count):
    file = home / f"rows-{start}.csv"
    numbers = range(start, start + count)
    lines = [f"question {n},answer {n},{'true' if n % 2 else 'false'}\n" for n in numbers]
    file.write_text("input,output,label\n" + "".join(lines))
    return file


def environment():
    short = {"SHORT_TRAINING_STEPS": "60", "SHORT_TRAINING_S": "0.1", "GNOMON_TRAINER_LEASE_S": "4"}
    return {"trainer": {**short, **inside(worker=SHORT)}}


def start_run(client, home):
    client.projects.create("p")
    client.metrics.create(METRIC, output_type="boolean", input_shape="input_output")
    for name, start, count in (("train", 0, 300), ("test", 100_000, 160)):
        client.datasets.upload(name, rows(home, start, count), metric=METRIC)
    client.runs.create("p", metric=METRIC, training_set="train", test_set="test", run_id="r")
    until(lambda: client.runs.get("p/r").progress.step > 3)


def refuses_upload(client, home):
    with pytest.raises(StorageFullError):
        client.datasets.upload("more", rows(home, 500_000, 60_000), metric=METRIC)
    assert [found.name for found in client.datasets.list()] == ["datasets/test", "datasets/train"]


def upload_until_refused(client, file):
    """A write-ahead log may have room left in what it occupies already."""
    for number in range(200):
        client.datasets.upload(f"more-{number}", file, metric=METRIC)


@pytest.mark.slow
@pytest.mark.long
def test_a_run_whose_checkpoint_finds_the_disk_full_says_so_and_is_resumed_once_there_is_room(tmp_path):
    with (
        small_disk(tmp_path / "trainer" / "data") as disk,
        site(tmp_path, environment=environment()) as made,
        made.client() as client,
    ):
        start_run(client, tmp_path)
        with filled(disk):
            refuses_upload(client, tmp_path)
            until(lambda: client.runs.get("p/r").state == pb.Run.FAILED)
            stopped = client.runs.get("p/r")
        run = client.runs.resume("p/r").result(timeout_s=120)
        client.datasets.upload("more", rows(tmp_path, 500_000, 100), metric=METRIC)

    assert stopped.error.details
    assert "disk is full" in stopped.error.message
    assert (run.state, run.metric_version) == (pb.Run.REGISTERED, f"metrics/{METRIC}/versions/1")


@pytest.mark.slow
@pytest.mark.long
def test_a_trainer_whose_database_finds_the_disk_full_says_so_and_its_run_goes_on_by_itself(tmp_path):
    with (
        small_disk(tmp_path / "disk") as disk,
        site(
            tmp_path,
            databases={"trainer": f"sqlite:///{disk / 'trainer.db'}"},
            environment=environment(),
        ) as made,
        made.client() as client,
    ):
        start_run(client, tmp_path)
        with filled(disk):
            with pytest.raises(StorageFullError):
                upload_until_refused(client, rows(tmp_path, 500_000, 100))
            time.sleep(2)
        until(lambda: client.runs.get("p/r").state in {pb.Run.REGISTERED, pb.Run.FAILED})
        run = client.runs.get("p/r")

    assert (run.state, run.metric_version) == (pb.Run.REGISTERED, f"metrics/{METRIC}/versions/1")
