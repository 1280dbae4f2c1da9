"""A first load is given no more memory than the container has left."""

from pathlib import Path

import pytest

from gnomon_scorer.adapters import cgroups, quarantine, quarantine_child

_MIB = 1024**2


def group(folder, most, used, inactive=0):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {inactive}\n")


def own(folder, text):
    file = folder / "own"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("most", "used", "inactive", "free"),
    [("max", 5, 0, None), (100, 30, 0, 70), (100, 90, 40, 50), (100, 120, 0, 0)],
)
def test_what_is_left_is_the_limit_less_what_cannot_be_reclaimed(tmp_path, most, used, inactive, free):
    group(tmp_path, most, used, inactive)

    assert cgroups.free_bytes(tmp_path, own(tmp_path, "0::/\n")) == free


def test_the_tightest_of_the_groups_around_a_process_counts(tmp_path):
    group(tmp_path / "pods", 50, 10)
    group(tmp_path / "pods/scorer", "max", 10)

    assert cgroups.free_bytes(tmp_path, own(tmp_path, "0::/pods/scorer\n")) == 40


def test_a_path_of_another_name_space_is_the_mounts_own_group(tmp_path):
    group(tmp_path, 100, 30)

    assert cgroups.free_bytes(tmp_path, own(tmp_path, "0::/docker/not-seen-here\n")) == 70


def test_the_first_version_of_control_groups_is_read_as_well(tmp_path):
    folder = tmp_path / "memory" / "docker"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text("100\n")
    (folder / "memory.usage_in_bytes").write_text("60\n")
    (folder / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 20\n")

    assert cgroups.free_bytes(tmp_path, own(tmp_path, "5:cpu,memory:/docker\n3:pids:/x\n")) == 60


def test_where_nothing_limits_nothing_is_told(tmp_path):
    assert cgroups.free_bytes(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize("free_mib", [None, 0, 300, 1000, 6 * 1024, 100 * 1024])
def test_a_first_load_leaves_a_reserve_of_what_the_container_has(tmp_path, monkeypatch, free_mib):
    """For a bundle of 700 MB, which would like six and a half gigabytes."""
    size = 700 * 10**6
    monkeypatch.setattr(quarantine, "_size", lambda folder: size)
    monkeypatch.setattr(cgroups, "free_bytes", lambda: None if free_mib is None else free_mib * _MIB)

    memory = quarantine._memory(tmp_path)

    assert 0 <= memory <= 1024**3 + 8 * size
    if free_mib is None or free_mib > 50 * 1024:
        assert memory == 1024**3 + 8 * size
    else:
        assert memory == max(0, free_mib * _MIB - quarantine._RESERVE_BYTES)


def test_the_child_goes_first_where_memory_runs_out(monkeypatch):
    written = {}
    monkeypatch.setattr(Path, "write_text", lambda path, text: written.setdefault(str(path), text))
    monkeypatch.setattr(quarantine_child.ctypes, "CDLL", lambda _: (_ for _ in ()).throw(OSError))

    quarantine_child._bind()

    assert written == {"/proc/self/oom_score_adj": "1000"}
