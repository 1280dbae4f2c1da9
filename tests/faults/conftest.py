"""One deployment of real processes with small limits, for tests of what is at a limit and one beyond."""

from collections.abc import Iterator

import pytest
from benchmarks.faults.calling import RegistryCalls
from benchmarks.faults.sites import Site, site

LIMITS = {
    "registry": {
        "GNOMON_REGISTRY_MAX_MESSAGE_BYTES": "100000",
        "GNOMON_REGISTRY_MAX_BLOB_BYTES": "300000",
    },
    "trainer": {
        "GNOMON_TRAINER_WORKERS": "0",
        "GNOMON_TRAINER_MAX_MESSAGE_BYTES": "400000",
        "GNOMON_TRAINER_MAX_UPLOAD_BYTES": "200000",
        "GNOMON_TRAINER_MAX_UNPACKED_BYTES": "300000",
        "GNOMON_TRAINER_MAX_ROWS": "500",
        "GNOMON_TRAINER_MAX_CELL_CHARACTERS": "1000",
    },
    "scorer": {"GNOMON_SCORER_MAX_MESSAGE_BYTES": "400000"},
}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("limits")
    with site(home, ("registry", "trainer", "scorer"), environment=LIMITS) as made:
        with made.client() as client:
            client.projects.create("p")
            client.metrics.create("m", output_type="boolean", input_shape="input_output")
        RegistryCalls(made.addresses["registry"]).make_metric("n")
        yield made
