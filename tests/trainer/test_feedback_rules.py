"""Laws of feedback: what is held out, whose word counts, where each word goes, how instances are kept."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gnomon.cells import instance as read_cells
from gnomon.errors import InstanceInvalidError, InvalidRequestError
from gnomon.instances import (
    Document,
    InputShape,
    Message,
    Session,
    Span,
    Step,
    Tool,
    ToolCall,
    Trace,
    text_span,
)
from gnomon.names import MetricName, MetricVersionName, check_id
from gnomon_trainer.domain.feedback import Feedback, FeedbackEntry, draft_of, is_held_out, last_words
from gnomon_trainer.domain.feedback_use_cases import feedback_dataset
from gnomon_trainer.domain.instance_cells import cells_of
from gnomon_trainer.domain.next_training_set import sort_words
from gnomon_trainer.domain.texts import rendered
from tests.trainer.things import TOXICITY

NOW = 1_800_000_000.0  # seconds since the epoch

texts = st.text("abc ?é日", min_size=1).filter(lambda text: text.strip())


def said(number: int = 1, text: int = 1, label: str = "true", **fields: Any) -> Feedback:
    values: dict[str, Any] = {
        "uid": f"r{number}", "metric": "metrics/toxicity", "version": 1, "cells": {}, "score_label": "",
        "score_probability": None, "reviewer": "", "review_time": float(number), "comment": "",
        "external_id": "", "held_out": False, "create_time": 0.0,
    }  # fmt: skip
    return Feedback(number=number, text=text, label=label, **(values | fields))


@given(st.text(), st.integers(0, 500), st.floats(0, 0.99))
def test_of_any_run_of_texts_the_share_is_held_out_to_within_one(
    stratum: str, count: int, share: float
) -> None:
    held_out = sum(is_held_out(stratum, before, share) for before in range(count))
    assert abs(held_out - count * share) <= 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.sampled_from(["true", "false"]))))
def test_the_last_word_on_each_text_counts_and_no_other(entries: list[tuple[int, int, str]]) -> None:
    every = [said(n, text, label, review_time=when) for n, (text, when, label) in enumerate(entries)]
    words = last_words(every)

    assert [word.text for word in words] == list(dict.fromkeys(entry.text for entry in every))
    for word in words:
        others = [entry for entry in every if entry.text == word.text]
        assert word == max(others, key=lambda entry: (entry.review_time, entry.number))


labels = st.sampled_from(["true", "false"])


@given(
    st.dictionaries(st.integers(0, 9), st.tuples(labels, st.booleans())),
    st.dictionaries(st.integers(0, 9), st.dictionaries(labels, st.integers(1, 3), min_size=1)),
)
def test_each_word_goes_to_one_place_and_nothing_that_was_learned_is_compared_on(
    spoken: dict[int, tuple[str, bool]], there: dict[int, dict[str, int]]
) -> None:
    words = [said(text, text, label, held_out=side) for text, (label, side) in spoken.items()]
    found = sort_words(words, {text: Counter(counts) for text, counts in there.items()})

    assert len(found.added) + len(found.held_out) + len(found.relabelled) + found.known == len(words)
    assert all(word.text not in there for word in (*found.added, *found.held_out))
    assert not any(word.held_out for word in found.added)
    assert all(word.held_out for word in found.held_out)
    wrong = sum(n for w in words for label, n in there.get(w.text, {}).items() if label != w.label)
    assert found.relabelled_rows == wrong


calls = st.builds(ToolCall, texts, st.sampled_from(["", '{"a": 1}']), st.sampled_from(["", "c1"]))
roles = st.sampled_from(["user", "assistant", "system", ""])
messages = st.builds(Message, texts, roles, st.lists(calls, max_size=2).map(tuple))
documents = st.builds(Document, texts, st.sampled_from(["", "d1"]))
tools = st.builds(Tool, texts, texts, st.sampled_from(["", "{}"]))
turns = st.lists(messages, min_size=1, max_size=3).map(tuple)
spans = st.builds(
    Span,
    input=turns,
    output=turns,
    documents=st.lists(documents, min_size=1, max_size=2).map(tuple),
    tools=st.lists(tools, min_size=1, max_size=2).map(tuple),
)
traces = st.builds(Trace, st.lists(spans, min_size=1, max_size=2).map(tuple), st.sampled_from(["", "t1"]))
sessions = st.builds(Session, st.lists(traces, min_size=1, max_size=2).map(tuple))


@given(spans, st.sampled_from([shape for shape in InputShape if not shape.value.startswith("whole")]))
def test_a_span_is_kept_as_cells_that_are_read_as_the_same_text(span: Span, shape: InputShape) -> None:
    metric = replace(TOXICITY, input_shape=shape)
    again = read_cells(cells_of(span, metric), metric.step)
    assert rendered(again, metric) == rendered(span, metric)


@given(traces | sessions)
@example(Trace((Span(input=(Message("?", "user"),), output=(Message("?"),)),)))
def test_a_trace_or_a_session_is_kept_as_cells_that_are_read_as_the_same_text(whole: Trace | Session) -> None:
    metric = replace(TOXICITY, step=Step.SESSION, input_shape=InputShape.WHOLE_SESSION)
    again = read_cells(cells_of(whole, metric), metric.step)
    assert rendered(again, metric) == rendered(whole, metric)


@given(traces)
def test_a_session_of_one_trace_is_a_trace_where_the_metric_scores_traces(trace: Trace) -> None:
    metric = replace(TOXICITY, step=Step.TRACE, input_shape=InputShape.WHOLE_TRACE)
    again = read_cells(cells_of(Session((trace,)), metric), metric.step)
    assert rendered(again, metric) == rendered(trace, metric)


def entry(**fields: Any) -> FeedbackEntry:
    values = {"instance": text_span(input="a", output="b"), "label": "true"} | fields
    return FeedbackEntry(metric_version=MetricVersionName("toxicity", 1), **values)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"label": "maybe"}, "label"),
        ({"score_label": "maybe"}, "score_label"),
        ({"comment": "x" * 2001}, "comment"),
        ({"reviewer": "x" * 201}, "reviewer"),
        ({"external_id": "x" * 201}, "external_id"),
        ({"score_probability": float("nan")}, "score_probability"),
        ({"review_time": NOW + 86_401}, "review_time"),
    ],
)
def test_an_entry_is_refused_by_the_field_at_fault(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        draft_of(entry(**fields), TOXICITY, 1, max_cell_characters=1000, now=NOW)
    assert caught.value.violations[0].field == field


@pytest.mark.parametrize("text", ["", " ", "x" * 1001, "a\0b"])
def test_a_text_that_no_row_could_hold_is_refused(text: str) -> None:
    with pytest.raises(InstanceInvalidError):
        draft_of(
            entry(instance=text_span(input="a", output=text)), TOXICITY, 1, max_cell_characters=1000, now=NOW
        )


def test_labels_are_read_as_in_an_upload() -> None:
    draft = draft_of(entry(label="Yes", score_label="0"), TOXICITY, 1, max_cell_characters=1000, now=NOW)
    assert (draft.label, draft.score_label, draft.stratum) == ("true", "false", "true, corrected")


def test_a_clock_that_is_wrong_by_a_time_zone_is_no_reason_to_refuse() -> None:
    said_ahead = entry(review_time=NOW + 14 * 3600)
    draft = draft_of(said_ahead, TOXICITY, 1, max_cell_characters=1000, now=NOW)
    assert draft.review_time == NOW + 14 * 3600


ids = st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
ends = st.from_regex(r"[a-z0-9]{0,18}", fullmatch=True)


@given(ids, ids | st.tuples(st.just("long-enough-to-be-cut-" * 2 + "x"), ends).map("".join), ends)
def test_no_two_metrics_share_a_dataset_of_feedback(one: str, other: str, end: str) -> None:
    beside = (other[: 63 - len(end)] + end) or "x"
    for what in ("feedback", "feedback-training", "feedback-held-out"):
        made = {metric: feedback_dataset(MetricName(metric), what) for metric in (one, other, beside)}
        assert len(set(made.values())) == len(made)
        for metric, dataset in made.items():
            check_id(dataset, "dataset")
            assert dataset == f"{metric}-{what}" or len(f"{metric}-{what}") > 63
