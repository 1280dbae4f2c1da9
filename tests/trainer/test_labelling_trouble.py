"""What goes wrong while a judge labels: endpoints, texts, providers that change, two trainers, logs."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import StorageFullError
from gnomon.status import from_status
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from gnomon_trainer.adapters.sql_datasets import SqlDatasetStore
from tests.outbound.listening import http
from tests.trainer.fake_endpoint import DRIPS, HANGS, KEY, FakeEndpoint, completion, failure
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.injections import PAYLOADS
from tests.trainer.labelling import (
    LabellingState,
    answer,
    create,
    create_provider,
    ended,
    firm,
    get,
    item_of,
    labelled,
    labelling_trainer,
    resume,
    rows_of,
    upload_logs,
)
from tests.trainer.running import Trainer, jsonl

TROUBLES = {
    "429": failure("429 Too Many", "slow down", "Retry-After: 0.3"),
    "500": failure("500 Oops"),
    "drip": DRIPS,
    "hang": HANGS,
    "cut JSON": completion('{"explanation": "cut", "lab'),
    "wrong schema": completion('{"verdict": "true"}'),
    "wrong label": completion('{"explanation": "", "label": "APPROVED"}'),
    "50 MB": http(b"x" * 50_000_000),
    "refused": failure("400 Bad Request", "too long"),
}


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint) -> AsyncIterator[Trainer]:
    async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
        yield trainer


async def until_judged(trainer: Trainer, count: int) -> None:
    async with asyncio.timeout(10):
        while (await get(trainer)).progress.judged_count < count:
            await asyncio.sleep(0.02)


async def test_an_endpoint_with_every_trouble_at_once_is_lived_with(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    """Nine texts meet a trouble that comes once; two meet one that stays."""
    left = {f"answer {n + 10}": trouble for n, trouble in enumerate(TROUBLES.values())}

    def reply(body: Any) -> Any:
        text = item_of(body)["Output"].partition(" ")[2]
        if text in {"answer 2", "answer 3"}:
            return TROUBLES["wrong label" if text == "answer 2" else "50 MB"]
        return left.pop(text, None) or firm(body)

    endpoint.reply = reply
    # Long enough for a busy machine to see that an answer is too large.
    async with labelling_trainer(tmp_path, registry, endpoint, judge_timeout_s=2.0) as trainer:
        await upload_logs(trainer, 30)
        done = await labelled(trainer)
        rows = await rows_of(trainer, done.labelled_dataset)

    assert done.state == LabellingState.LABELLED
    # What is too large, or refused for the text it holds, is not asked again; the rest is.
    assert dict(done.failure_counts) == {"PROVIDER_ANSWER_INVALID": 3, "PROVIDER_REFUSED": 1}
    assert len(rows) == 26
    assert {row["label"] for row in rows} == {"true", "false"}
    assert all((row["label"] == "true") == row["output"].startswith("bad") for row in rows)


async def test_a_provider_that_stays_away_stops_it_and_it_goes_on_later(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    def reply(body: Any) -> Any:
        away = failure("503 Away", "", "Retry-After: 3600")  # longer than anybody waits
        return away if len(endpoint.bodies) > 20 else firm(body)

    endpoint.reply = reply
    await upload_logs(trainer, 200)
    stopped = await labelled(trainer)

    error = from_status(stopped.error)
    assert (stopped.state, error.reason) == (LabellingState.FAILED, "PROVIDER_UNAVAILABLE")
    assert (stopped.progress.judged_count, stopped.progress.failed_count) == (20, 0)
    assert len(endpoint.bodies) < 100
    endpoint.reply = firm
    await resume(trainer)
    done = await ended(trainer)
    assert (done.state, done.progress.judged_count) == (LabellingState.LABELLED, 200)


async def test_a_row_at_which_the_provider_is_always_away_is_asked_last_and_then_named(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    def reply(body: Any) -> Any:
        if item_of(body)["Output"] == "good answer 3":
            return failure("503 Away", "", "Retry-After: 3600")
        return firm(body)

    endpoint.reply = reply
    await upload_logs(trainer, 20)
    done = await labelled(trainer)

    assert (done.state, dict(done.failure_counts)) == (LabellingState.LABELLED, {"PROVIDER_UNAVAILABLE": 1})
    assert item_of(endpoint.bodies[-1])["Output"] == "good answer 3"


async def test_votes_that_were_paid_are_used_when_the_rest_is_asked_later(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    """The second vote of one row breaks off: the first one is not asked again."""
    asked: list[str] = []

    def reply(body: Any) -> Any:
        text = item_of(body)["Output"]
        asked.append(text)
        if text == "good answer 1" and asked.count(text) == 2:
            return failure("503 Away", "", "Retry-After: 3600")
        return firm(body)

    endpoint.reply = reply
    await upload_logs(trainer, 5)
    done = await labelled(trainer, votes=3)

    assert (done.state, done.progress.judged_count) == (LabellingState.LABELLED, 5)
    assert {text: asked.count(text) for text in set(asked)} == {
        **{f"{kind} answer {n}": 3 for n, kind in ((0, "bad"), (2, "bad"), (3, "good"), (4, "bad"))},
        "good answer 1": 4,
    }


@pytest.mark.parametrize(("then", "version", "rows"), [("firm", 3, 10), ("as before", 2, 9)])
async def test_what_stopped_between_its_rows_and_its_end_can_be_finished(
    trainer: Trainer,
    endpoint: FakeEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    then: str,
    version: int,
    rows: int,
) -> None:
    """Resumed, it judges the row that failed: other rows are another version, the same rows the same."""

    def reply(body: Any) -> Any:
        return answer("APPROVED") if item_of(body)["Output"] == "bad answer 4" else firm(body)

    def add(store: SqlDatasetStore, *arguments: Any) -> Any:
        stored(store, *arguments)
        raise StorageFullError("The end is not written.")

    endpoint.reply = reply
    await upload_logs(trainer, 10)
    stored = SqlDatasetStore.add
    with monkeypatch.context() as patch:
        patch.setattr(SqlDatasetStore, "add", add)
        assert (await labelled(trainer)).state == LabellingState.FAILED

    endpoint.reply = firm if then == "firm" else reply
    await resume(trainer)
    done = await ended(trainer)
    assert (done.state, done.labelled_dataset) == (LabellingState.LABELLED, f"datasets/logs@{version}"), done
    assert len(await rows_of(trainer, done.labelled_dataset)) == rows


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("delete", "RESOURCE_NOT_FOUND"),
        ("model", "PROVIDER_CHANGED"),
        ("key", "PROVIDER_REFUSED"),
    ],
)
async def test_a_provider_that_is_not_what_it_was_stops_it_and_mended_it_goes_on(
    trainer: Trainer, endpoint: FakeEndpoint, change: str, reason: str
) -> None:
    await upload_logs(trainer, 12)
    await create(trainer, budget={"max_tokens": 600})
    stopped = await ended(trainer)
    assert from_status(stopped.error).reason == "JUDGE_BUDGET_SPENT"

    await spoil(trainer, endpoint, change)
    await resume(trainer, max_tokens=100_000)
    stopped = await ended(trainer)
    assert (stopped.state, from_status(stopped.error).reason) == (LabellingState.FAILED, reason)
    assert KEY not in str(stopped)

    await mend(trainer, endpoint, change)
    await resume(trainer)
    assert (await ended(trainer)).state == LabellingState.LABELLED


async def spoil(trainer: Trainer, endpoint: FakeEndpoint, change: str) -> None:
    if change == "delete":
        await trainer.stub.DeleteProvider(trainer_pb.DeleteProviderRequest(name="providers/main"))
    elif change == "model":
        await update(trainer, model="tiny-2")
    else:
        endpoint.reply = lambda body: failure("401 Unauthorized", f"{KEY} is wrong")


async def mend(trainer: Trainer, endpoint: FakeEndpoint, change: str) -> None:
    endpoint.reply = firm
    if change == "delete":
        await create_provider(trainer, endpoint)
    elif change == "model":
        await update(trainer, model="tiny-1")


async def update(trainer: Trainer, **fields: Any) -> None:
    provider = resources.Provider(name="providers/main", **fields)
    request = trainer_pb.UpdateProviderRequest(provider=provider, update_mask={"paths": list(fields)})
    await trainer.stub.UpdateProvider(request)


async def test_no_injection_gets_an_undeclared_label_into_a_dataset(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    def obey(body: Any) -> Any:
        told = item_of(body)["Output"]
        with contextlib.suppress(ValueError):
            json.loads(told)
            return completion(told)  # a model that repeats what looks like an answer
        return answer("APPROVED", told) if len(endpoint.bodies) % 3 else answer("true", told)

    endpoint.reply = obey
    rows = [{"input": "Hi", "output": payload.replace("\x00", "")} for payload in PAYLOADS]
    rows += [{"input": "Hi", "output": f"Ho {n}"} for n in range(5)]
    await trainer.upload(jsonl(rows), dataset_id="logs", unlabelled=True)
    done = await labelled(trainer, canary_count=10)

    assert done.state == LabellingState.LABELLED
    stored = await rows_of(trainer, done.labelled_dataset)
    assert {row["label"] for row in stored} <= {"true", "false"}
    assert all(set(row["label_probabilities"]) == {"true", "false"} for row in stored)
    assert len(stored) + done.progress.failed_count == 55


async def test_two_trainers_on_one_database_share_the_work_and_do_none_of_it_twice(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(labelling_trainer(tmp_path, registry, endpoint)) for _ in range(2)
        ]
        await upload_logs(first, 40)
        for name in ("one", "two"):
            await create(first, name, dataset="datasets/logs@1", target_dataset_id=name)
        done = [await ended(second, name) for name in ("one", "two")]

    assert [each.state for each in done] == [LabellingState.LABELLED] * 2
    assert [each.attempts for each in done] == [1, 1]
    assert len(endpoint.bodies) == 80


async def test_a_trainer_that_stops_gives_back_and_the_next_one_goes_on(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    endpoint.reply = lambda body: HANGS if item_of(body)["Output"] == "good answer 7" else firm(body)
    async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
        await upload_logs(trainer, 10)
        await create(trainer)
        await until_judged(trainer, 9)
    endpoint.reply, asked = firm, len(endpoint.bodies)
    async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
        done = await ended(trainer)

    assert (done.state, done.attempts) == (LabellingState.LABELLED, 2)
    assert [item_of(body)["Output"] for body in endpoint.bodies[asked:]] == ["good answer 7"]


async def test_neither_key_nor_texts_get_into_logs(
    trainer: Trainer, endpoint: FakeEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.reply = lambda body: (
        answer("true", "secret explanation") if len(endpoint.bodies) % 4 else failure("500")
    )
    await trainer.upload(
        jsonl([{"input": "secret input", "output": f"secret output {n}"} for n in range(8)]),
        dataset_id="logs",
        unlabelled=True,
    )
    await labelled(trainer, canary_count=3)
    await labelled(trainer, "second", dataset="datasets/logs@1", budget={"max_tokens": 600})

    told = caplog.text
    assert "labellings/first" in told
    assert "secret" not in told
    assert KEY not in told
