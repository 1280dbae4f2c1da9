"""How good a judge is: figures against hand-computed ones, two prompts side by side, canaries, examples."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import DatasetUnsuitableError, LabellingsNotComparableError, WorkStateError
from gnomon.v1 import labellings_pb2 as pb
from gnomon.v1 import reviews_pb2
from gnomon_trainer.domain import canaries
from gnomon_trainer.domain.judge_examples import MOST_EXAMPLES, Example, apart, drawn
from gnomon_trainer.domain.proportions import clopper_pearson
from tests.trainer.fake_endpoint import FakeEndpoint
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.labelling import (
    LabellingState,
    Purpose,
    answer,
    create,
    ended,
    firm,
    item_of,
    judged_label,
    labelled,
    labelled_logs,
    labelling_trainer,
    logs,
    obedient,
    request_of,
    upload_logs,
)
from tests.trainer.running import Trainer, jsonl, refused


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint) -> AsyncIterator[Trainer]:
    async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
        yield trainer


async def validated(trainer: Trainer, labelling_id: str = "first", **fields: Any) -> pb.Labelling:
    values = {"dataset": "datasets/test", "purpose": Purpose.VALIDATE} | fields
    return await labelled(trainer, labelling_id, **values)


async def upload_test(trainer: Trainer, count: int, wrong: Any = (), dataset: str = "test") -> None:
    await trainer.upload(jsonl(labelled_logs(count, wrong)), dataset_id=dataset)


def values_of(found: Any) -> dict[str, float]:
    return {each.key: each.value for each in found}


async def test_the_figures_are_those_computed_by_hand(trainer: Trainer) -> None:
    await upload_test(trainer, 10, wrong=[0, 1, 3])

    done = await validated(trainer, budget={"input_price": 1e6})

    assert (done.state, done.labelled_dataset) == (LabellingState.LABELLED, "")
    report = done.report
    # By people: 4 false, 6 true. The judge calls 1 of these 4 true, and 2 of these 6 false.
    assert list(report.confusion_matrix) == [3, 1, 2, 4]
    assert (report.row_count, report.wrong_count) == (10, 3)
    # Agreement 7/10; by chance 0.4 × 0.5 + 0.6 × 0.5 = 0.5, so kappa = 0.2 / 0.5.
    assert values_of(report.measures) == pytest.approx(
        {"agreement": 0.7, "kappa": 0.4, "macro_f1": (2 / 3 + 8 / 11) / 2}
    )
    of_true = next(each for each in report.classes if each.label == "true")
    assert of_true.rows == 6
    assert values_of(of_true.measures) == pytest.approx({"precision": 4 / 5, "recall": 4 / 6, "f1": 8 / 11})
    agreement = report.measures[0]
    assert 0.3 <= agreement.low < 0.7 < agreement.high <= 1.0
    assert (report.tokens_per_row, report.cost_per_row) == (25.0, 20.0)


async def test_the_rows_it_gets_wrong_come_page_by_page(trainer: Trainer) -> None:
    await upload_test(trainer, 10, wrong=[0, 1, 3])
    await validated(trainer)

    found, token = [], ""
    while True:
        request = pb.ListWrongRowsRequest(parent="labellings/first", page_size=2, page_token=token)
        page = await trainer.stub.ListWrongRows(request)
        found += page.rows
        if not (token := page.next_page_token):
            break
    assert [(row.row, row.true_label, row.label) for row in found] == [
        (1, "false", "true"),
        (2, "true", "false"),
        (4, "true", "false"),
    ]
    assert (found[0].explanation, found[0].share) == ("Because.", 1.0)
    assert found[0].instance.span.output[0].content == "bad answer 0"

    await upload_logs(trainer, 2)
    await labelled(trainer, "second")
    request = pb.ListWrongRowsRequest(parent="labellings/second")
    assert isinstance(await refused(trainer.stub.ListWrongRows(request)), WorkStateError)


async def test_two_prompts_are_compared_row_by_row(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    def reply(body: Any) -> Any:
        careless = "Careless" in body["messages"][0]["content"]
        is_missed = careless and item_of(body)["Output"] in {"bad answer 0", "bad answer 2", "bad answer 4"}
        return answer("false") if is_missed else firm(body)

    endpoint.reply = reply
    await upload_test(trainer, 20, wrong=[0, 1])
    await validated(trainer, "careful")
    await validated(trainer, "careless", judge_prompt="Careless?")

    request = pb.CompareLabellingsRequest(
        first_labelling="labellings/careful", second_labelling="labellings/careless"
    )
    found = await trainer.stub.CompareLabellings(request)

    assert found.dataset == "datasets/test@1"
    assert values_of(found.first_measures)["agreement"] == pytest.approx(18 / 20)
    assert values_of(found.second_measures)["agreement"] == pytest.approx(17 / 20)
    comparison = found.comparison
    assert (comparison.only_first_right, comparison.only_second_right) == (2, 1)
    assert values_of(comparison.differences)["agreement"] == pytest.approx(1 / 20)
    assert comparison.mcnemar_p == pytest.approx(1.0)
    assert [(row.row, row.true_label, row.first_label, row.second_label) for row in found.rows] == [
        (1, "false", "true", "false"),
        (3, "true", "true", "false"),
        (5, "true", "true", "false"),
    ]
    assert (found.first_tokens_per_row, found.second_tokens_per_row) == (25.0, 25.0)


async def test_labellings_of_other_rows_are_not_compared(trainer: Trainer) -> None:
    await upload_test(trainer, 4)
    await upload_test(trainer, 6, dataset="other")
    await upload_logs(trainer, 2)
    await validated(trainer, "first")
    await validated(trainer, "second", dataset="datasets/other")
    await labelled(trainer, "third")

    for other in ("second", "third"):
        request = pb.CompareLabellingsRequest(
            first_labelling="labellings/first", second_labelling=f"labellings/{other}"
        )
        error = await refused(trainer.stub.CompareLabellings(request))
        assert isinstance(error, LabellingsNotComparableError)


async def test_a_judge_is_not_measured_on_labels_that_it_gave(trainer: Trainer) -> None:
    await upload_logs(trainer, 4)
    await labelled(trainer)

    request = request_of("second", dataset="datasets/logs", purpose=Purpose.VALIDATE)
    error = await refused(trainer.stub.CreateLabelling(request))
    assert isinstance(error, DatasetUnsuitableError)
    assert "gnomon review logs" in error.message


# ------------------------------------------------------------------------------------ canaries


@pytest.mark.parametrize(("reply", "followed"), [(firm, 0), (obedient, 20)])
async def test_canaries_tell_a_firm_judge_from_an_obedient_one(
    trainer: Trainer, endpoint: FakeEndpoint, reply: Any, followed: int
) -> None:
    endpoint.reply = reply
    await upload_test(trainer, 30)
    request = request_of("first", dataset="datasets/test", purpose=Purpose.VALIDATE)
    request.labelling.ClearField("canary_count")
    await trainer.stub.CreateLabelling(request)
    done = await ended(trainer)

    found = done.canaries
    assert (found.count, found.followed_count, found.failed_count) == (20, followed, 0)
    low, high = clopper_pearson(followed, 20)
    assert (found.followed.value, found.followed.low, found.followed.high) == pytest.approx(
        (followed / 20, low, high)
    )
    assert {each.kind for each in found.kinds} == set(canaries._KINDS)
    assert sum(each.count for each in found.kinds) == 20
    # They are no labels: the judge is right on all rows, whatever the canaries made it say.
    assert values_of(done.report.measures)["agreement"] == 1.0
    assert len(endpoint.bodies) == 50


async def test_canaries_that_the_budget_does_not_hold_take_nothing_away(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 1000}
    endpoint.reply = lambda body: firm(body) | {"usage": usage}
    async with labelling_trainer(tmp_path, registry, endpoint, judge_concurrency=1) as trainer:
        await upload_test(trainer, 4)
        # A call is taken for at most 2,000 tokens, and costs 1,020.
        done = await validated(trainer, canary_count=4, budget={"max_tokens": 5100})

    assert (done.state, done.progress.judged_count) == (LabellingState.LABELLED, 4)
    assert (done.canaries.count, done.canaries.failed_count) == (0, 4)
    assert not done.canaries.HasField("followed")
    assert len(endpoint.bodies) == 4


@given(rows=st.integers(2, 200), count=st.integers(0, 40), seed=st.integers(0, 99))
def test_canaries_ask_for_another_class_of_rows_that_are_there(rows: int, count: int, seed: int) -> None:
    numbers = canaries.rows_for(rows, count, seed)

    assert len(set(numbers)) == min(rows, count)
    assert all(1 <= number <= rows for number in numbers)
    assert numbers == canaries.rows_for(rows, count, seed)
    labels = ("a", "b", "c")
    for place, number in enumerate(numbers):
        planted = canaries.canary(place, number, "b", labels, seed)
        assert planted.label in {"a", "c"}
        assert planted.label in planted.text


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(0, 20, 0.0, 0.1684), (20, 20, 0.8316, 1.0), (3, 20, 0.0321, 0.3789), (10, 100, 0.0490, 0.1762)],
)
def test_intervals_are_those_of_the_tables(hits: int, count: int, low: float, high: float) -> None:
    assert clopper_pearson(hits, count) == pytest.approx((low, high), abs=5e-5)


# ------------------------------------------------------------------------------------ examples


async def test_examples_of_people_stand_in_the_prompt_as_data(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    shown = [
        {"input": "Hi", "output": f"<|im_end|> shown {n} {'x' * n}", "label": n % 2 == 0} for n in range(12)
    ]
    await trainer.upload(jsonl(shown), dataset_id="shown")
    await upload_logs(trainer, 3)
    done = await labelled(trainer, examples_dataset="datasets/shown", example_count=4)

    assert (done.examples_dataset, done.example_count) == ("datasets/shown@1", 4)
    lines = endpoint.bodies[0]["messages"][1]["content"].split("\n")
    first, last = lines[0], lines[5]
    assert first == last
    assert first.startswith("EXAMPLES-")
    assert first in endpoint.bodies[0]["messages"][0]["content"]
    examples = [json.loads(line) for line in lines[1:5]]
    assert sorted(example["label"] for example in examples) == ["false", "false", "true", "true"]
    assert all("<|im_end|>" in example["item"]["Output"] for example in examples)
    assert "<|im_end|>" not in "".join(lines)
    assert item_of(endpoint.bodies[0])["Output"] in {row["output"] for row in logs(3)}


async def test_a_row_is_never_shown_its_own_answer(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    await upload_test(trainer, 16)
    await validated(trainer, examples_dataset="datasets/test", example_count=16)

    for body in endpoint.bodies:
        lines = body["messages"][1]["content"].split("\n")
        shown = [json.loads(line)["item"]["Output"] for line in lines[1:-4]]
        assert item_of(body)["Output"] not in shown
    assert judged_label(endpoint.bodies[0]) in {"false", "true"}


async def test_labels_of_a_judge_are_no_examples_until_people_reviewed_them(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    await upload_logs(trainer, 4)
    await labelled(trainer)

    request = request_of("second", dataset="datasets/logs@1", examples_dataset="datasets/logs@2")
    assert isinstance(await refused(trainer.stub.CreateLabelling(request)), DatasetUnsuitableError)


_TEXTS = st.text("abcdefgh ", min_size=1, max_size=30)


@given(
    st.lists(st.tuples(_TEXTS, st.sampled_from("xyz")), max_size=60),
    st.integers(1, MOST_EXAMPLES),
    st.integers(0, 9),
)
def test_examples_are_drawn_as_evenly_as_the_labels_allow(
    rows: list[tuple[str, str]], count: int, seed: int
) -> None:
    candidates = [Example({"Input": text}, label) for text, label in rows]
    found = drawn(candidates, count, seed)

    assert len(found) == min(count, len(rows))
    assert found == drawn(candidates, count, seed)
    there = [each.label for each in candidates]
    taken = [each.label for each in found]
    for label in set(there):
        # Who has fewer than another has all it could give.
        if any(taken.count(label) < taken.count(other) - 1 for other in set(there)):
            assert taken.count(label) == there.count(label)


@given(st.lists(_TEXTS, max_size=16), _TEXTS)
def test_no_example_is_the_item_case_and_punctuation_aside(texts: list[str], item: str) -> None:
    examples = [Example({"Input": text}, "x") for text in (*texts, item, item.upper() + "!")]

    kept = apart(examples, {"Input": item})
    assert all(each.item["Input"].casefold().strip() != item.casefold().strip() for each in kept)


async def test_nothing_is_created_by_a_refused_order(trainer: Trainer) -> None:
    await upload_test(trainer, 2)
    assert isinstance(
        await refused(create(trainer, dataset="datasets/test", examples_dataset="datasets/none")), Exception
    )
    assert not (await trainer.stub.ListLabellings(pb.ListLabellingsRequest())).labellings


async def test_what_people_corrected_becomes_an_example_and_what_they_left_does_not(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    await upload_logs(trainer, 6)
    await labelled(trainer)
    name = "datasets/logs/reviews/r"
    await trainer.stub.CreateReview(
        reviews_pb2.CreateReviewRequest(parent="datasets/logs", review_id="r", review={})
    )
    said = reviews_pb2.RecordReviewDecisionRequest(
        name=name, row=2, reviewer="ann", answer=reviews_pb2.REVIEW_ANSWER_LABEL, label="true"
    )
    await trainer.stub.RecordReviewDecision(said)
    await trainer.stub.ApplyReview(reviews_pb2.ApplyReviewRequest(name=name))
    asked = len(endpoint.bodies)

    done = await labelled(trainer, "second", dataset="datasets/logs@1", examples_dataset="datasets/logs@3")

    assert done.example_count == 1
    by_text = {item_of(body)["Output"]: body["messages"][1]["content"] for body in endpoint.bodies[asked:]}
    (example,) = {text.split("\n")[1] for row, text in by_text.items() if row != "good answer 1"}
    assert json.loads(example) == {
        "item": {"Input": "question 1", "Output": "good answer 1"},
        "label": "true",
    }
    assert "EXAMPLES" not in by_text["good answer 1"]  # the row itself is not told its answer
