"""Scores that a scorer cannot give for now: asked for again, alone, as long as there is time."""

import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from gnomon import errors
from gnomon.status import to_status
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import scorer_service_pb2 as scorer
from tests.sdk.serving import connected, serving

LOADING = errors.VersionLoadingError("b is being loaded.", retry_after_s=0.01)
ASIDE = errors.OverloadedError("Come back much later.", retry_after_s=60)
GONE = errors.VersionUnloadableError("b cannot be loaded.")

Says = Callable[[str, str, int], errors.GnomonError | None]  # of a metric, a text, and the asking so far


class Unready:
    """Scores, but for what `says` gives an error of; fails as a whole where a scorer would."""

    def __init__(self, says: Says) -> None:
        self._says = says
        self.asked: list[tuple[list[str], list[str]]] = []  # the metrics and the texts of each request
        self._times: dict[tuple[str, str], int] = {}

    async def __call__(self, request: scorer.ScoreRequest, context: Any) -> scorer.ScoreResponse:
        names = [name.split("/")[1] for name in request.metric_versions]
        texts = [instance.span.output[0].content for instance in request.instances]
        self.asked.append((names, texts))
        found = [[self._outcome(name, text) for name in names] for text in texts]
        if all(isinstance(outcome, errors.GnomonError) for row in found for outcome in row):
            raise found[0][0]
        return scorer.ScoreResponse(
            results=[scorer.InstanceResult(outcomes=[_message(one) for one in row]) for row in found]
        )

    def _outcome(self, name: str, text: str) -> Any:
        times = self._times[name, text] = self._times.get((name, text), -1) + 1
        return self._says(name, text, times) or pb.Score(label=f"{name}:{text}")


def _message(outcome: Any) -> scorer.ScoreOutcome:
    if isinstance(outcome, pb.Score):
        return scorer.ScoreOutcome(score=outcome)
    return scorer.ScoreOutcome(error=to_status(outcome))


def loads_b(until: int, error: errors.GnomonError = LOADING) -> Says:
    """Return what says that `b` is being loaded the first so many times."""
    return lambda name, text, times: error if name == "b" and times < until else None


def texts(count: int) -> list[dict[str, str]]:
    return [{"output": str(n)} for n in range(count)]


async def test_a_metric_that_is_being_loaded_beside_another_is_asked_for_again_alone(kind: str) -> None:
    fake = Unready(loads_b(3))
    async with serving(Score=fake) as address, connected(kind, address) as client:
        one = await client.score(["a", "b"], output="x")
        rows = await client.score(["a", "b"], instances=texts(3))
        frame = await client.score_frame(pd.DataFrame({"output": ["y", "z"]}), ["a", "b"])
        batch = await client.score_batch(["a", "b"], [{"output": "w"}])
    assert [one["a"].label, one["b"].label] == ["a:x", "b:x"]
    assert [[row[m].label for m in "ab"] for row in rows] == [[f"a:{n}", f"b:{n}"] for n in range(3)]
    assert frame["b.error"].isna().all()
    assert [outcome.score.label for outcome in batch.results[0].outcomes] == ["a:w", "b:w"]
    assert fake.asked[:4] == [(["a", "b"], ["x"]), *[(["b"], ["x"])] * 3]


async def test_only_the_rows_that_have_no_score_are_asked_for_again(kind: str) -> None:
    fake = Unready(lambda name, text, times: LOADING if name == text and times < 2 else None)
    async with serving(Score=fake) as address, connected(kind, address) as client:
        rows = await client.score(["a", "b"], instances=[{"output": t} for t in "abc"])
    assert [[row[m].label for m in "ab"] for row in rows] == [[f"a:{t}", f"b:{t}"] for t in "abc"]
    assert fake.asked[0] == (["a", "b"], ["a", "b", "c"])
    assert sorted(fake.asked[1:]) == [(["a"], ["a"])] * 2 + [(["b"], ["b"])] * 2


async def test_a_row_that_met_a_version_which_broke_is_scored_once_it_is_mended(kind: str) -> None:
    fake = Unready(lambda name, text, times: LOADING if text == "1" and not times else None)
    async with serving(Score=fake) as address, connected(kind, address) as client:
        rows = await client.score("m", instances=texts(3))
    assert [row["m"].label for row in rows] == ["m:0", "m:1", "m:2"]
    assert fake.asked[1:] == [(["m"], ["1"])]


async def test_when_the_time_is_over_what_has_no_score_has_its_error(kind: str) -> None:
    async with serving(Score=Unready(loads_b(9_999))) as address, connected(kind, address) as client:
        began = time.monotonic()
        rows = await client.score(["a", "b"], instances=texts(2), timeout_s=0.8)
        with pytest.raises(errors.VersionLoadingError):
            await client.score(["a", "b"], output="x", timeout_s=0.8)
        assert time.monotonic() - began < 5
    assert [row["a"].label for row in rows] == ["a:0", "a:1"]
    assert all(isinstance(row["b"], errors.VersionLoadingError) for row in rows)


async def test_a_wait_that_would_end_too_late_is_not_begun_and_holds_up_no_other_metric(kind: str) -> None:
    def says(name: str, text: str, times: int) -> errors.GnomonError | None:
        return ASIDE if name == "c" else loads_b(2)(name, text, times)

    fake = Unready(says)
    async with serving(Score=fake) as address, connected(kind, address) as client:
        (row,) = await client.score(["a", "b", "c"], instances=texts(1))
    assert (row["b"].label, type(row["c"])) == ("b:0", errors.OverloadedError)
    assert fake.asked[1:] == [(["b"], ["0"])] * 2


async def test_an_error_that_time_does_not_heal_is_the_outcome_in_place_of_the_first(kind: str) -> None:
    fake = Unready(lambda name, text, times: None if name == "a" else GONE if times else LOADING)
    async with serving(Score=fake) as address, connected(kind, address) as client:
        rows = await client.score(["a", "b"], instances=texts(2))
    assert [type(row["b"]) for row in rows] == [errors.VersionUnloadableError] * 2
    assert len(fake.asked) == 2


async def test_many_rows_wait_once_and_not_batch_by_batch_for_a_metric_that_does_not_come(kind: str) -> None:
    fake = Unready(loads_b(9_999, errors.VersionLoadingError("Loading.", retry_after_s=0.6)))
    async with serving(Score=fake) as address, connected(kind, address) as client:
        frame = pd.DataFrame({"output": [str(n) for n in range(60)]})
        scored = await client.score_frame(frame, ["a", "b"], batch=2, timeout_s=1.0)
    assert scored["a.label"].notna().all()
    assert scored["b.error"].notna().all()
    assert sum(names == ["b"] for names, _ in fake.asked) <= 4  # of 30 batches those first under way


async def test_a_large_row_of_a_stream_is_asked_for_again_as_well(kind: str) -> None:
    large = "x" * 600 * 1024
    fake = Unready(lambda name, text, times: LOADING if name == "b" and times < 2 else None)

    async def stream(requests: Any, context: Any) -> Any:
        async for request in requests:
            if request.metric_versions:
                yield scorer.ScoreStreamResponse(metric_versions=request.metric_versions)
            for _ in request.instances:
                outcomes = [_message(errors.InstanceInvalidError("Empty."))] * 2
                yield scorer.ScoreStreamResponse(results=[scorer.InstanceResult(outcomes=outcomes)])

    served = serving(ScoreStream=stream, Score=fake)
    async with served as address, connected(kind, address) as client:
        (row,) = [row async for row in client.score_stream(["a", "b"], [{"output": large}])]
    assert row["b"].label == f"b:{large}"
