"""What the faults' benchmark publishes is what a registry takes."""

import pytest
from benchmarks.faults import bundles, many_runs

from gnomon.bundle import BundleFile
from gnomon.bundle_checks import check_contents, folder_opener


def test_the_smallest_bundle_passes_the_checks_and_each_salt_makes_another(tmp_path):
    made = [bundles.files("m", salt) for salt in ("1", "2")]
    for path, content in made[0].items():
        (tmp_path / path).write_bytes(content)
    listed = [BundleFile(path, bundles.sha256(content), len(content)) for path, content in made[0].items()]

    assert check_contents(listed, folder_opener(tmp_path)).metric == "metrics/m"
    assert made[0]["model.onnx"] != made[1]["model.onnx"]


@pytest.mark.slow
def test_a_few_short_runs_end_as_versions(tmp_path):
    found = many_runs.measure(tmp_path, many_runs.Plan(workers=2, runs=4, stops=0, jumps=0, lease_s=30.0))

    assert found["problems"] == []
    assert (found["runs"], found["versions"]) == (4, 4)
