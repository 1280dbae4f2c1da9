"""What holds of seeds, plans, wishes, the sieve, rounds and figures, whatever the rows are."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import (
    GenerationSeedsMissingError,
    InvalidRequestError,
    JudgeBudgetSpentError,
    ProviderRefusedError,
)
from gnomon.instances import InputShape, Instance, Span
from gnomon_trainer.adapters.minhash import MinHashNeighbours
from gnomon_trainer.domain.diversity import distinct, figures
from gnomon_trainer.domain.generation_answers import Written
from gnomon_trainer.domain.generation_parts import context_of
from gnomon_trainer.domain.generation_plan import MOST_ASKED, calls, counts, missing, shares_of
from gnomon_trainer.domain.generation_prompt import Wanted
from gnomon_trainer.domain.generation_round import play
from gnomon_trainer.domain.generation_seeds import choose, kept_out
from gnomon_trainer.domain.generation_sieve import Dropped, Sieve
from gnomon_trainer.domain.generation_wishes import Manner, Reason, Wish, check_wish, manner
from gnomon_trainer.domain.judging import Judgement, SoftLabelSource
from tests.trainer.fake_writer import text_of
from tests.trainer.generation_things import metric_of, row, seed_of, wanted_of
from tests.trainer.things import TOXICITY

# ----------------------------------------------------------------------------------- seeds


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from(("false", "true")), min_size=15, max_size=80),
    st.floats(0.1, 0.5),
    st.integers(0, 2**31),
)
def test_seeds_are_the_same_share_of_every_class(labels: list[str], share: float, seed: int) -> None:
    rows = [row(number, label) for number, label in enumerate(labels, 1)]

    numbers = choose(rows, TOXICITY, share, seed)

    assert list(numbers) == sorted(set(numbers))
    chosen = Counter(labels[number - 1] for number in numbers)
    for label, count in Counter(labels).items():
        assert abs(chosen[label] - share * count) <= 0.5 + 1e-9
    assert numbers == choose(rows, TOXICITY, share, seed)


def test_rows_with_one_context_are_all_seeds_or_none() -> None:
    rows = [row(n, ("false", "true")[n % 2], input_text=f"Question {n // 4}?") for n in range(1, 121)]

    seeds = set(choose(rows, TOXICITY, 0.2, 7))

    assert 15 <= len(seeds) <= 33
    contexts = {context_of(each.instance, TOXICITY) for each in rows if each.number in seeds}
    assert not [r for r in rows if r.number not in seeds and context_of(r.instance, TOXICITY) in contexts]


def test_rows_that_all_share_a_context_are_chosen_one_by_one() -> None:
    rows = [row(n, ("false", "true")[n % 2], input_text="The same prompt.") for n in range(1, 51)]

    assert len(choose(rows, TOXICITY, 0.2, 0)) == 10


def test_too_few_rows_give_no_seeds() -> None:
    with pytest.raises(GenerationSeedsMissingError, match="too few"):
        choose([row(1, "true"), row(2, "false")], TOXICITY, 0.2, 0)


@settings(deadline=None, max_examples=15)
@given(st.sets(st.integers(1, 40), min_size=1, max_size=10))
def test_no_seed_nor_what_is_nearly_one_is_left_to_measure_on(chosen: set[int]) -> None:
    rows = [row(n, "true") for n in range(1, 41)]
    shouted = []
    for n in chosen:
        span = rows[n - 1].instance
        assert isinstance(span, Span)
        shouted.append(row(100 + n, "false", span.input[0].content.upper(), span.output[0].content + " "))
    seeds = [rows[n - 1] for n in sorted(chosen)]

    found = kept_out([*rows, *shouted], seeds, TOXICITY, MinHashNeighbours())

    assert set(found) == chosen | {100 + n for n in chosen}
    assert all(found[100 + n] == n for n in chosen)


# ------------------------------------------------------------------------------------ plan


@given(
    st.integers(0, 5_000),
    st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0.01, 100), min_size=1, max_size=8),
)
def test_rows_are_divided_whole_and_by_their_shares(rows: int, weights: dict[str, float]) -> None:
    total = sum(weights.values())
    shares = {label: weight / total for label, weight in weights.items()}

    found = counts(rows, shares)

    assert sum(found.values()) == rows
    assert all(abs(found[label] - rows * share) <= 1 + 1e-6 for label, share in shares.items())


@settings(max_examples=50)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.floats(0.0, 1.0),
    st.integers(0, 2**31),
)
def test_the_balance_is_reached_or_a_class_is_given_up_within_its_limit(
    true_rows: int, false_rows: int, kept_share: float, seed: int
) -> None:
    wanted = {"true": true_rows, "false": false_rows}
    seeds = [seed_of(InputShape.INPUT, n, ("false", "true")[n % 2]) for n in range(6)]
    draw, kept, asked = random.Random(seed), Counter[str](), Counter[str]()

    while left := missing(wanted, kept, asked):
        planned = calls(
            left,
            asked,
            seeds,
            Manner(),
            shape=InputShape.INPUT,
            avoided=(),
            draw=random.Random(0),
        )
        assert planned
        for call in planned:
            assert all(example.label == call.label for example in call.examples)
            asked[call.label] += call.count
            kept[call.label] += sum(draw.random() < kept_share for _ in range(call.count))

    for label, count in wanted.items():
        assert kept[label] == count or asked[label] >= MOST_ASKED * count
        assert asked[label] <= MOST_ASKED * count + 20


def test_every_seed_gets_its_turn() -> None:
    seeds = [seed_of(InputShape.INPUT, n) for n in range(37)]
    planned = calls(
        {"true": 100},
        {},
        seeds,
        Manner(),
        shape=InputShape.INPUT,
        avoided=(),
        draw=random.Random(0),
    )
    shown = Counter(example.number for call in planned for example in call.examples)

    assert set(shown) == set(range(37))
    assert max(shown.values()) - min(shown.values()) <= 1


def test_shares_are_even_over_classes_with_seeds_unless_they_are_given() -> None:
    assert shares_of({}, ("a", "b", "c"), ["a", "c"]) == {"a": 0.5, "c": 0.5}
    assert shares_of({"a": 3, "c": 1}, ("a", "b", "c"), ["a", "c"]) == {"a": 0.75, "c": 0.25}
    for wrong in ({"b": 1.0}, {"d": 1.0}, {"a": -1.0}, {"a": float("nan")}, {"a": float("inf")}):
        with pytest.raises(InvalidRequestError):
            shares_of(wrong, ("a", "b", "c"), ["a", "c"])


# ---------------------------------------------------------------------------------- wishes


def test_wishes_add_up_and_none_is_forgotten() -> None:
    wishes = [Wish(Reason.TOO_REPETITIVE), Wish(Reason.LABELS_WRONG, "No jokes."), Wish(Reason.OFF_TOPIC)]

    found = manner(wishes)

    assert found.rows_per_call < Manner().rows_per_call
    assert found.examples_per_call > Manner().examples_per_call
    assert found.explains
    assert not found.varies_tone
    assert len(found.sentences) == 4
    assert "No jokes." in found.sentences[-1]
    assert manner([]) == Manner()


@pytest.mark.parametrize(
    "wish", [Wish(Reason.OTHER), Wish(Reason.OTHER, "x" * 1_001), Wish(Reason.OFF_TOPIC, "\x1b[2J")]
)
def test_a_wish_that_says_nothing_or_too_much_is_refused(wish: Wish) -> None:
    with pytest.raises(InvalidRequestError):
        check_wish(wish)


# ----------------------------------------------------------------------------- sieve, round


def near_to(text: str) -> str:
    words = text.split()
    return " ".join([*words[:5], "changed", *words[6:]])


@settings(deadline=None, max_examples=15)
@given(st.permutations(range(8)))
def test_nothing_passes_the_sieve_that_is_near_to_what_is_there(order: Sequence[int]) -> None:
    seeds, test = [text_of(n) for n in range(30)], [text_of(n) for n in range(100, 130)]
    sieve = Sieve(seeds, test, MinHashNeighbours())
    sieve.keep([text_of(200)])
    texts = {
        0: (seeds[3], Dropped.COPIES_SEED),
        1: (near_to(seeds[4]), Dropped.COPIES_SEED),
        2: (test[5], Dropped.COPIES_TEST_ROW),
        3: (near_to(test[6]), Dropped.COPIES_TEST_ROW),
        4: (near_to(text_of(200)), Dropped.REPEATS_ROW),
        5: (text_of(300), None),
        6: (near_to(text_of(300)), None),
        7: (text_of(301), None),
    }

    found = dict(zip(order, sieve.sift([texts[place][0] for place in order]), strict=True))

    first, second = sorted((5, 6), key=order.index)
    assert found.pop(second) is Dropped.REPEATS_ROW
    assert found.pop(first) is None
    assert found == {place: cause for place, (_, cause) in texts.items() if place not in {5, 6}}


class ScriptedDesk:
    """An `Asking` that writes and judges as it is told."""

    def __init__(self, items: Sequence[Mapping[str, str]], labels: Mapping[str, Any]) -> None:
        self.items = list(items)
        self.labels = labels
        self.subjects: list[str] = []

    async def write(self, subject: str, wanted: Wanted) -> Written:
        self.subjects.append(subject)
        await asyncio.sleep(0)
        rows = tuple(self.items.pop(0) for _ in range(min(wanted.count, len(self.items))))
        return Written(rows, wanted.count - len(rows))

    async def judge(self, subject: str, item: Instance) -> Judgement:
        self.subjects.append(subject)
        assert isinstance(item, Span)
        said = self.labels[item.input[0].content]
        if isinstance(said, Exception):
            raise said
        return Judgement(said, "Because.", {"false": 0.25, "true": 0.75}, SoftLabelSource.VOTES, 1)


async def test_a_round_keeps_what_the_judge_confirms_and_counts_the_rest() -> None:
    texts = [text_of(n) for n in range(4)]
    filtered = ProviderRefusedError("No.", resource="providers/main", http_status="400")
    desk = ScriptedDesk(
        [{"input": text} for text in (*texts, texts[0])],
        {texts[0]: "true", texts[1]: "false", texts[2]: "true", texts[3]: filtered},
    )
    metric = metric_of(InputShape.INPUT)

    found = await play(
        [wanted_of(InputShape.INPUT, count=5)], desk, Sieve([], [], MinHashNeighbours()), metric, subject="r0"
    )

    assert [record["input"] for record in found.kept] == [texts[0], texts[2]]
    assert {record["label"] for record in found.kept} == {"true"}
    assert found.kept[0]["label_probabilities"] == {"false": 0.25, "true": 0.75}
    assert found.kept[0]["generated_from"] == [f"datasets/test@1#{n}" for n in (1, 2, 3)]
    assert +found.dropped == {Dropped.REPEATS_ROW: 1, Dropped.JUDGED_OTHERWISE: 1, Dropped.NOT_JUDGED: 1}
    assert found.asked == {"true": 5}
    assert len(set(desk.subjects)) == len(desk.subjects)
    assert sum(found.asked.values()) == len(found.kept) + sum(found.dropped.values())


async def test_a_round_waits_for_answers_under_way_before_it_says_that_the_budget_is_spent() -> None:
    texts = [text_of(n) for n in range(3)]
    spent = JudgeBudgetSpentError("Spent.", spent_tokens="1", spent_cost="0")
    desk = ScriptedDesk([{"input": t} for t in texts], {texts[0]: "true", texts[1]: spent, texts[2]: "true"})

    with pytest.raises(JudgeBudgetSpentError):
        await play(
            [wanted_of(InputShape.INPUT)],
            desk,
            Sieve([], [], MinHashNeighbours()),
            metric_of(InputShape.INPUT),
            subject="r0",
        )

    assert len(desk.subjects) == 1 + 3


# --------------------------------------------------------------------------------- figures


def test_figures_tell_repetition_from_variety() -> None:
    varied = [text_of(n) for n in range(40)]
    alike = [f"please help me with order {n}" for n in range(40)]

    found = {figure.key: figure for figure in figures(alike, varied)}

    assert found["distinct_1"].generated == pytest.approx(45 / 240)
    for key in ("distinct_1", "distinct_2", "distinct_3"):
        figure = found[key]
        assert figure.generated is not None
        assert figure.seeds is not None
        assert figure.generated < figure.seeds
    assert (found["words_p50"].generated, found["words_p50"].seeds) == (6, 12)


@given(st.lists(st.text(alphabet="ab ", max_size=12), max_size=12), st.integers(1, 3))
def test_distinct_shares_are_shares(texts: list[str], n: int) -> None:
    share = distinct(texts, n, len(texts))

    assert share is None or 0 < share <= 1


def test_distinct_shares_are_of_equally_many_texts() -> None:
    many = [text_of(n % 50) for n in range(500)]
    few = many[:50]

    found = {figure.key: figure for figure in figures(many, few)}

    assert found["distinct_2"].generated == pytest.approx(found["distinct_2"].seeds, abs=0.35)
    assert distinct(many, 2, 500) < distinct(few, 2, 50) / 5  # type: ignore[operator]
