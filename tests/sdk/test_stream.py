"""Rows without end: order, what is sent again, what a source may do."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from gnomon import errors
from gnomon.status import to_status
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import scorer_service_pb2 as scorer
from tests.sdk.serving import collected, connected, serving


class StreamScorer:
    """Answers each row with its text as the label; `failures` end streams after so many rows."""

    def __init__(self, *failures: tuple[int, BaseException | grpc.StatusCode]) -> None:
        self.failures = list(failures)
        self.streams: list[list[str]] = []  # the versions that each asked for
        self.rows: list[str] = []
        self.unary: list[scorer.ScoreRequest] = []
        self.metadata: dict[str, str] = {}
        self.pause_s = 0.0

    async def ScoreStream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        self.metadata = dict(context.invocation_metadata())
        answered = 0
        async for request in requests:
            if request.metric_versions:
                self.streams.append(list(request.metric_versions))
                if any("unknown" in version for version in request.metric_versions):
                    raise errors.NotFoundError("There is no unknown.")
                self.versions = [one.replace("production", "3") for one in request.metric_versions]
                yield scorer.ScoreStreamResponse(metric_versions=self.versions)
            for instance in request.instances:
                if self.failures and answered == self.failures[0][0]:
                    failure = self.failures.pop(0)[1]
                    if isinstance(failure, grpc.StatusCode):
                        await context.abort(failure, "as the test wants it")
                    else:
                        raise failure
                answered += 1
                self.rows.append(text_of(instance))
                await asyncio.sleep(self.pause_s)
                yield scorer.ScoreStreamResponse(
                    results=[result_of(instance, self.versions)], answered_count=answered
                )

    async def Score(self, request: Any, context: Any) -> Any:
        self.unary.append(request)
        return scorer.ScoreResponse(
            results=[result_of(one, request.metric_versions) for one in request.instances]
        )


def text_of(instance: pb.Instance) -> str:
    return instance.span.output[0].content if instance.span.output else ""


def result_of(instance: pb.Instance, versions: Any) -> scorer.InstanceResult:
    if not text_of(instance):
        error = errors.InstanceInvalidError("Empty.")
        return scorer.InstanceResult(outcomes=[scorer.ScoreOutcome(error=to_status(error)) for _ in versions])
    label = text_of(instance)[:10]
    scores = [pb.Score(label=label, metric_version=version) for version in versions]
    return scorer.InstanceResult(outcomes=[scorer.ScoreOutcome(score=score) for score in scores])


def served(fake: StreamScorer) -> Any:
    return serving(ScoreStream=fake.ScoreStream, Score=fake.Score)


def texts(count: int) -> list[dict[str, str]]:
    return [{"output": str(n)} for n in range(count)]


def labels(rows: list[dict[str, Any]], metric: str = "m") -> list[str]:
    return [row[metric].label for row in rows]


async def test_rows_come_in_their_order_and_the_source_is_read_as_they_do(kind: str) -> None:
    taken = []

    def source() -> Iterator[dict[str, str]]:
        for number in range(20_000):
            taken.append(number)
            yield {"output": str(number)}

    async with served(StreamScorer()) as address, connected(kind, address) as client:
        rows = client.score_stream("m", source())
        first = [await anext(rows) for _ in range(100)]
        ahead = len(taken)
        await rows.aclose()
    assert labels(first) == [str(n) for n in range(100)]
    assert 100 <= ahead < 4_000


async def test_a_source_may_be_asynchronous() -> None:
    async def source() -> AsyncIterator[dict[str, str]]:
        for number in range(200):
            await asyncio.sleep(0)
            yield {"output": str(number)}

    async with served(StreamScorer()) as address, connected("async", address) as client:
        rows = await collected(client.score_stream("m", source()))
    assert labels(rows) == [str(n) for n in range(200)]


@pytest.mark.parametrize(
    "failure", [grpc.StatusCode.UNAVAILABLE, errors.OverloadedError("Busy.", retry_after_s=0.01)]
)
async def test_a_stream_that_breaks_goes_on_where_it_was_with_the_same_numbers(
    kind: str, failure: Any
) -> None:
    fake = StreamScorer((0, failure), (150, failure), (1, failure), (0, failure))
    async with served(fake) as address, connected(kind, address) as client:
        rows = await collected(client.score_stream(["m", "n@2"], texts(500)))
    assert labels(rows) == [str(n) for n in range(500)]
    assert fake.streams[0] == ["metrics/m/versions/production", "metrics/n/versions/2"]
    assert fake.streams[1:] == [["metrics/m/versions/3", "metrics/n/versions/2"]] * 4


async def test_no_row_that_was_answered_is_sent_again_after_a_failure(kind: str) -> None:
    fake = StreamScorer((100, grpc.StatusCode.UNAVAILABLE))
    async with served(fake) as address, connected(kind, address) as client:
        rows = await collected(client.score_stream("m", texts(300)))
    assert labels(rows) == [str(n) for n in range(300)]
    assert len(set(fake.rows)) == 300
    assert 300 <= len(fake.rows) <= 400  # answers may be lost on the way, rows that were not sent are not


async def test_progress_gives_a_stream_its_time_anew_and_none_ends_it(kind: str) -> None:
    away = grpc.StatusCode.UNAVAILABLE
    async with served(StreamScorer(*[(20, away)] * 10)) as address, connected(kind, address) as client:
        rows = await collected(client.score_stream("m", texts(300), timeout_s=1.0))
        assert len(rows) == 300
    async with served(StreamScorer(*[(0, away)] * 1000)) as address, connected(kind, address) as client:
        with pytest.raises(errors.ServiceUnavailableError):
            await collected(client.score_stream("m", texts(300), timeout_s=0.3))


async def test_a_lasting_error_is_raised(kind: str) -> None:
    async with served(StreamScorer()) as address, connected(kind, address) as client:
        with pytest.raises(errors.NotFoundError):
            await collected(client.score_stream("unknown", texts(1000)))


async def test_a_row_that_cannot_be_sent_has_its_error_in_its_place(kind: str) -> None:
    mine = errors.InvalidRequestError("Line 3 is not JSON.")
    source = [{"output": "a"}, mine, {"output": "\ud83d"}, {"output": ""}, {"output": "b"}]
    async with served(StreamScorer()) as address, connected(kind, address) as client:
        rows = [row["m"] for row in await collected(client.score_stream("m", source))]
    assert rows[1] is mine
    assert "surrogate" in rows[2].message
    assert isinstance(rows[3], errors.InstanceInvalidError)
    assert [rows[0].label, rows[4].label] == ["a", "b"]


async def test_nothing_but_rows_that_cannot_be_sent_does_not_hang(kind: str) -> None:
    mine = errors.InvalidRequestError("Line 3 is not JSON.")
    async with served(StreamScorer()) as address, connected(kind, address) as client:
        rows = await collected(client.score_stream("m", [mine] * 5_000))
    assert len(rows) == 5_000


async def test_an_instance_over_the_limit_fails_alone_and_a_large_one_goes_alone(kind: str) -> None:
    fake = StreamScorer()
    source = [{"output": "a"}, {"output": "x" * 5 * 1024**2}, {"output": "y" * 1024**2}, {"output": "b"}]
    async with served(fake) as address, connected(kind, address) as client:
        rows = [row["m"] for row in await collected(client.score_stream("m", source))]
    assert [getattr(row, "label", type(row).__name__) for row in rows] == [
        "a",
        "MessageTooLargeError",
        "y" * 10,
        "b",
    ]
    assert list(fake.unary[-1].metric_versions) == ["metrics/m/versions/3"]
    assert fake.unary[-1].lane == scorer.BULK


async def test_what_a_source_raises_is_raised_after_the_rows_before_it(kind: str) -> None:
    def source() -> Iterator[dict[str, str]]:
        yield from texts(70)
        raise KeyError("a defect of mine")

    async with served(StreamScorer()) as address, connected(kind, address) as client:
        rows = client.score_stream("m", source())
        got = [await anext(rows) for _ in range(70)]
        with pytest.raises(KeyError, match="a defect of mine"):
            await anext(rows)
        assert labels(got) == [str(n) for n in range(70)]
        with pytest.raises(errors.InvalidRequestError, match="instance is a int"):
            await collected(client.score_stream("m", [7]))


class PanicError(BaseException):
    """As libraries in Rust raise."""


async def test_a_source_that_raises_what_is_no_exception_ends_the_stream_as_well(kind: str) -> None:
    def source() -> Iterator[dict[str, str]]:
        yield from texts(1)
        raise PanicError

    async with served(StreamScorer()) as address, connected(kind, address) as client:
        async with asyncio.timeout(30):
            with pytest.raises(PanicError):
                await collected(client.score_stream("m", source()))


async def test_a_slow_source_gets_its_scores_as_it_gives_rows(kind: str) -> None:
    gate = threading.Event()

    def source() -> Iterator[dict[str, str]]:
        yield {"output": "0"}
        yield {"output": "1"}
        gate.wait(10)
        yield {"output": "2"}

    async with served(StreamScorer()) as address, connected(kind, address) as client:
        rows = client.score_stream("m", source())
        assert labels([await anext(rows), await anext(rows)]) == ["0", "1"]
        gate.set()
        assert labels(await collected(rows)) == ["2"]


async def test_a_source_may_wait_for_the_scores_of_the_rows_it_gave(kind: str) -> None:
    scored = threading.Semaphore(0)

    def source() -> Iterator[dict[str, str]]:
        for number in range(0, 6, 2):
            yield {"output": str(number)}
            yield {"output": str(number + 1)}
            for _ in range(2):
                assert scored.acquire(timeout=10)

    got = []
    async with served(StreamScorer()) as address, connected(kind, address) as client:
        async for row in client.score_stream("m", source()):
            got.append(row)
            scored.release()
    assert labels(got) == [str(n) for n in range(6)]


async def test_an_asynchronous_source_may_wait_for_the_scores_of_the_rows_it_gave() -> None:
    scored = asyncio.Semaphore(0)

    async def source() -> AsyncIterator[dict[str, str]]:
        for number in range(0, 6, 2):
            yield {"output": str(number)}
            yield {"output": str(number + 1)}
            for _ in range(2):
                await asyncio.wait_for(scored.acquire(), 10)

    got = []
    async with served(StreamScorer()) as address, connected("async", address) as client:
        async for row in client.score_stream("m", source()):
            got.append(row)
            scored.release()
    assert labels(got) == [str(n) for n in range(6)]


async def test_no_rows_give_no_results_and_the_versions_can_be_asked_for(kind: str) -> None:
    async with served(StreamScorer()) as address, connected(kind, address) as client:
        assert await collected(client.score_stream("m", [])) == []
        assert await client.resolve(["m", "n@2"]) == {
            "m": "metrics/m/versions/3",
            "n@2": "metrics/n/versions/2",
        }
        with pytest.raises(errors.NotFoundError):
            await client.resolve("unknown")


async def test_a_caller_who_stops_early_leaves_nothing_behind(kind: str) -> None:
    before = {thread.ident for thread in threading.enumerate() if "gnomon-beside" in thread.name}
    async with served(StreamScorer()) as address, connected(kind, address) as client:
        for _ in range(5):
            rows = client.score_stream("m", texts(5_000))
            await anext(rows)
            await rows.aclose()
    after = {thread.ident for thread in threading.enumerate() if "gnomon-beside" in thread.name}
    assert after <= before


async def test_the_callers_name_goes_with_the_calls_to_the_scorer(kind: str) -> None:
    fake = StreamScorer()
    async with served(fake) as address, connected(kind, address, caller="my-app") as client:
        await collected(client.score_stream("m", texts(1)))
    assert fake.metadata["x-gnomon-caller"] == "my-app"


async def test_a_row_taken_late_does_not_count_as_no_progress(kind: str) -> None:
    fake = StreamScorer((3, grpc.StatusCode.UNAVAILABLE))
    async with served(fake) as address, connected(kind, address) as client:
        rows = client.score_stream("m", texts(10), timeout_s=0.4)
        got = [await anext(rows)]
        await asyncio.sleep(0.6)
        got += await collected(rows)
    assert labels(got) == [str(n) for n in range(10)]


async def test_a_stream_whose_source_was_quiet_for_long_goes_on_after_restarts(kind: str) -> None:
    away = threading.Semaphore(0)

    class Restarting(StreamScorer):
        async def ScoreStream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            answers = super().ScoreStream(requests, context)
            async for answer in answers:
                yield answer
                if len(self.rows) == 2 and len(self.streams) < 4:
                    await asyncio.sleep(0.35)  # longer than may pass without progress
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "restarted")
                if len(self.streams) == 4:
                    away.release()

    def source() -> Iterator[dict[str, str]]:
        yield {"output": "0"}
        yield {"output": "1"}
        away.acquire(timeout=10)
        yield {"output": "2"}

    fake = Restarting()
    async with served(fake) as address, connected(kind, address) as client:
        rows = await collected(client.score_stream("m", source(), timeout_s=0.3))
    assert labels(rows) == ["0", "1", "2"]
    assert len(fake.streams) == 4


async def test_an_error_of_a_large_row_is_its_outcome(kind: str) -> None:
    lasting = [
        errors.InvalidRequestError("There are too many parts."),
        errors.DeadlineExceededError("It took too long."),
        errors.InternalError("A defect."),
    ]
    fake, failures = StreamScorer(), [*lasting, errors.ServiceUnavailableError("Away.")]

    async def score(request: Any, context: Any) -> Any:
        if failures:
            raise failures.pop(0)
        return await fake.Score(request, context)

    large = [{"output": letter * 600 * 1024} for letter in "abcd"]
    source = [{"output": "1"}, *large, {"output": "2"}]
    served = serving(ScoreStream=fake.ScoreStream, Score=score)
    async with served as address, connected(kind, address) as client:
        rows = await collected(client.score_stream("m", source))
    assert [type(row["m"]) for row in rows[1:4]] == [type(error) for error in lasting]
    assert labels([rows[0], *rows[4:]]) == ["1", "d" * 10, "2"]
