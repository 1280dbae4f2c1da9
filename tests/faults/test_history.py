"""The judge of histories, on made-up ones: good ones pass, and each kind of bad one is named."""

import random

import pytest
from benchmarks.faults.history import Call, NoAnswerError, Recorder, problems, read


def create(number, start, end, request=None, metric="m", answered=True):
    arguments = {"metric": metric, "request_id": request or f"r{number}"}
    return Call("create_version", start, end, arguments, number if answered else None)


def listed(numbers, start, end):
    return Call("list_versions", start, end, {"metric": "m"}, numbers)


def write(number, start, end, answered=True):
    arguments = {"metric": "m", "alias": "production", "number": number}
    return Call("set_alias", start, end, arguments, number if answered else None)


def seen(number, start, end):
    return Call("get_alias", start, end, {"metric": "m", "alias": "production"}, number)


def test_a_history_that_can_have_been_is_passed():
    assert (
        problems(
            [
                create(1, 0, 1),
                create(3, 1, 5),
                create(2, 2, 4),
                create(4, 3, 4, answered=False),
                create(4, 6, 7),  # the same request again
                listed([1], 1, 2),
                listed([1, 2, 3, 4], 8, 9),
                write(1, 1, 2),
                write(2, 2, 9, answered=False),
                seen(1, 3, 4),
                seen(2, 5, 6),
                write(3, 7, 10),
                seen(2, 8, 9),
                seen(3, 8, 9.5),
            ]
        )
        == []
    )


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ([create(1, 0, 1), create(1, 2, 3, "other")], "twice"),
        ([create(2, 0, 1), create(1, 2, 3)], "after a higher number"),
        ([create(1, 0, 1, "r"), create(2, 2, 3, "r")], "was answered"),
        ([create(1, 0, 1), listed([], 2, 3)], "lost 1"),
        ([listed([1, 1], 2, 3)], "a number twice"),
        ([seen(7, 0, 1)], "nobody wrote"),
        ([seen(0, 0, 1), write(1, 2, 3), seen(0, 4, 5)], "went back"),
        ([seen(1, 0, 1), write(1, 2, 3)], "before that was written"),
        ([write(1, 0, 1), write(2, 2, 3), seen(1, 4, 5)], "went back"),
        ([write(1, 0, 9), write(2, 0, 9), seen(1, 1, 2), seen(2, 3, 4), seen(1, 5, 6)], "went back"),
        ([write(1, 0, 1), write(2, 2, 99, answered=False), seen(2, 3, 4), seen(1, 5, 6)], "went back"),
        ([write(1, 0, 9), seen(1, 1, 2), write(2, 3, 4), seen(1, 5, 6)], "went back"),
        (
            [
                Call("create", 0, 1, {"kind": "run", "request_id": "r"}, "a"),
                Call("create", 0, 1, {"kind": "run", "request_id": "r"}, "b"),
            ],
            "was answered",
        ),
    ],
)
def test_a_history_that_cannot_have_been_is_named(calls, said):
    [problem] = problems(calls)

    assert said in problem


def test_other_metrics_and_aliases_do_not_count():
    assert problems([create(1, 0, 1), create(1, 2, 3, "other", metric="n")]) == []


def register(seed, stale_reads):
    """Play a register at instants within each call; a stale read tells of an instant long before."""
    random_ = random.Random(seed)
    values = [(-100.0, 0)]
    calls = []
    for number in range(1, 12):
        at = number * 10 + random_.uniform(0, 5)
        values.append((at, number))
        calls.append(write(number, at - random_.uniform(0, 12), at + random_.uniform(0, 12)))
    for _ in range(40):
        at = random_.uniform(20, 130)
        value = [v for when, v in values if when <= at - (40 if stale_reads else 0)][-1]
        calls.append(seen(value, at - random_.uniform(0, 8), at + random_.uniform(0, 8)))
    return calls


@pytest.mark.parametrize("seed", range(20))
def test_a_register_is_told_from_one_that_answers_what_was(seed):
    assert problems(register(seed, stale_reads=False)) == []
    assert problems(register(seed, stale_reads=True)) != []


def test_what_was_recorded_is_read_again(tmp_path):
    ticks = iter(range(100))
    recorder = Recorder(lambda: float(next(ticks)))

    def fail():
        raise NoAnswerError("gone")

    assert recorder.call("create_version", lambda: 1, metric="m", request_id="r") == 1
    assert recorder.call("get_alias", fail, metric="m", alias="a") is None
    recorder.write(tmp_path / "calls")

    first, second = read(tmp_path / "calls")
    assert (first.answer, first.start, first.end) == (1, 0.0, 1.0)
    assert (second.answer, second.error) == (None, "gone")
