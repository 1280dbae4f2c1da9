"""Quotas over real processes: each at its limit and one beyond, and other keys untouched."""

import itertools
import json
import re
import socket
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import gnomon
from gnomon import examples
from gnomon.cli.main import main
from gnomon.errors import DeadlineExceededError, QuotaExceededError
from gnomon.quotas import Quotas
from tests.e2e.deployment import QUICK, make_metric, upload_example
from tests.e2e.guarded import Guarded, guarded
from tests.scorer.evaluators import make_bundle

KNOWN_S = 10.0
"""A second is promised; a machine that runs other tests as well may take its time."""


@dataclass
class Deployed:
    services: Guarded
    home: Path
    metrics: str

    def client(self, quotas: Quotas) -> tuple[str, gnomon.Client]:
        name, text = self.services.key("score", "train", quotas=quotas)
        addresses = {service: each.address for service, each in self.services.services.items()}
        return name, gnomon.Client(**addresses, api_key=text, timeout_s=60.0)

    def refusals(self, quota: str) -> float:
        """Return how many calls the scorer has refused for a quota."""
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=10) as page:
            text = page.read().decode()
        found = re.search(rf'^gnomon_rpc_quota_refusals_total{{quota="{quota}"}} (\S+)$', text, re.MULTILINE)
        assert found is not None
        return float(found[1])


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        metrics = f"127.0.0.1:{free.getsockname()[1]}"
    home = tmp_path_factory.mktemp("quotas")
    scorer = {"FORMAT": "onnx-fp32", "TUNING_S": "0", "METRICS_LISTEN": metrics}
    with guarded(home, scorer=scorer) as services:
        folder = make_bundle().write(tmp_path_factory.mktemp("bundle") / "v1")
        (folder / "report.json").write_text('{"test_rows": 160}')
        (folder / "MODEL_CARD.md").write_text("# Card\n")
        with services.client(services.admin) as client:
            client.metrics.create("toxicity", output_type="boolean", input_shape="output")
            client.versions.create("toxicity", folder)
            make_metric(client)
            client.projects.create("e2e")
            client.score("toxicity@1", output="a good movie", timeout_s=120.0)  # it is being loaded
        yield Deployed(services, home, metrics)


NUMBERS = itertools.count()


def score(client: gnomon.Client, **options: Any) -> Any:
    """Score a text that no cache knows."""
    words = ["good" if bit == "1" else "bad" for bit in f"{next(NUMBERS):012b}"]
    return client.score("toxicity@1", output=" ".join(words), **options)


def refused(act: Callable[[], object]) -> QuotaExceededError:
    with pytest.raises(QuotaExceededError) as raised:
        act()
    return raised.value


@pytest.mark.slow
def test_a_client_that_is_too_fast_is_slowed_down_and_does_not_hammer(deployed: Deployed) -> None:
    before = deployed.refusals("calls_per_second")
    _, client = deployed.client(Quotas(calls_per_second=5))
    with client, deployed.client(Quotas())[1] as other:
        started = time.monotonic()
        for _ in range(13):
            score(client)
        took_s = time.monotonic() - started
        score(other, timeout_s=5.0)

        def hurry() -> None:
            for _ in range(200):
                with suppress(DeadlineExceededError):  # a refusal at the last moment leaves no time to say so
                    score(client, timeout_s=0.15)

        error = refused(hurry)  # what a caller learns who does not wait
    again = deployed.refusals("calls_per_second") - before

    assert took_s >= (13 - 5) / 5 * 0.9
    assert 1 <= again <= 13 * 3
    assert error.metadata["quota"] == "calls_per_second"


@pytest.mark.slow
def test_a_scorer_reads_so_many_tokens_a_minute_for_a_key(deployed: Deployed) -> None:
    name, client = deployed.client(Quotas(tokens_per_minute=90))
    read = []
    with client, deployed.client(Quotas(tokens_per_minute=90))[1] as other:

        def read_on() -> None:
            while True:
                read.append(score(client, timeout_s=0.5).token_count)

        error = refused(read_on)
        score(other)

    assert sum(read[:-1]) <= 90 + 90 / 60 * 30
    assert sum(read) > 90
    assert error.metadata["quota"] == "tokens_per_minute"
    assert error.metadata["resource"] == name
    assert error.retry_after_s is not None
    assert error.retry_after_s <= max(read) / 1.5 + 1


def test_a_stream_beyond_its_quota_is_scored_whole_where_a_call_is_refused(deployed: Deployed) -> None:
    rows = [{"output": f"good movie {index}"} for index in range(1300)]
    with deployed.client(Quotas())[1] as other:
        tokens = other.score("toxicity@1", output="good movie 7777").token_count
    # A stream is read 1,024 rows ahead; of 1,000 a minute, the others wait for the debt of 24.
    _, client = deployed.client(Quotas(tokens_per_minute=1000 * tokens))
    with client:
        outcomes = list(client.score_stream("toxicity@1", rows))
        error = refused(lambda: score(client, timeout_s=0.2))

    assert len(outcomes) == 1300
    assert error.metadata["quota"] == "tokens_per_minute"


def test_datasets_fill_a_key_s_storage_and_deleting_them_gives_it_back(deployed: Deployed) -> None:
    example = examples.load("commitment")
    path = Path(str(example.test_set))
    with deployed.services.client(deployed.services.admin) as admin:
        size = admin.datasets.upload("probe", path, metric="commitment").dataset.size_bytes
        name, client = deployed.client(Quotas(storage_bytes=2 * size))
        with client:
            client.datasets.upload("mine-1", path, metric="commitment")
            client.datasets.upload("mine-2", path, metric="commitment")
            assert admin.keys.usage(name)["trainer"].storage_bytes == 2 * size
            error = refused(lambda: client.datasets.upload("mine-3", path, metric="commitment"))
            client.datasets.delete("mine-1")
            client.datasets.upload("mine-3", path, metric="commitment")
        assert admin.keys.usage(name)["trainer"].storage_bytes == 2 * size

    assert error.metadata == {
        "quota": "storage_bytes",
        "limit": str(2 * size),
        "used": str(2 * size),
        "resource": name,
    }
    assert error.retry_after_s is None


def test_a_key_whose_hours_are_used_up_creates_no_further_run(deployed: Deployed) -> None:
    name, client = deployed.client(Quotas(training_hours=1))
    with deployed.services.client(deployed.services.admin) as admin:
        upload_example(admin)
    run = {"metric": "commitment", "training_set": "train", "test_set": "test", **QUICK}
    with client, deployed.client(Quotas(training_hours=1))[1] as other:
        client.runs.create("e2e", run_id="first", **run)
        (database,) = deployed.home.rglob("trainer.db")
        with sqlite3.connect(database, timeout=10) as connection:  # an hour of a worker
            (uid,) = connection.execute("SELECT uid FROM run_owners WHERE api_key = ?", (name,)).fetchone()
            now = time.time()
            connection.execute("INSERT INTO worker_times VALUES (?, 1, ?, ?)", (uid, now - 3600, now))
        error = refused(lambda: client.runs.create("e2e", run_id="second", **run))
        assert [one.name for one in client.runs.list("e2e")] == ["projects/e2e/runs/first"]
        other.runs.create("e2e", run_id="third", **run)

    assert error.metadata["quota"] == "training_hours"
    assert float(error.metadata["used"]) == pytest.approx(1.0, abs=0.01)


def test_quotas_are_given_changed_and_shown_on_the_command_line(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for service, process in deployed.services.services.items():
        monkeypatch.setenv(f"GNOMON_{service.upper()}_ADDRESS", process.address)
    monkeypatch.setenv("GNOMON_API_KEY", deployed.services.admin)

    def run(*words: str) -> Any:
        status = main([*words, "--json"])
        return status, json.loads(capsys.readouterr().out)

    _, made = run("keys", "create", "--scope", "score", "--calls-per-second", "0.001")
    name = made["api_key"]["name"]
    with deployed.services.client(made["key_text"]) as client:
        score(client)
        error = refused(lambda: score(client, timeout_s=1.0))
        assert error.retry_after_s is not None
        status, changed = run("keys", "limit", name, "--calls-per-second", "0", "--storage-bytes", "7")
        until = time.monotonic() + KNOWN_S
        while True:
            try:
                score(client, timeout_s=1.0)
                break
            except QuotaExceededError:
                assert time.monotonic() < until
                time.sleep(0.05)
    _, used = run("keys", "usage", name)
    assert main(["keys", "usage", name]) == 0
    shown = capsys.readouterr().out

    assert status == 0
    assert changed["quotas"]["storage_bytes"] == "7"
    assert used["quotas"]["calls_per_second"] == 0
    assert used["usage"] == {
        service: {"storage_bytes": 0, "training_hours": 0.0} for service in ("registry", "trainer")
    }
    assert "limit 7" in shown
    assert main(["keys", "limit", name]) == 2
