"""Filters and samples; traces and sessions put together; redaction; instances."""

import datetime
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon import Session, Span, Trace, traffic
from gnomon.errors import InvalidRequestError
from gnomon.instances import SpanKind
from gnomon.traffic import Wanted
from gnomon.traffic.filters import Filter
from gnomon.traffic.rows import trace_cell
from gnomon.traffic.traced import TracedSpan, time_text
from tests.sdk.traffic.made import BEGAN_S, GOLDEN, chat, kept, lines, otlp_span, request, rows_of


def moment(second: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(BEGAN_S + second, datetime.UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three traces, of which the first two are one session; HTTP spans hold the others."""
    told = {"gen_ai__conversation__id": "c1"}
    return lines(
        tmp_path / "traces.jsonl",
        [
            request(
                chat("t2", "b", "root", second=11, said="And then?", name="later", **told),
                otlp_span("t2", "root", second=10, name="POST /ask"),
            ),
            request(chat("t1", "a", "glue", second=2, said="Hello", **told)),
            request(
                otlp_span("t1", "glue", "top", second=1, name="middleware"),
                chat("t1", "top", second=0, operation="invoke_agent", said="Hello", tag__tags="beta, new"),
                chat("t1", "a", "glue", second=2, said="Hello", **told),
            ),
            request(chat("t3", "x", second=20, said="Alone", env="test"), service="other"),
        ],
    )


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Wanted(), ["b", "a", "top", "a", "x"]),
        (Wanted(since=moment(2), until=moment(20)), ["b", "a", "a"]),
        (Wanted(tags=("beta",)), ["top"]),
        (Wanted(tags=("beta", "old")), []),
        (Wanted(where={"service.name": "other"}), ["x"]),
        (Wanted(where={"service.name": "other", "env": "live"}), []),
        (Wanted(kinds=(SpanKind.AGENT,)), ["top"]),
        (Wanted(names=("later", "nothing")), ["b"]),
    ],
)
def test_spans_are_asked_for_by_time_tag_attribute_kind_and_name(
    file: Path, wanted: Wanted, ids: list[str]
) -> None:
    rows, tally = rows_of(file, wanted=wanted)

    assert [row["id"].partition(":")[2] for row in rows] == ids
    assert tally.rows + tally.left_out.total() == tally.spans == 7


@pytest.mark.parametrize(
    ("wanted", "traces", "sessions"),
    [
        (Wanted(), ["t1", "t2", "t3"], ["c1"]),
        (Wanted(tags=("beta",)), ["t1"], ["c1"]),
        (Wanted(since=moment(15)), ["t3"], []),
        (Wanted(names=("middleware",)), ["t1"], ["c1"]),
        (Wanted(where={"env": "test"}), ["t3"], []),
    ],
)
def test_a_trace_or_session_is_taken_whole_if_one_of_its_spans_is_asked_for(
    file: Path, wanted: Wanted, traces: list[str], sessions: list[str]
) -> None:
    rows, _ = rows_of(file, into="traces", wanted=wanted)
    assert [row["id"] for row in rows] == traces
    assert all(len(row["trace"]["spans"]) == {"t1": 2, "t2": 1, "t3": 1}[row["id"]] for row in rows)

    rows, _ = rows_of(file, into="sessions", wanted=wanted)
    assert [row["id"] for row in rows] == sessions


def test_spans_become_a_tree_without_what_has_no_content_and_without_repetitions(file: Path) -> None:
    rows, tally = rows_of(file, into="traces")
    first = rows[0]

    assert [(s["span_id"], s.get("parent_span_id"), s["kind"]) for s in first["trace"]["spans"]] == [
        ("top", None, "agent"),
        ("a", "top", "llm"),
    ]
    assert (first["name"], first["tags"], first["session_id"]) == ("chat", ["beta", "new"], "c1")
    assert first["time"] == "2026-07-13T10:30:00+00:00"
    assert tally.rows == 3


def test_sessions_hold_their_traces_in_the_order_they_began(file: Path) -> None:
    (row,), tally = rows_of(file, into="sessions")

    assert [trace["trace_id"] for trace in row["session"]["traces"]] == ["t1", "t2"]
    assert row["session"]["session_id"] == "c1"
    assert tally.left_out == {"traces of no session": 1}


def test_spans_that_hang_in_a_circle_or_below_nothing_are_roots(tmp_path: Path) -> None:
    spans = [chat("t", "a", "b"), chat("t", "b", "a"), chat("t", "c", "c"), chat("t", "d", "absent")]
    (row,), _ = rows_of(lines(tmp_path / "t.jsonl", [request(*spans)]), into="traces")

    assert sorted((s["span_id"], s.get("parent_span_id")) for s in row["trace"]["spans"]) == [
        (name, None) for name in "abcd"
    ]


def test_a_trace_of_too_many_spans_is_left_out(tmp_path: Path) -> None:
    many = request(*(chat("many", f"s{n}") for n in range(5)))
    rows, tally = rows_of(
        lines(tmp_path / "t.jsonl", [many, request(chat("few"))]), into="traces", most_spans=4
    )

    assert [row["id"] for row in rows] == ["few"]
    assert tally.left_out == {"of too many spans": 1}


def test_a_chain_of_as_many_spans_as_a_trace_may_have_is_put_together_at_once() -> None:
    spans = [TracedSpan("t", str(n), str(n + 1), kind=SpanKind.LLM) for n in range(10_000)]
    spans[0].input = spans[-1].input = [{"role": "user", "content": "Hello"}]
    began = time.process_time()
    cell = trace_cell("t", spans) or {}

    assert [(s["span_id"], s.get("parent_span_id")) for s in cell["spans"]] == [("9999", None), ("0", "9999")]
    assert time.process_time() - began < 5  # 50 million steps took longer


@given(
    parents=st.lists(st.integers(-1, 11), min_size=1, max_size=12),
    starts=st.lists(st.integers(0, 5), min_size=12, max_size=12),
    glue=st.sets(st.integers(0, 11)),
)
def test_every_span_with_content_comes_once_and_behind_the_one_that_holds_it(
    parents: list[int], starts: list[int], glue: set[int]
) -> None:
    spans = [
        TracedSpan("t", str(n), str(parent), kind=SpanKind.LLM, started_ns=starts[n])
        for n, parent in enumerate(parents)
    ]
    for n, span in enumerate(spans):
        span.input = [] if n in glue else [{"role": "user", "content": str(n)}]
    cell = trace_cell("t", spans)

    found = [s["span_id"] for s in cell["spans"]] if cell else []
    assert sorted(found, key=int) == [str(n) for n in range(len(spans)) if n not in glue]
    for place, span in enumerate(cell["spans"] if cell else ()):
        assert span.get("parent_span_id", found[0]) in found[: place + 1]


ids = st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=50)


@given(ids=ids, share=st.floats(0.01, 0.99), seed=st.integers(0, 3))
def test_a_larger_sample_holds_the_smaller_one(ids: list[str], share: float, seed: int) -> None:
    few, more = (Filter(Wanted(sample=s, seed=seed)) for s in (share, min(1.0, share * 1.5)))

    assert {i for i in ids if few.draws(i)} <= {i for i in ids if more.draws(i)}


def test_a_sample_has_about_its_share_and_another_seed_draws_others() -> None:
    drawn = [{n for n in range(10_000) if Filter(Wanted(sample=0.1, seed=s)).draws(str(n))} for s in (0, 1)]

    assert all(900 < len(some) < 1_100 for some in drawn)
    assert len(drawn[0] & drawn[1]) < 200


@pytest.mark.parametrize("into", ["spans", "traces", "sessions"])
def test_traces_and_sessions_are_in_a_sample_whole(tmp_path: Path, into: traffic.Into) -> None:
    spans = [chat(f"t{n % 50}", f"s{n}", gen_ai__conversation__id=f"c{n % 10}", second=n) for n in range(200)]
    file = lines(tmp_path / "t.jsonl", [request(span) for span in spans])
    rows, tally = rows_of(file, into=into, wanted=Wanted(sample=0.5))
    whole, _ = rows_of(file, into=into)

    assert 0 < len(rows) < len(whole)
    assert all(row in whole for row in rows)
    assert tally.left_out.total() > 0
    if into == "spans":
        assert all(len([r for r in rows if r["trace_id"] == row["trace_id"]]) == 4 for row in rows)


@pytest.mark.parametrize("wrong", [{"sample": 0}, {"sample": 1.1}, {"since": moment(1), "until": moment(1)}])
def test_what_nothing_can_meet_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        Wanted(**wrong)


def test_instances_are_ready_to_be_scored() -> None:
    found = {
        into: list(traffic.read(GOLDEN / "otlp_genai.json", into=into).instances())
        for into in ("spans", "traces", "sessions")
    }

    assert [span.kind.value for span in found["spans"] if isinstance(span, Span)] == [
        "agent", "llm", "tool", "retriever", "llm",
    ]  # fmt: skip
    (trace,), (session,) = found["traces"], found["sessions"]
    assert isinstance(trace, Trace)
    assert isinstance(session, Session)
    assert session.traces == (trace,)
    assert session.session_id == "conv-5"


def test_an_import_can_be_read_again_and_counts_anew(file: Path) -> None:
    found = traffic.read(file)

    assert list(found) == list(found)
    assert found.tally.rows == 5


@pytest.mark.parametrize("processes", [1, 2])
def test_sessions_named_after_persons_stay_apart_without_their_names(
    tmp_path: Path, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnomon.traffic.processes._BLOCK_BYTES", 1)
    spans = [chat(f"t{n}", gen_ai__conversation__id=f"{'ab'[n % 2]}@example.org") for n in range(4)]
    rows, _ = rows_of(lines(tmp_path / "t.jsonl", [request(span) for span in spans]), into="sessions",
                      processes=processes)  # fmt: skip

    assert [len(row["session"]["traces"]) for row in rows] == [2, 2]
    assert all(row["id"].startswith("[EMAIL]-") for row in rows)
    assert "@" not in str(rows)


def test_the_sample_of_sessions_named_after_persons_is_the_same_each_time(tmp_path: Path) -> None:
    spans = [chat(f"t{n}", said=f"I am {n}", gen_ai__conversation__id=f"a{n}@example.org") for n in range(40)]
    file = lines(tmp_path / "t.jsonl", [request(span) for span in spans])

    def drawn(share: float) -> set[str]:
        rows, _ = rows_of(file, into="sessions", wanted=Wanted(sample=share))
        return {row["session"]["traces"][0]["trace_id"] for row in rows}

    half = drawn(0.5)
    assert 0 < len(half) < 40
    assert drawn(0.5) == half < drawn(0.9)


def test_what_is_told_in_messages_arguments_documents_and_attributes_is_redacted(tmp_path: Path) -> None:
    said = "I am ann@example.org"
    spans = [
        chat("t", "a", said=said, answer="Call +49 30 1234567", user__email="ann@example.org", name=said,
             metadata__password="Sommer!", **{"users.ann@example.org": "1"}),
        otlp_span("t", "b", gen_ai__operation__name="execute_tool", gen_ai__tool__name="ann@example.org",
                  gen_ai__tool__call__arguments='{"no": "4111 1111 1111 1111", "to": "\\nann@example.org"}'),
        otlp_span("t", "c", gen_ai__operation__name="retrieval",
                  gen_ai__retrieval__documents='[{"content": "key sk-abcdefghijklmnop1234"}]',
                  gen_ai__tool__definitions='[{"name": "x", "description": "ask boss@example.org"}]'),
    ]  # fmt: skip
    file = lines(tmp_path / "t.jsonl", [request(*spans)])
    for into in ("spans", "traces"):
        rows, tally = rows_of(file, into=into)
        told = str(rows)
        assert all(secret not in told for secret in ("ann@", "boss@", "1234567", "4111", "sk-abc", "Sommer"))
        assert all(marker in told for marker in ("[EMAIL]", "[PHONE]", "[CARD]", "[SECRET]"))
        assert tally.redacted == {"email": 8, "phone": 1, "card": 1, "secret": 2}

    rows, tally = rows_of(file, redactions=["card"])
    assert kept(rows[:1], "input") == [(said,)]
    assert tally.redacted == {"card": 1}


@given(st.integers(1, 2**63 - 1) | st.integers(1, 2**33).map(lambda second: second * 10**9))
def test_a_time_is_written_to_the_microsecond_as_python_reads_it(started_ns: int) -> None:
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    written = datetime.datetime.fromisoformat(time_text(started_ns))
    assert (written - epoch) // datetime.timedelta(microseconds=1) == started_ns // 1000
