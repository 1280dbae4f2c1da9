"""A judge at an endpoint that misbehaves: a typed error of the one item, and no harm to others."""

import json
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gnomon.convert import instance_to_proto
from gnomon.errors import GnomonError
from gnomon.instances import text_span
from gnomon.status import from_status
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_trainer.domain import careful_chat
from tests.outbound.listening import http
from tests.trainer.fake_endpoint import (
    CUT,
    DRIPS,
    HANGS,
    HUGE,
    KEY,
    RESETS,
    FakeEndpoint,
    completion,
    failure,
    fake_endpoint,
    with_log_probabilities,
)
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import Trainer, trainer_at
from tests.trainer.test_judging import Source, Spend, item_of, judge, prompted, says

VOTE = '{"explanation": "Because.", "label": "true"}'
ESTIMATE = 2_000  # more tokens than a call of these tests is estimated at, and far fewer than absurd counts
INVALID, AWAY, REFUSED = "PROVIDER_ANSWER_INVALID", "PROVIDER_UNAVAILABLE", "PROVIDER_REFUSED"


@pytest.fixture
async def endpoint() -> AsyncIterator[FakeEndpoint]:
    async with fake_endpoint() as endpoint:
        endpoint.reply = says("true")
        yield endpoint


@pytest.fixture
async def trainer(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Trainer]:
    monkeypatch.setattr(careful_chat, "_FIRST_WAIT_S", 0.01)
    settings = {"master_key": "a1" * 32, "allowed_hosts": endpoint.host, "judge_timeout_s": 1.0}
    registry.metrics["metrics/toxicity"] = prompted()
    async with trainer_at(tmp_path, registry, **settings) as trainer:
        provider = resources.Provider(base_url=endpoint.url, model="tiny-1", api_key=KEY)
        await trainer.stub.CreateProvider(pb.CreateProviderRequest(provider_id="main", provider=provider))
        yield trainer


def choice(finish_reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    """Return a completion with a message of these fields."""
    body = completion(None)
    body["choices"][0] |= {"message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    return body


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in completion(VOTE).items() if name != field}


def announcing(count: int) -> bytes:
    """Return a good answer whose head announces another length."""
    body = json.dumps(completion(VOTE)).encode()
    return http(body).replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % count)


TOOL = {"id": "1", "type": "function", "function": {"name": "label", "arguments": VOTE}}

HOSTILE: dict[str, tuple[Any, str, str]] = {
    # name: what is answered to the one item, always; the reason of its error; some of the error's words
    "no choices": (without("choices"), INVALID, "no chat completion"),
    "empty choices": (completion(VOTE, choices=[]), INVALID, "no chat completion"),
    "null choices": (completion(VOTE, choices=None), INVALID, "no chat completion"),
    "choices of another kind": (completion(VOTE, choices=["true"]), INVALID, "no chat completion"),
    "null content": (choice(content=None), INVALID, "is empty"),
    "blank content": (choice(content=" \n"), INVALID, "is empty"),
    "content that is a number": (choice(content=1), INVALID, "no chat completion"),
    "thoughts alone": (choice(content=[{"type": "thinking", "thinking": []}]), INVALID, "is empty"),
    "refusal": (choice(content=None, refusal="I will not."), INVALID, "refuses to answer"),
    "tool calls": (choice("tool_calls", content=None, tool_calls=[TOOL]), INVALID, "calls a tool"),
    "cut by length": (choice("length", content=VOTE[:20]), INVALID, "limit of tokens"),
    "cut by a filter": (choice("content_filter", content=VOTE), INVALID, "content filter"),
    "cut JSON": (completion(VOTE[:30]), INVALID, "not one JSON object"),
    "wrong schema": (completion('{"verdict": true}'), INVALID, "not an object with the texts"),
    "undeclared label": (completion('{"explanation": "", "label": "maybe"}'), INVALID, "not one of"),
    "the key as explanation": (completion(VOTE.replace("Because.", KEY)), INVALID, "the provider's key"),
    "the key as model": (completion(VOTE, model=KEY), INVALID, "the provider's key"),
    "a page": (http(b"<html>Welcome</html>"), INVALID, "no chat completion"),
    "a stream": (http(b'data: {"choices": []}\n\ndata: [DONE]\n\n'), INVALID, "no chat completion"),
    "deep JSON": (http(b"[" * 100_000), INVALID, "no chat completion"),
    "not UTF-8": (http(b'{"choices": "\xff"}'), INVALID, "no chat completion"),
    "50 MB": (HUGE, INVALID, "larger than"),
    "an error with status 200": (http(b'{"error": {"code": 402, "message": "Pay."}}'), REFUSED, "Pay."),
    "words with status 200": (http(b'{"error": "Pay."}'), INVALID, "It says: Pay."),
    "400 in a list": (http(b'[{"error": {"message": "No."}}]', "400 Bad"), REFUSED, "It says: No."),
    "400 as detail": (http(b'{"detail": "No."}', "400 Bad"), REFUSED, "It says: No."),
    "400 as message": (http(b'{"object": "error", "message": "No."}', "400 Bad"), REFUSED, "It says: No."),
    "a redirect": (http(b"", "302 Found", "Location: http://127.0.0.1:1/"), REFUSED, "not followed"),
    "429 for long": (failure("429 Too Many", "", "Retry-After: 600"), AWAY, "HTTP 429"),
    "429 until a date": (
        failure(
            "429 Too Many",
            "",
            "Date: Sun, 22 Nov 2026 08:00:00 GMT",
            "Retry-After: Sun, 22 Nov 2026 08:10:00 GMT",
        ),
        AWAY,
        "HTTP 429",
    ),
    "500": (failure("500 Oops"), AWAY, "HTTP 500"),
    "packed": (http(b"\x1f\x8b\x08", "200 OK", "Content-Encoding: gzip"), AWAY, "packs its answers"),
    "cut body": (CUT, AWAY, "broke off"),
    "reset": (RESETS, AWAY, "failed or was closed"),
    "no HTTP": (b"+OK hello\r\n\r\n", AWAY, "not HTTP/1.1"),
    "less than announced": (announcing(5_000), AWAY, "did not answer completely"),
    "more than announced": (announcing(10), AWAY, "more than the answer that it announced"),
    "drip": (DRIPS, AWAY, "did not answer completely"),
    "hang": (HANGS, AWAY, "did not answer completely"),
}


@pytest.mark.parametrize("trouble", HOSTILE)
async def test_a_hostile_answer_is_a_typed_error_of_its_item_alone(
    trainer: Trainer, endpoint: FakeEndpoint, trouble: str
) -> None:
    answer, reason, words = HOSTILE[trouble]
    endpoint.reply = lambda body: answer if item_of(body)["Output"] == "Bad." else says("true")(body)

    response = await judge(trainer, "One.", "Bad.", "Three.", "Four.")

    assert [result.judgement.label for result in response.results] == ["true", "", "true", "true"]
    error: GnomonError = from_status(response.results[1].error)
    assert (error.reason, error.metadata["resource"]) == (reason, "providers/main")
    assert words in error.message
    assert KEY not in str(response)
    attempts = sum(item_of(body)["Output"] == "Bad." for body in endpoint.bodies)
    assert attempts <= 5
    # Three answers are billed; where nothing is told of the others, each attempt counts by its estimate.
    assert 3 * 20 <= response.input_tokens < ESTIMATE * attempts


FAIR: dict[str, Any] = {
    "no usage": without("usage"),
    "null usage": completion(VOTE, usage=None),
    "usage in words": completion(VOTE, usage="lots"),
    "negative usage": completion(VOTE, usage={"prompt_tokens": -5, "completion_tokens": -5}),
    "usage as words": completion(VOTE, usage={"prompt_tokens": "many", "completion_tokens": []}),
    "absurd usage": completion(VOTE, usage={"prompt_tokens": 1e30, "completion_tokens": 10**30}),
    "half a usage": completion(VOTE, usage={"completion_tokens": 5}),
    "usage that is no number": http(
        json.dumps(completion(VOTE, usage={"prompt_tokens": float("nan")})).encode()
    ),
}


@pytest.mark.parametrize("oddity", FAIR)
async def test_a_usage_that_makes_no_sense_costs_the_estimate_and_no_label(
    trainer: Trainer, endpoint: FakeEndpoint, oddity: str
) -> None:
    endpoint.reply = lambda body: FAIR[oddity]
    response = await judge(trainer, "One.", budget=Spend(max_cost=1.0, input_price=1.0, output_price=1.0))

    assert response.results[0].judgement.label == "true"
    assert 100 < response.input_tokens < ESTIMATE
    assert response.output_tokens == (5 if oddity == "half a usage" else 200)
    assert 0 < response.cost < 0.01


TOKENS = ['{"explanation": "Because.", "label": "', "true", '"}']


def likely(body: dict[str, Any], **shares: Any) -> bytes:
    """Answer with these log-probabilities where the label stands; JSON as Python writes it, NaN included."""
    answer = with_log_probabilities(completion(VOTE), {TOKENS[0]: 0.0}, {"true": -0.1}, {TOKENS[2]: 0.0})
    place = answer["choices"][0]["logprobs"]["content"][1]
    place["top_logprobs"] = [{"token": token, "logprob": value} for token, value in shares.items()]
    return http(json.dumps(answer).encode())


@pytest.mark.parametrize(
    ("shares", "share"),
    [
        ({"true": -0.2877, "false": -1.3863}, 0.75),
        ({"true": -0.1, "false": float("-inf")}, 1.0),  # never
        ({"true": float("nan"), "false": -1.3863}, None),
        ({"true": -0.1, "false": float("inf")}, None),
        ({"true": "likely"}, None),
        ({"true": None, "false": None}, None),
        ({"true": 10**400}, None),
        ({}, None),
    ],
)
async def test_log_probabilities_are_believed_only_where_they_are_some(
    trainer: Trainer, endpoint: FakeEndpoint, shares: dict[str, Any], share: float | None
) -> None:
    endpoint.reply = lambda body: likely(body, **shares)
    judgement = (await judge(trainer, "One.")).results[0].judgement

    assert judgement.label == "true"
    if share is None:
        assert (judgement.source, judgement.classes[1].share) == (Source.VOTES, 1.0)
    else:
        assert judgement.source == Source.TOKEN_PROBABILITIES
        assert judgement.classes[1].share == pytest.approx(share, abs=1e-3)


@pytest.mark.parametrize(
    "logprobs", ["yes", [1], {"content": "x"}, {"content": [{"token": 1}]}, {"tokens": 1}]
)
async def test_log_probabilities_of_another_kind_cost_no_label(
    trainer: Trainer, endpoint: FakeEndpoint, logprobs: Any
) -> None:
    answer = completion(VOTE)
    answer["choices"][0]["logprobs"] = logprobs
    endpoint.reply = lambda body: answer

    judgement = (await judge(trainer, "One.")).results[0].judgement
    assert (judgement.label, judgement.source) == ("true", Source.VOTES)


async def test_plain_completions_log_probabilities_are_read_as_well(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    answer = completion(VOTE)
    answer["choices"][0]["logprobs"] = {
        "tokens": TOKENS,
        "token_logprobs": [0.0, -0.2877, 0.0],
        "top_logprobs": [None, {"true": -0.2877, "false": -1.3863}, {TOKENS[2]: 0.0}],
        "text_offset": [0, 37, 41],
    }
    endpoint.reply = lambda body: answer

    judgement = (await judge(trainer, "One.")).results[0].judgement
    assert judgement.source == Source.TOKEN_PROBABILITIES
    assert judgement.classes[1].share == pytest.approx(0.75, abs=1e-3)


async def test_an_answer_in_parts_and_one_of_http_1_0_are_taken(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": VOTE},
    ]
    old = b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(completion(VOTE)).encode()
    endpoint.next = [choice(content=parts), old + b"\n"]
    endpoint.closes_after = old + b"\n"

    for _ in range(3):
        assert (await judge(trainer, "One.")).results[0].judgement.label == "true"
    assert len(endpoint.bodies) == 3


# ----------------------------------------------------------- what an endpoint understands


def only(understands: Any, status: str) -> Any:
    """Reply as an endpoint that has no other answer than this status to what it does not understand."""
    return lambda body: says("true")(body) if understands(body) else failure(status, "Oops.")


def form_of(body: Any) -> str:
    form = body.get("response_format", {})
    return f"{form.get('type', 'text')}{' with a schema' if 'schema' in form else ''}"


async def test_an_endpoint_that_breaks_on_a_schema_is_asked_in_the_form_that_it_knows(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    """As llama.cpp's Python server, whose only answer to what it does not know is 500."""

    def understands(body: Any) -> bool:
        return form_of(body) == "json_object with a schema" and "logprobs" not in body

    endpoint.reply = only(understands, "500 Internal Server Error")
    response = await judge(trainer, *["One."] * 20)

    assert {result.judgement.label for result in response.results} == {"true"}
    assert response.input_tokens == 20 * 20
    asked = [form_of(body) for body in endpoint.bodies if understands(body)]
    assert asked == ["json_object with a schema"] * 20
    assert len(endpoint.bodies) == 20 + 2 * 3, "twice in each way that it breaks on"


async def test_lengths_are_bound_only_where_they_are_known_and_no_deeper_than_a_server_bears(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    """llama.cpp's Python server took 1,000 characters, and was gone at 1,500."""
    endpoint.reply = only(
        lambda body: form_of(body) == "json_object with a schema", "500 Internal Server Error"
    )
    await judge(trainer, "One.")

    strict, *_, bound = endpoint.bodies
    assert 100 <= bound["response_format"]["schema"]["properties"]["explanation"]["maxLength"] <= 500
    assert form_of(strict) == "json_schema"
    assert "maxLength" not in json.dumps(strict)


async def test_an_endpoint_that_stumbles_once_is_not_asked_for_less_for_good(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    endpoint.next = [failure("500 Oops")]
    response = await judge(trainer, *["One."] * 20)

    assert {result.judgement.label for result in response.results} == {"true"}
    counts = [body.get("top_logprobs", 0) for body in endpoint.bodies]
    assert counts == [5, 0] + [5] * 19
    assert {form_of(body) for body in endpoint.bodies} == {"json_schema"}


async def test_a_model_that_may_not_tell_log_probabilities_is_asked_without(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    endpoint.reply = only(lambda body: "logprobs" not in body, "403 Forbidden")
    response = await judge(trainer, *["One."] * 3)

    assert {result.judgement.label for result in response.results} == {"true"}
    assert [form_of(body) for body in endpoint.bodies] == ["json_schema"] * 4

    endpoint.reply = lambda body: failure("403 Forbidden", "Not you.")
    assert from_status((await judge(trainer, "One.")).results[0].error).reason == REFUSED
    assert len(endpoint.bodies) == 4 + 2


async def test_an_endpoint_that_is_broken_for_all_is_given_up(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    endpoint.reply = lambda body: failure("500 Oops")
    response = await judge(trainer, "One.")

    assert from_status(response.results[0].error).reason == AWAY
    assert len(endpoint.bodies) == 7 + 5, "each way once, the last one as often as anything is tried"
    assert response.input_tokens == 0


# ---------------------------------------------------------------- who is not asked in vain


@pytest.mark.parametrize(
    ("answer", "asked", "reason"),
    [
        (failure("503 Away"), 5, AWAY),
        (failure("429 Too Many", "", "Retry-After: 3600"), 1, AWAY),
        (failure("400 Bad Request"), 10 * 8, REFUSED),  # ten instances, in every way
    ],
    ids=["away", "told to wait", "refused"],
)
async def test_an_endpoint_that_answers_nobody_is_not_asked_for_all(
    trainer: Trainer, endpoint: FakeEndpoint, answer: bytes, asked: int, reason: str
) -> None:
    endpoint.reply = lambda body: answer
    response = await judge(trainer, *["One."] * 60)

    assert {from_status(result.error).reason for result in response.results} == {reason}
    assert len(endpoint.bodies) == asked


async def test_instances_that_cannot_be_read_leave_finding_out_to_the_next(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    endpoint.reply = only(lambda body: form_of(body) == "text" and "logprobs" not in body, "400 Bad Request")
    half, good = (instance_to_proto(text_span(input="Hi", output=output)) for output in (None, "Ho"))
    response = await judge(trainer, instances=[half, half, *[good] * 20])

    assert [result.judgement.label for result in response.results] == ["", "", *["true"] * 20]
    assert len(endpoint.bodies) == 7 + 20


async def test_an_answer_of_no_use_is_asked_for_again_and_paid(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    cut = choice("length", content=VOTE[:20]) | {"usage": {"prompt_tokens": 120, "completion_tokens": 32_768}}
    endpoint.next = [cut, choice(content="")]
    response = await judge(trainer, "One.")

    assert response.results[0].judgement.label == "true"
    assert (response.input_tokens, response.output_tokens) == (120 + 20 + 20, 32_768 + 5 + 5)

    endpoint.reply = lambda body: cut
    response = await judge(trainer, "One.")
    assert (response.input_tokens, response.output_tokens) == (3 * 120, 3 * 32_768)


async def test_the_memory_of_huge_answers_is_bounded(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    registry.metrics["metrics/toxicity"] = prompted()
    endpoint.reply = lambda body: HUGE
    async with trainer_at(tmp_path, registry, allowed_hosts=endpoint.host) as trainer:
        provider = resources.Provider(base_url=endpoint.url, model="tiny-1")
        await trainer.stub.CreateProvider(pb.CreateProviderRequest(provider_id="main", provider=provider))
        tracemalloc.start()
        try:
            response = await judge(trainer, *["One."] * 6)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert {from_status(result.error).reason for result in response.results} == {INVALID}
    assert peak < 6 * 2 * 4 * 2**20, "at most 4 MiB are read of each answer"
