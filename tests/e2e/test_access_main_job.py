"""The whole main job with keys that may do no more than it needs."""

from pathlib import Path

import pytest

from gnomon.errors import ProjectDeniedError, ScopeMissingError
from tests.e2e.deployment import QUICK, make_metric, upload_example
from tests.e2e.guarded import guarded


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_bound_key_trains_and_another_scores_and_the_worker_registers_with_the_trainers(
    tmp_path: Path,
) -> None:
    with guarded(tmp_path, trainer={"WORKERS": "1"}) as services:
        with services.client(services.admin) as client:
            client.projects.create("mine")
            client.projects.create("other")
            make_metric(client)
        _, trains = services.key("train", projects=["mine"])
        _, scores = services.key("score", projects=["mine"])

        with services.client(trains, timeout_s=120.0) as client:
            upload_example(client)
            sets = {"metric": "commitment", "training_set": "train", "test_set": "test"}
            run = client.runs.create("mine", **sets, **QUICK).result(timeout_s=900)
            with pytest.raises(ProjectDeniedError):
                client.runs.create("other", **sets, **QUICK)
            with pytest.raises(ScopeMissingError):
                client.aliases.set("commitment", "production", run.metric_version)
        with services.client(scores) as client:
            score = client.score("commitment@1", input="Will it come?", output="Yes, by Friday.")
            with pytest.raises(ScopeMissingError):
                list(client.datasets.list())

        secrets = [text.rpartition("_")[2].encode() for text in services.texts]
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert [path for path in files if any(secret in path.read_bytes() for secret in secrets)] == []
    assert run.metric_version == "metrics/commitment/versions/1"
    assert score.label in {"true", "false"}
