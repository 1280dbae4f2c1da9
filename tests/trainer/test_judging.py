"""Judging over the real wire: a real trainer, a real endpoint on loopback, models that misbehave."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gnomon.convert import instance_to_proto
from gnomon.errors import InvalidRequestError, NotFoundError
from gnomon.instances import text_span
from gnomon.status import from_status
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from tests.outbound.listening import http
from tests.trainer.fake_endpoint import (
    DRIPS,
    HANGS,
    KEY,
    FakeEndpoint,
    completion,
    failure,
    fake_endpoint,
    with_log_probabilities,
)
from tests.trainer.fake_registry import TOXICITY, FakeRegistry
from tests.trainer.injections import PAYLOADS
from tests.trainer.running import Trainer, refused, trainer_at

Source = pb.Judgement.Source
Spend = pb.JudgeInstancesRequest.Budget


@pytest.fixture
async def endpoint() -> AsyncIterator[FakeEndpoint]:
    async with fake_endpoint() as endpoint:
        endpoint.reply = says("true")
        yield endpoint


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint) -> AsyncIterator[Trainer]:
    settings = {"master_key": "a1" * 32, "allowed_hosts": endpoint.host, "judge_timeout_s": 0.4}
    registry.metrics["metrics/toxicity"] = prompted()
    async with trainer_at(tmp_path, registry, **settings) as trainer:
        provider = resources.Provider(base_url=endpoint.url, model="tiny-1", api_key=KEY)
        await trainer.stub.CreateProvider(pb.CreateProviderRequest(provider_id="main", provider=provider))
        yield trainer


def prompted() -> resources.Metric:
    metric = resources.Metric(judge_prompt="Is the answer toxic?")
    metric.MergeFrom(TOXICITY)
    return metric


def says(label: str, explanation: str = "Because.") -> Any:
    """Reply with a judge's answer, without log-probabilities."""
    return lambda body: completion(json.dumps({"explanation": explanation, "label": label}))


def item_of(body: Mapping[str, Any]) -> Any:
    """Return what a request asks to judge."""
    return json.loads(body["messages"][1]["content"].split("\n")[1])


async def judge(trainer: Trainer, *outputs: str, **fields: Any) -> pb.JudgeInstancesResponse:
    instances = [instance_to_proto(text_span(input="Hi", output=output)) for output in outputs]
    values = {"provider": "providers/main", "metric": "metrics/toxicity", "instances": instances} | fields
    return await trainer.stub.JudgeInstances(pb.JudgeInstancesRequest(**values))


def error_of(response: pb.JudgeInstancesResponse, index: int = 0) -> Any:
    return from_status(response.results[index].error)


async def test_a_judge_labels_explains_and_counts(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    response = await judge(trainer, "Go away.")

    judgement = response.results[0].judgement
    assert (judgement.label, judgement.explanation, judgement.votes) == ("true", "Because.", 1)
    assert {c.label: c.share for c in judgement.classes} == {"false": 0.0, "true": 1.0}
    assert judgement.source == Source.VOTES
    assert (response.input_tokens, response.output_tokens) == (20, 5)
    body = endpoint.bodies[0]
    assert body["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"] == [
        "false",
        "true",
    ]
    assert "Is the answer toxic?" in body["messages"][0]["content"]
    assert item_of(body) == {"Input": "Hi", "Output": "Go away."}
    assert f"authorization: bearer {KEY}" in endpoint.heads[0]


async def test_votes_become_a_soft_label(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    endpoint.next = [says("true", "A."), says("false", "B."), says("false", "C.")]

    judgement = (await judge(trainer, "Go away.", votes=3)).results[0].judgement

    assert (judgement.label, judgement.explanation, judgement.votes) == ("false", "B.", 3)
    assert judgement.classes[0].share == pytest.approx(2 / 3)
    markers = {body["messages"][1]["content"].split("\n")[0] for body in endpoint.bodies}
    assert len(markers) == 3


async def test_token_probabilities_become_a_soft_label(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    def reply(body: Any) -> Any:
        assert body["logprobs"] is True
        answer = completion('{"explanation": "B.", "label": "true"}')
        places = [{'{"explanation": "B.", "label": "': 0.0}, {"true": -0.2877, "false": -1.3863}, {'"}': 0.0}]
        return with_log_probabilities(answer, *places)

    endpoint.reply = reply
    judgement = (await judge(trainer, "Go away.")).results[0].judgement

    assert judgement.source == Source.TOKEN_PROBABILITIES
    assert judgement.classes[1].share == pytest.approx(0.75, abs=1e-3)


async def test_an_endpoint_that_can_do_little_is_asked_for_less_once(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    def reply(body: Any) -> Any:
        if "response_format" in body or "logprobs" in body:
            return failure("400 Bad Request", "unknown field")
        return says("false")(body)

    endpoint.reply = reply
    response = await judge(trainer, "One.", "Two.", "Three.")

    assert [result.judgement.label for result in response.results] == ["false"] * 3
    assert len(endpoint.bodies) == 6 + 2
    assert response.input_tokens == 3 * 20


async def test_a_row_that_is_refused_does_not_cost_the_others_their_form(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    def reply(body: Any) -> Any:
        if item_of(body)["Output"] == "Long.":
            return failure("400 Bad Request", "too long")
        assert body["response_format"]["type"] == "json_schema"
        return says("false")(body)

    endpoint.reply = reply
    response = await judge(trainer, "One.", "Long.", "Three.")

    assert [result.judgement.label for result in response.results] == ["false", "", "false"]
    assert (error_of(response, 1).reason, len(endpoint.bodies)) == ("PROVIDER_REFUSED", 3)


@pytest.mark.parametrize(
    "trouble",
    [
        failure("429 Too Many", "slow down", "Retry-After: 1"),
        failure("500 Oops"),
        failure("503 Away"),
        http(b"", "200 OK", "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
        DRIPS,
        HANGS,
        completion('{"explanation": "cut", "lab'),
        completion('{"verdict": "true"}'),
        completion('{"explanation": "", "label": "APPROVED"}'),
    ],
    ids=[
        "429",
        "500",
        "503",
        "packed",
        "cut body",
        "drip",
        "hang",
        "cut JSON",
        "wrong schema",
        "wrong label",
    ],
)
async def test_one_trouble_is_overcome(trainer: Trainer, endpoint: FakeEndpoint, trouble: Any) -> None:
    endpoint.next = [trouble]

    response = await judge(trainer, "Go away.")

    assert response.results[0].judgement.label == "true"
    assert len(endpoint.bodies) == 2


@pytest.mark.parametrize(
    ("reply", "reason", "calls"),
    [
        (completion('{"explanation": "", "label": "APPROVED"}'), "PROVIDER_ANSWER_INVALID", 3),
        (completion("I refuse."), "PROVIDER_ANSWER_INVALID", 3),
        (http(b"x" * 5_000_000), "PROVIDER_ANSWER_INVALID", 1),
        (http(b'{"choices": []}'), "PROVIDER_ANSWER_INVALID", 1),
        (failure("429 Too Many", "", "Retry-After: 600"), "PROVIDER_UNAVAILABLE", 1),
        (failure("403 Forbidden", f"{KEY} may not"), "PROVIDER_REFUSED", 1),
    ],
)
async def test_lasting_trouble_is_a_typed_error_of_the_item(
    trainer: Trainer, endpoint: FakeEndpoint, reply: Any, reason: str, calls: int
) -> None:
    endpoint.reply = lambda body: reply
    response = await judge(trainer, "Go away.")

    assert error_of(response).reason == reason
    assert error_of(response).metadata["resource"] == "providers/main"
    assert len(endpoint.bodies) == calls
    assert KEY not in str(response)
    assert "APPROVED" not in str(response)


async def test_what_ends_one_for_good_is_not_tried_for_all(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    endpoint.reply = lambda body: failure("401 Unauthorized")
    response = await judge(trainer, *["Go away."] * 50)

    assert {error_of(response, n).reason for n in range(50)} == {"PROVIDER_REFUSED"}
    assert len(endpoint.bodies) == 1


async def test_an_item_that_cannot_be_read_hurts_no_other(trainer: Trainer) -> None:
    good = instance_to_proto(text_span(input="Hi", output="Ho"))
    half = instance_to_proto(text_span(input="Hi"))
    response = await judge(trainer, instances=[resources.Instance(), good, half])

    assert [error_of(response, n).reason for n in (0, 2)] == ["INSTANCE_INVALID"] * 2
    assert response.results[1].judgement.label == "true"


async def test_the_budget_ends_what_it_does_not_hold(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    response = await judge(trainer, *["Go away."] * 20, budget=Spend(max_tokens=800))

    reasons = [error_of(response, n).reason for n in range(20) if response.results[n].HasField("error")]
    assert set(reasons) == {"JUDGE_BUDGET_SPENT"}
    assert response.input_tokens + response.output_tokens <= 800
    assert len(endpoint.bodies) == 20 - len(reasons) > 0

    budget = Spend(max_cost=0.00001, input_price=1.0, output_price=1.0)
    response = await judge(trainer, "Go away.", budget=budget)
    assert (error_of(response).reason, response.cost) == ("JUDGE_BUDGET_SPENT", 0.0)


async def test_wrong_requests_are_refused_before_anything_is_asked(
    trainer: Trainer, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    assert isinstance(await refused(judge(trainer, "x", provider="providers/other")), NotFoundError)
    assert isinstance(await refused(judge(trainer, "x", metric="metrics/other")), NotFoundError)
    for fields in (
        {"votes": 16},
        {"votes": -1},
        {"instances": []},
        {"budget": Spend(max_tokens=-1)},
        {"budget": Spend(max_cost=float("nan"))},
        {"budget": Spend(max_cost=1.0)},
    ):
        assert isinstance(await refused(judge(trainer, "x", **fields)), InvalidRequestError), fields
    assert isinstance(await refused(judge(trainer, *["x"] * 101)), InvalidRequestError)
    registry.metrics["metrics/toxicity"].judge_prompt = " "
    error = await refused(judge(trainer, "x"))
    assert "gnomon metrics update toxicity --judge-prompt" in error.message
    assert endpoint.bodies == []


OBEDIENT = {
    "repeats the item": lambda item: item,
    "makes it the label": lambda item: json.dumps({"explanation": "", "label": item}),
    "answers what it is told": lambda item: json.dumps({"explanation": item, "label": "APPROVED"}),
    "says it and more": lambda item: json.dumps({"explanation": "", "label": "true"}) + item,
    "adds a field": lambda item: json.dumps({"explanation": "", "label": "true", item or "x": item}),
}


@pytest.mark.parametrize("obedience", OBEDIENT)
async def test_no_injection_makes_an_obedient_model_give_an_undeclared_label(
    trainer: Trainer, endpoint: FakeEndpoint, obedience: str
) -> None:
    def obey(body: Any) -> Any:
        return completion(OBEDIENT[obedience](item_of(body)["Output"]))

    endpoint.reply = obey
    response = await judge(trainer, *PAYLOADS)

    assert len(response.results) == 50
    assert {item_of(body)["Output"] for body in endpoint.bodies} == set(PAYLOADS)
    for n, result in enumerate(response.results):
        if result.HasField("judgement"):
            assert result.judgement.label in {"false", "true"}
        else:
            assert error_of(response, n).reason == "PROVIDER_ANSWER_INVALID"
            assert "APPROVED" not in error_of(response, n).message
    if obedience != "repeats the item":
        assert not any(result.HasField("judgement") for result in response.results)


async def test_an_answer_that_leaks_the_marker_is_no_vote(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    def leak(body: Any) -> Any:
        return says("true", body["messages"][1]["content"].split("\n")[0])(body)

    endpoint.reply = leak
    assert "repeats the marker" in error_of(await judge(trainer, "What is above?")).message


async def test_a_deployment_limits_calls_under_way(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    registry.metrics["metrics/toxicity"] = prompted()
    settings = {"allowed_hosts": endpoint.host, "judge_concurrency": 2}
    async with trainer_at(tmp_path, registry, **settings) as trainer:
        provider = resources.Provider(base_url=endpoint.url, model="tiny-1")
        await trainer.stub.CreateProvider(pb.CreateProviderRequest(provider_id="main", provider=provider))
        await judge(trainer, *["Go away."] * 20)

    assert len(endpoint.bodies) == 20
    assert endpoint.listener.connections <= 2
