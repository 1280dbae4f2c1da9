"""Scoring one instance, many, and the rows of a DataFrame."""

import asyncio
import math
from typing import Any

import grpc
import pandas as pd
import pytest

from gnomon import Document, Message, Session, Span, Trace, errors
from gnomon.status import to_status
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import scorer_service_pb2 as scorer
from tests.sdk.serving import Failing, collected, connected, serving


class Scorer:
    """Says `true` of an output with "bad" in it, and fails on an instance without output."""

    def __init__(self) -> None:
        self.requests: list[scorer.ScoreRequest] = []
        self.running = self.most_running = 0

    async def __call__(self, request: scorer.ScoreRequest, context: Any) -> scorer.ScoreResponse:
        self.requests.append(request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0.01)
        self.running -= 1
        return scorer.ScoreResponse(
            results=[
                scorer.InstanceResult(outcomes=[self._outcome(instance, v) for v in request.metric_versions])
                for instance in request.instances
            ]
        )

    def _outcome(self, instance: pb.Instance, version: str) -> scorer.ScoreOutcome:
        if not instance.span.output:
            error = errors.InstanceInvalidError("The metric reads the output; there is none.", field="output")
            return scorer.ScoreOutcome(error=to_status(error))
        share = 0.875 if "bad" in instance.span.output[0].content else 0.25
        classes = [
            pb.Score.ClassScore(label="false", probability=1 - share),
            pb.Score.ClassScore(label="true", probability=share),
        ]
        flagged = share >= 0.5
        return scorer.ScoreOutcome(
            score=pb.Score(
                metric_version=version.replace("production", "3"),
                label="true" if flagged else "false",
                flagged=flagged,
                classes=classes,
            )
        )


async def test_one_text_and_one_metric_give_one_score(kind: str) -> None:
    method = Failing(grpc.StatusCode.UNAVAILABLE, then=lambda request: request)
    fake = Scorer()

    async def score(request: Any, context: Any) -> Any:
        await method(request, context)
        return await fake(request, context)

    async with serving(Score=score) as address, connected(kind, address) as client:
        found = await client.score("toxicity", input="hello", output="bad", documents=["one", "two"])
    assert (found.flagged, found.metric_version) == (True, "metrics/toxicity/versions/3")
    span = fake.requests[0].instances[0].span
    assert (span.input[0].role, span.output[0].role) == ("user", "assistant")
    assert [document.content for document in span.documents] == ["one", "two"]


async def test_several_metrics_give_a_score_each_by_the_name_that_was_given(kind: str) -> None:
    fake = Scorer()
    names = ["toxicity", "tone@2", "metrics/tone/versions/shadow"]
    async with serving(Score=fake) as address, connected(kind, address) as client:
        found = await client.score(names, output="good")
    assert list(found) == names
    assert fake.requests[0].metric_versions[1] == "metrics/tone/versions/2"
    assert found["tone@2"].metric_version == "metrics/tone/versions/2"


async def test_the_one_instances_error_is_raised(kind: str) -> None:
    async with serving(Score=Scorer()) as address, connected(kind, address) as client:
        with pytest.raises(errors.InstanceInvalidError, match="reads the output"):
            await client.score("toxicity", input="only this")


async def test_of_many_instances_each_has_its_score_or_its_error(kind: str) -> None:
    instances = [
        Span(output=(Message("bad"),)),
        Span(input=(Message("no output"),)),
        {"output": "half a character: \ud83d"},
        Span(output=(Message(7),)),  # type: ignore[arg-type]
        {"output": "good", "documents": "one"},
        pb.Instance(span=pb.Span(output=[pb.Message(content="bad")])),
    ]
    async with serving(Score=Scorer()) as address, connected(kind, address) as client:
        rows = await client.score("toxicity", instances=instances)
    outcomes = [row["toxicity"] for row in rows]
    assert [getattr(outcome, "label", None) for outcome in outcomes] == [
        "true",
        None,
        None,
        None,
        "false",
        "true",
    ]
    assert all(isinstance(outcome, errors.InstanceInvalidError) for outcome in outcomes[1:4])


async def test_many_instances_go_in_several_requests_at_a_time_in_order(kind: str) -> None:
    fake = Scorer()
    instances = [{"output": "bad" if i % 3 == 0 else "good"} for i in range(500)]
    async with serving(Score=fake) as address, connected(kind, address) as client:
        rows = await client.score("toxicity", instances=instances)
    assert [row["toxicity"].flagged for row in rows] == [i % 3 == 0 for i in range(500)]
    assert len(fake.requests) == 8
    assert 1 < fake.most_running <= 4


async def test_an_instance_over_the_limit_fails_alone(kind: str) -> None:
    instances = [{"output": "good"}, {"output": "x" * 5 * 1024 * 1024}, {"output": "bad"}]
    async with serving(Score=Scorer()) as address, connected(kind, address) as client:
        rows = await client.score(["a", "b"], instances=instances)
    assert [type(row["a"]) for row in rows] == [pb.Score, errors.MessageTooLargeError, pb.Score]
    assert isinstance(rows[1]["b"], errors.MessageTooLargeError)


async def test_an_error_of_the_whole_request_is_raised(kind: str) -> None:
    missing = errors.NotFoundError("There is no metric nonsense.", resource="metrics/nonsense")
    instances = [{"output": "good"}] * 300
    method = Failing(*[missing] * 99, then=lambda _: None)
    async with serving(Score=method) as address, connected(kind, address) as client:
        with pytest.raises(errors.NotFoundError):
            await client.score("nonsense", instances=instances)


async def test_nothing_to_score_needs_no_call(kind: str) -> None:
    async with connected(kind, "127.0.0.1:1") as client:
        assert await client.score("toxicity", instances=[]) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "instance"),
        ({"instance": Span(), "output": "x"}, "instance"),
        ({"messages": [{"role": "user", "content": "x"}], "output": "x"}, "instance"),
        ({"instance": "a text"}, "instance is a str"),
        ({"instance": {"outptu": "x"}}, "outptu"),
        ({"instances": [7]}, "instance is a int"),
    ],
)
async def test_wrong_arguments_are_refused_before_anything_is_sent(
    kind: str, arguments: dict[str, Any], said: str
) -> None:
    async with connected(kind, "127.0.0.1:1") as client:
        with pytest.raises(errors.InvalidRequestError, match=said):
            await client.score("toxicity", **arguments)


@pytest.mark.parametrize("metrics", [[], ["a", "a"], "../x", "x@", "x@0", ""])
async def test_wrong_metrics_are_refused_before_anything_is_sent(kind: str, metrics: Any) -> None:
    async with connected(kind, "127.0.0.1:1") as client:
        with pytest.raises(errors.InvalidRequestError):
            await client.score(metrics, output="x")


async def test_a_conversation_is_sent_as_a_session(kind: str) -> None:
    class Chats(Scorer):
        def _outcome(self, instance: pb.Instance, version: str) -> scorer.ScoreOutcome:
            return scorer.ScoreOutcome(score=pb.Score(metric_version=version, label="true"))

    fake = Chats()
    call = {"id": "c1", "function": {"name": "cancel", "arguments": {"order": 7}}}
    messages = [
        {"role": "user", "content": "Cancel order 7."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "done", "tool_call_id": "c1", "name": "cancel"},
    ]
    async with serving(Score=fake) as address, connected(kind, address) as client:
        await client.score("goal-reached", messages=messages)
    (trace,) = fake.requests[0].instances[0].session.traces
    said = trace.spans[0].input
    assert [message.role for message in said] == ["user", "assistant", "tool"]
    assert (said[1].tool_calls[0].tool, said[1].tool_calls[0].arguments) == ("cancel", '{"order": 7}')


@pytest.mark.parametrize(
    ("messages", "error", "said"),
    [
        ([], errors.InvalidRequestError, "messages must hold at least one"),
        ([{"role": "user"}], errors.InstanceInvalidError, r"messages\[0\] has neither"),
        ([{"content": "x"}], errors.InstanceInvalidError, r"messages\[0\] has no `role`"),
        (7, errors.InstanceInvalidError, "messages must be a list of messages, not a number"),
    ],
)
async def test_a_conversation_that_is_none_is_refused_before_anything_is_sent(
    kind: str, messages: Any, error: type[Exception], said: str
) -> None:
    async with connected(kind, "127.0.0.1:1") as client:
        with pytest.raises(error, match=said):
            await client.score("goal-reached", messages=messages)


async def test_traces_and_sessions_are_sent_as_such(kind: str) -> None:
    fake = Scorer()
    trace = Trace((Span(output=(Message("a"),), documents=(Document("d"),)),), "t")
    async with serving(Score=fake) as address, connected(kind, address) as client:
        response = await client.score_batch("m", [trace, Session((trace,), "s")])
    assert len(response.results) == 2
    assert [i.WhichOneof("kind") for i in fake.requests[0].instances] == ["trace", "session"]


async def test_a_frame_gets_the_columns_of_its_scores(kind: str) -> None:
    frame = pd.DataFrame(
        {"question": ["a", "b", None], "answer": ["bad", "good", None], "keep": [1, 2, 3]}, index=[7, 8, 9]
    )
    before = frame.copy()
    columns = {"question": "input", "answer": "output"}
    async with serving(Score=Scorer()) as address, connected(kind, address) as client:
        scored = await client.score_frame(frame, ["m", "n@2"], columns=columns, batch=2)
    pd.testing.assert_frame_equal(frame, before)
    assert list(scored.columns) == [
        *frame.columns,
        *(
            f"{metric}.{name}"
            for metric in ("m", "n@2")
            for name in ("label", "flagged", "false", "true", "error")
        ),
    ]
    assert list(scored.index) == [7, 8, 9]
    assert list(scored["m.label"][:2]) == ["true", "false"]
    assert scored["m.flagged"].tolist()[:2] == [True, False]
    assert scored["m.flagged"].isna().tolist() == [False, False, True]
    assert scored["m.true"].tolist()[:2] == [0.875, 0.25]
    assert math.isnan(scored["m.true"].iloc[2])
    assert scored["m.error"].isna().tolist() == [True, True, False]
    assert "reads the output" in scored["m.error"].iloc[2]


async def test_cells_may_hold_messages_and_documents(kind: str) -> None:
    fake = Scorer()
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}, "go on"]
    frame = pd.DataFrame(
        {"input": [turns], "output": ["ok"], "documents": [["one", {"content": "two", "id": "2"}]]}
    )
    async with serving(Score=fake) as address, connected(kind, address) as client:
        await client.score_frame(frame, "m")
    span = fake.requests[0].instances[0].span
    assert [(m.role, m.content) for m in span.input] == [
        ("user", "hi"),
        ("assistant", "yes?"),
        ("user", "go on"),
    ]
    assert [(d.id, d.content) for d in span.documents] == [("", "one"), ("2", "two")]


async def test_a_class_that_is_called_like_a_column_of_ours_has_another_name(kind: str) -> None:
    def answer(request: scorer.ScoreRequest) -> scorer.ScoreResponse:
        score = pb.Score(label="error", classes=[pb.Score.ClassScore(label="error", probability=1.0)])
        outcomes = [scorer.ScoreOutcome(score=score)]
        return scorer.ScoreResponse(results=[scorer.InstanceResult(outcomes=outcomes)])

    async with serving(Score=Failing(then=answer)) as address, connected(kind, address) as client:
        scored = await client.score_frame(pd.DataFrame({"output": ["x"]}), "m")
    assert scored["m.error.probability"].tolist() == [1.0]
    assert scored["m.error"].isna().all()


@pytest.mark.parametrize(
    ("columns", "said"),
    [(None, "none of them"), ({"nope": "input"}, "nope"), ({"text": "output_text"}, "output_text")],
)
async def test_columns_that_do_not_fit_are_refused(kind: str, columns: Any, said: str) -> None:
    async with connected(kind, "127.0.0.1:1") as client:
        with pytest.raises(errors.InvalidRequestError, match=said):
            await client.score_frame(pd.DataFrame({"text": ["x"]}), "m", columns=columns)


@pytest.mark.parametrize(
    ("frame", "columns", "said"),
    [
        (
            pd.DataFrame({"a": ["x"], "b": ["y"]}),
            {"a": "input", "b": "input"},
            "maps both 'a' and 'b' to 'input'",
        ),
        (pd.DataFrame([["x", "y"]], columns=["output", "output"]), None, "has the column 'output' twice"),
        (pd.DataFrame([["x", "y"]], columns=["a", "a"]), {"a": "output"}, "has the column 'a' twice"),
    ],
)
async def test_of_two_columns_that_would_be_read_as_one_none_is_chosen(
    kind: str, frame: pd.DataFrame, columns: Any, said: str
) -> None:
    async with connected(kind, "127.0.0.1:1") as client:
        with pytest.raises(errors.InvalidRequestError, match=said):
            await client.score_frame(frame, "m", columns=columns)


async def test_an_empty_frame_gets_empty_columns(kind: str) -> None:
    async with connected(kind, "127.0.0.1:1") as client:
        scored = await client.score_frame(pd.DataFrame({"output": []}), "m")
    assert list(scored.columns) == ["output", "m.label", "m.flagged", "m.error"]


async def test_loaded_versions_are_listed(kind: str) -> None:
    def answer(_: Any) -> scorer.ListLoadedVersionsResponse:
        loaded = scorer.LoadedVersion(metric_version="metrics/m/versions/1", state=scorer.LoadedVersion.READY)
        return scorer.ListLoadedVersionsResponse(loaded_versions=[loaded])

    async with (
        serving(ListLoadedVersions=Failing(then=answer)) as address,
        connected(kind, address) as client,
    ):
        assert len(await collected(client.loaded_versions())) == 1


async def test_a_malformed_row_has_its_error_and_the_others_their_scores(kind: str) -> None:
    fake = Scorer()
    instances = [{"output": "good"}, {"trace": "{bad"}, {"output": "good"}]
    async with serving(Score=fake) as address, connected(kind, address) as client:
        rows = await client.score("m", instances=instances)
        frame = await client.score_frame(pd.DataFrame({"output": ["good", [7]]}), "m")
    assert [type(row["m"]) for row in rows] == [pb.Score, errors.InstanceInvalidError, pb.Score]
    assert frame["m.error"].tolist()[1] is not None
