"""Rows of which none can be held out are refused before a run is queued, and no others are."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import DatasetTooSmallError, DatasetUnsuitableError, GnomonError
from gnomon.instances import text_span
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_trainer.domain.division import check_division, divided
from gnomon_trainer.domain.set_aside import SetAside, set_aside
from gnomon_trainer.domain.training import Parameters, Row
from gnomon_trainer.domain.validation_split import hold_out_contexts, most_unheld
from tests.trainer.running import Trainer, jsonl, labelled_rows, refused, run_request
from tests.trainer.things import PARAMETERS, TOXICITY

CLASSES = "abc"
SOME = replace(TOXICITY, classes=tuple(CLASSES), flagged_classes=("a",))
GUARANTEED = replace(PARAMETERS, abstain_error_rate=0.5, threshold_confidence=0.5)

# Rows as (class, text, context): of few texts with many copies, as of many with one.
ANY_ROWS = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.integers(0, 60), st.integers(0, 3), st.integers(1, 12)),
    max_size=60,
).map(lambda found: [(label, text, context) for label, text, context, copies in found for _ in range(copies)])


def _copied(most: int) -> st.SearchStrategy[list[tuple[str, int, int]]]:
    """Classes of some texts with as many copies each: of what is wanted, a text may have too many."""
    classes = st.lists(
        st.tuples(st.integers(0, 24), st.integers(1, most)), min_size=len(CLASSES), max_size=len(CLASSES)
    )
    return classes.map(
        lambda sizes: [
            (label, 100 * place + text, place)
            for place, (label, (texts, copies)) in enumerate(zip(CLASSES, sizes, strict=True))
            for text in range(texts)
            for _ in range(copies)
        ]
    )


def _rows(found: list[tuple[str, int, int]]) -> Iterator[Row]:
    for number, (label, text, context) in enumerate(found, 1):
        yield Row(number, text_span(input=f"document {context}", output=f"text {text}"), label)


def _of_training(found: list[tuple[str, int, int]], parameters: Parameters) -> GnomonError | None:
    """Return what training raises, which has the texts themselves and all rows."""
    labels = [label for label, _, _ in found]
    keys = [(context, text) for _, text, context in found]
    contexts = [context for _, _, context in found]
    try:
        aside = set_aside(
            labels, keys, contexts, SOME.flagged_classes, parameters, training_set="datasets/t@1"
        )
        divided(labels, keys, contexts, aside, parameters, training_set="datasets/t@1")
    except (DatasetTooSmallError, DatasetUnsuitableError) as error:
        return error
    return None


@pytest.mark.parametrize("parameters", [PARAMETERS, GUARANTEED])
@given(ANY_ROWS | _copied(6), st.sampled_from([0.05, 0.2, 0.5]), st.integers(0, 9))
@settings(deadline=None, max_examples=150)
def test_a_run_is_refused_with_the_words_of_its_training_and_only_then(
    parameters: Parameters, found: list[tuple[str, int, int]], share: float, seed: int
) -> None:
    parameters = replace(parameters, validation_share=share, seed=seed)
    expected = _of_training(found, parameters)
    if expected is None:
        check_division(_rows(found), SOME, parameters, "datasets/t@1")
        return
    with pytest.raises(type(expected)) as caught:
        check_division(_rows(found), SOME, parameters, "datasets/t@1")
    assert (caught.value.message, caught.value.metadata) == (expected.message, expected.metadata)


@given(ANY_ROWS | _copied(40), st.floats(0.05, 0.5), st.integers(0, 9))
@settings(deadline=None, max_examples=200)
def test_of_more_different_texts_than_the_most_some_are_held_out(
    found: list[tuple[str, int, int]], share: float, seed: int
) -> None:
    labels, keys = [label for label, _, _ in found], [(context, text) for _, text, context in found]
    _, held_out = hold_out_contexts(labels, keys, [context for context, _ in keys], share, seed)
    assert held_out or len(set(keys)) <= most_unheld(len(CLASSES), share)


def test_of_nearly_as_many_different_texts_as_the_most_none_may_be_held_out() -> None:
    share, texts = 0.05, 19  # of 19 texts with 40 copies each, 38 rows are wanted
    labels = [label for label in CLASSES for _ in range(40 * texts)]
    keys = [(label, place % texts) for place, label in enumerate(labels)]
    _, held_out = hold_out_contexts(labels, keys, labels, share, seed=0)
    assert not held_out
    assert len(set(keys)) > 0.7 * most_unheld(len(CLASSES), share)


def test_no_more_rows_are_read_than_tell_that_some_can_be_held_out() -> None:
    rows = _rows([("ab"[place % 2], place, place) for place in range(10_000)])

    check_division(rows, SOME, PARAMETERS, "datasets/t@1")

    assert next(rows).number == most_unheld(len(CLASSES), PARAMETERS.validation_share) + 2


def test_rows_that_are_set_aside_are_neither_learned_from_nor_held_out() -> None:
    labels = ["a", "b"] * 20
    training, held_out = divided(
        labels, range(40), range(40), SetAside(range(8), range(8)), PARAMETERS, training_set="datasets/t@1"
    )
    assert sorted([*training, *held_out]) == list(range(8, 40))
    with pytest.raises(DatasetUnsuitableError, match="4 rows of datasets/t@1 to learn from, 36 set aside"):
        divided(
            labels,
            range(40),
            range(40),
            SetAside(range(36), range(36)),
            PARAMETERS,
            training_set="datasets/t@1",
        )


async def test_a_run_of_copies_of_two_texts_is_refused_before_it_is_queued(trainer: Trainer) -> None:
    copies = [{"input": "Hi", "output": "yes" if n % 2 else "no", "label": bool(n % 2)} for n in range(400)]
    await trainer.upload(jsonl(copies), dataset_id="train")
    await trainer.upload(jsonl(labelled_rows(160)), dataset_id="test")

    error = await refused(trainer.stub.CreateRun(run_request()))

    assert isinstance(error, DatasetUnsuitableError)
    assert error.message.startswith("Of the 400 rows of datasets/train@1 to learn from, none can be held out")
    assert error.metadata == {"resource": "datasets/train@1"}
    assert not (await trainer.stub.ListRuns(pb.ListRunsRequest(parent="projects/-"))).runs


async def test_a_run_of_classes_of_three_rows_is_refused_until_one_has_a_fourth(trainer: Trainer) -> None:
    topics = [f"topic{n}" for n in range(6)]
    metric = resources.Metric(
        name="metrics/topic", output_type="CATEGORICAL", step="LLM_SPAN", input_shape="INPUT"
    )
    metric.classes.extend(resources.Metric.LabelClass(label=topic) for topic in topics)
    trainer.registry.metrics[metric.name] = metric
    few = [{"input": f"{topic}, {n} of them", "label": topic} for topic in topics for n in range(3)]
    asked = {"metric": metric.name, "allow_small": True}
    await trainer.upload(
        jsonl({**row, "input": f"test {row['input']}"} for row in few), dataset_id="test", metric=metric.name
    )
    await trainer.upload(jsonl(few), dataset_id="train", metric=metric.name)

    error = await refused(trainer.stub.CreateRun(run_request(**asked)))
    await trainer.upload(jsonl([*few, few[0] | {"input": "another"}]), dataset_id="train", metric=metric.name)
    run = await trainer.create_run(**asked)

    assert isinstance(error, DatasetUnsuitableError)
    assert "Add rows: at least 4 of a class, with different texts" in error.message
    assert run.training_set == "datasets/train@2"
