"""All that asks an LLM, with a real one. It judges and writes badly: what is looked at is how it is reached,
read, lost and found again, and that what is counted adds up.
"""

import json
import statistics
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import gnomon
from gnomon import examples, local
from gnomon.errors import DatasetTooSmallError, DatasetUnsuitableError, JudgeBudgetSpentError
from gnomon.local import ServiceProcess
from gnomon.status import from_status
from gnomon.v1 import generations_pb2, labellings_pb2, trainer_service_pb2
from gnomon.v1 import resources_pb2 as pb
from tests.e2e import llm_server
from tests.e2e.deployment import client_of
from tests.e2e.llm_counter import Counter, counted
from tests.e2e.llm_server import LlmServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not llm_server.is_installed(),
        reason="no LLM is installed: `make llm` does it, or GNOMON_LLM_ENVIRONMENT names where one is",
    ),
]

LABELS = {"false", "true"}
NO_VOTE = "PROVIDER_ANSWER_INVALID"
CONCURRENCY = 2
ROWS = 12
Source = trainer_service_pb2.Judgement.Source
Record = Callable[[str, object], None]


@dataclass(frozen=True)
class Site:
    """Gnomon with `providers/local`, which a counting proxy leads to the server."""

    services: Mapping[str, ServiceProcess]
    client: gnomon.Client
    server: LlmServer
    counter: Counter
    folder: Path

    def write(self, name: str, rows: list[dict[str, Any]]) -> Path:
        path = self.folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def since(self, first: int) -> Counter:
        return Counter(self.counter.port, self.counter.exchanges[first:])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlmServer]:
    server = LlmServer(tmp_path_factory.mktemp("llm") / "llm.log")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, server: LlmServer) -> Iterator[Site]:
    services = local.deployment(tmp_path_factory.mktemp("gnomon"))
    trainer, folder = services["trainer"], tmp_path_factory.mktemp("rows")
    with counted(server.port) as counter:
        trainer.environment = dict(trainer.environment) | {
            "GNOMON_TRAINER_ALLOWED_HOSTS": f"127.0.0.1:{counter.port}",
            "GNOMON_TRAINER_JUDGE_CONCURRENCY": str(CONCURRENCY),
            "GNOMON_TRAINER_JUDGE_TIMEOUT_S": "180",
        }
        try:
            local.start(services)
            with client_of(services) as client:
                site = Site(services, client, server, counter, folder)
                furnish(site)
                yield site
        finally:
            local.stop(services)


def furnish(site: Site) -> None:
    """Create a provider, a metric with a short prompt, `logs` without labels, `few` and `test` with them."""
    client, example = site.client, examples.load("commitment")
    base_url = f"http://127.0.0.1:{site.counter.port}/v1"
    client.providers.create("local", base_url=base_url, model=llm_server.MODEL, api_key=llm_server.KEY)
    client.metrics.create(
        "commitment",
        output_type="boolean",
        input_shape="input_output",
        judge_prompt="Does the output promise that somebody will do something?",
    )
    client.projects.create("demo")
    with example.training_set.open(encoding="utf-8") as lines:
        texts = [json.loads(line) for line in islice(lines, ROWS)]
    logs = site.write("logs", [{key: row[key] for key in ("input", "output")} for row in texts])
    client.datasets.upload("logs", logs, metric="commitment", unlabelled=True)
    with example.test_set.open(encoding="utf-8") as lines:
        few = [json.loads(line) for line in islice(lines, ROWS)]
    client.datasets.upload("few", site.write("few", few), metric="commitment")
    client.datasets.upload("test", Path(str(example.test_set)), metric="commitment")


def wait_for(reached: Callable[[], bool], timeout_s: float = 300.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def labelled_rows(site: Site, done: labellings_pb2.Labelling) -> list[dict[str, Any]]:
    """Return the rows that a labelling made; every row must be in them, or counted as failed."""
    assert done.progress.judged_count + done.progress.failed_count == done.progress.total_count == ROWS
    assert sum(done.failure_counts.values()) == len(done.failures) == done.progress.failed_count
    assert {row.reason for row in done.failures} <= {NO_VOTE}
    assert len({row.row for row in done.failures}) == len(done.failures)
    path = site.folder / f"{done.name.rpartition('/')[2]}.jsonl"
    site.client.datasets.download(done.labelled_dataset, path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == done.progress.judged_count
    return rows


def check_labels(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert str(row["label"]).lower() in LABELS
        assert str(row["label"]).lower() == str(row["judge_label"]).lower()
        shares = row["label_probabilities"]
        assert sum((json.loads(shares) if isinstance(shares, str) else shares).values()) == pytest.approx(1)


def tell(record_property: Record, counter: Counter, seconds: float, rows: int) -> None:
    """Write down, for who looks (`--junitxml`), how the server did."""
    answers = counter.answers
    record_property("answers", len(answers))
    record_property("answers_for_rows", rows)
    record_property("seconds", round(seconds, 1))
    record_property("median_seconds_an_answer", round(statistics.median(each.seconds for each in answers), 2))
    record_property("longest_answer_s", round(max(each.seconds for each in answers), 1))
    record_property("broken_off", sum(each.status == 0 for each in counter.exchanges))
    record_property("refused", sum(each.status > 200 for each in counter.exchanges))


def test_a_provider_is_tested_and_rows_are_judged_with_votes(site: Site, record_property: Record) -> None:
    tested = site.client.providers.test("local")
    assert tested.model == llm_server.MODEL
    assert tested.json_schema.works, tested
    assert tested.log_probabilities.works, tested

    first, started = len(site.counter.exchanges), time.monotonic()
    rows = [json.loads(line) for line in (site.folder / "logs.jsonl").read_text().splitlines()[:4]]
    too_long = {"input": "Hi", "output": "no " * 5_000}
    judged = site.client.judges.judge("commitment", [*rows, too_long], provider="local", votes=2)
    tell(record_property, site.since(first), time.monotonic() - started, len(rows))

    *results, of_too_long = judged.results
    assert "context" in of_too_long.error.message  # it fails alone
    with_vote = [each.judgement for each in results if each.HasField("judgement")]
    record_property("without_vote", len(results) - len(with_vote))
    record_property(
        "by_token_probabilities", sum(each.source == Source.TOKEN_PROBABILITIES for each in with_vote)
    )
    for judgement in with_vote:
        assert judgement.label in LABELS
        assert judgement.votes == 2
        assert {each.label for each in judgement.classes} == LABELS
        assert sum(each.share for each in judgement.classes) == pytest.approx(1)
    assert judged.input_tokens > 100 * len(with_vote)
    assert judged.output_tokens > 2 * len(with_vote)


def test_a_labelling_and_the_run_that_waits_for_it_outlast_the_death_of_the_server(
    site: Site, record_property: Record
) -> None:
    first, started = len(site.counter.exchanges), time.monotonic()
    operation = site.client.labellings.label("logs", provider="local", labelling_id="dies", canary_count=0)
    waits = site.client.runs.create(
        "demo", metric="commitment", labelling=operation.name, test_set="test", run_id="waits"
    )
    wait_for(lambda: site.client.labellings.get("dies").progress.judged_count >= 3)
    assert site.client.runs.get("demo/waits").state == pb.Run.State.LABELLING
    site.server.kill()
    wait_for(lambda: site.counter.exchanges[-1].status == 0)
    site.server.start()
    up = time.monotonic()
    done = operation.result(timeout_s=600)
    seconds = time.monotonic() - started

    record_property("without_vote", done.progress.failed_count)
    counter = site.since(first)
    record_property(
        "answer_after_restart_s", round(min(a.ended for a in counter.answers if a.ended > up) - up, 1)
    )
    tell(record_property, counter, seconds, ROWS)
    check_labels(labelled_rows(site, done))
    assert max(Tally(each.question for each in counter.answers).values()) == 1  # nothing is paid twice
    with pytest.raises((DatasetTooSmallError, DatasetUnsuitableError)):  # 12 rows make no evaluator
        waits.result(timeout_s=60)
    assert site.client.runs.get("demo/waits").state == pb.Run.State.FAILED


def test_a_killed_trainer_goes_on_and_asks_for_no_answer_that_it_had(
    site: Site, record_property: Record
) -> None:
    first, started = len(site.counter.exchanges), time.monotonic()
    operation = site.client.labellings.label(
        "logs@1", provider="local", labelling_id="killed", target_dataset_id="other", canary_count=0
    )
    wait_for(lambda: site.client.labellings.get("killed").progress.judged_count >= 3)
    site.services["trainer"].kill()
    killed = time.monotonic()
    before = {each.question for each in site.since(first).answers}
    site.services["trainer"].start()
    done = operation.result(timeout_s=600)
    seconds = time.monotonic() - started

    counter = site.since(first)
    after = [each for each in counter.answers if each.ended > killed]
    record_property("first_answer_after_kill_s", round(min(each.ended for each in after) - killed, 1))
    record_property("without_vote", done.progress.failed_count)
    again = sum(Tally(each.question for each in counter.answers).values()) - len(
        {each.question for each in counter.answers}
    )
    record_property("answers_paid_again", again)
    tell(record_property, counter, seconds, ROWS)
    check_labels(labelled_rows(site, done))
    assert len(before) >= 3
    assert again <= CONCURRENCY  # those under way: the server ends them, and nobody listens


def test_a_validation_with_canaries_counts_every_row(site: Site, record_property: Record) -> None:
    first, started = len(site.counter.exchanges), time.monotonic()
    operation = site.client.labellings.validate(
        "few", provider="local", labelling_id="validated", canary_count=4
    )
    done = operation.result(timeout_s=600)
    tell(record_property, site.since(first), time.monotonic() - started, ROWS + 4)

    report, canaries = done.report, done.canaries
    record_property("without_vote", done.progress.failed_count)
    assert done.progress.judged_count + done.progress.failed_count == ROWS
    assert report.row_count == done.progress.judged_count
    assert sum(report.confusion_matrix) == report.row_count
    right = sum(report.confusion_matrix[0::3])  # the diagonal of two by two
    assert report.wrong_count == report.row_count - right
    assert len(list(site.client.labellings.wrong_rows("validated"))) == report.wrong_count
    assert canaries.followed_count <= canaries.count <= 4
    assert canaries.count + canaries.failed_count <= 4
    assert sum(kind.count for kind in canaries.kinds) == canaries.count


def test_a_generation_ends_within_its_budget_and_counts_every_item(
    site: Site, record_property: Record
) -> None:
    first, started = len(site.counter.exchanges), time.monotonic()
    states = generations_pb2.Generation.State
    site.client.generations.create(
        "commitment",
        provider="local",
        test_set="few",
        generation_id="tiny",
        sample_rows=2,
        rows=2,
        budget={"max_tokens": 12_000},
    )
    *_, end = site.client.generations.watch("tiny")
    if end.state == states.AWAITING_REVIEW:
        site.client.generations.approve("tiny")
        *_, end = site.client.generations.watch("tiny")
    tell(record_property, site.since(first), time.monotonic() - started, end.progress.kept_count)

    found, dropped = end.progress, end.progress.dropped
    losses = {field.name: getattr(dropped, field.name) for field in dropped.DESCRIPTOR.fields}
    record_property("ended", f"{states.Name(end.state)} {end.error.message}")
    record_property("kept", found.kept_count)
    record_property("dropped", json.dumps(losses))
    assert found.asked_count >= found.kept_count + sum(losses.values())
    if end.state == states.GENERATED:
        assert found.asked_count == found.kept_count + sum(losses.values())
        assert found.kept_count in {1, 2}
    else:
        assert end.state == states.FAILED
        assert end.error.message
        if isinstance(from_status(end.error), JudgeBudgetSpentError):
            assert found.input_tokens + found.output_tokens <= 12_000 + 2048
    assert len(list(site.client.generations.rows("tiny"))) == found.kept_count
