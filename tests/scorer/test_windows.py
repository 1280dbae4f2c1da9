"""Long instances: what each window holds, and that a score comes from all of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from gnomon.bundle import Windows
from gnomon.convert import instance_to_proto
from gnomon.instances import Document, InputShape, Message, Span, Tool, text_span
from gnomon.rendering import Rendered
from gnomon.tokenizing import JsonTokenizer
from gnomon.windows import held, spans
from tests.scorer.evaluators import SPECIALS, VOCABULARY, WORDS, make_bundle, tokenizer_json
from tests.scorer.serving import error_of, logits_of

TOKENIZER = JsonTokenizer.read(tokenizer_json().decode())
WINDOWS = st.builds(Windows, st.integers(1, 40), st.integers(1, 8))
CLS, SEP = SPECIALS.index("[CLS]"), SPECIALS.index("[SEP]")
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=120)


def ids(words):
    return [VOCABULARY.index(word) for word in words]


def read(text, max_tokens, windows):
    (reading,) = TOKENIZER.encode_windows([text], max_tokens, windows)
    return reading


def parts_of(tokens, *, is_pair):
    """Return the one or two texts that a window holds, as IDs."""
    assert (tokens.ids[0], tokens.ids[-1]) == (CLS, SEP)
    first, rest = [], list(tokens.ids[1:-1])
    if is_pair:
        end = list(tokens.type_ids).index(1) - 1
        assert tokens.ids[end] == SEP
        first, rest = list(tokens.ids[1:end]), list(tokens.ids[end + 1 : -1])
    return first, rest


@given(texts, st.integers(3, 40), WINDOWS)
@settings(deadline=None)
def test_every_token_of_a_text_is_in_a_window_and_in_its_place(words, max_tokens, windows):
    reading = read(Rendered(" ".join(words)), max_tokens, windows)

    room = max_tokens - 2
    found = spans(len(words), room, windows.stride, windows.most)
    assert [list(one.ids) for one in reading.windows] == [[CLS, *ids(words)[a:b], SEP] for a, b in found]
    assert all(len(one) == len(one.type_ids) <= max_tokens for one in reading.windows)
    assert reading.token_count == found[-1][1] + 2
    assert reading.truncated == (found[-1][1] < len(words))


@given(texts, texts, st.integers(8, 60), WINDOWS, st.sampled_from([0, 1]))
@settings(deadline=None)
def test_of_a_pair_one_goes_through_the_windows_and_the_other_is_in_each(
    first, second, max_tokens, windows, windowed
):
    reading = read(Rendered(" ".join(first), " ".join(second), windowed), max_tokens, windows)

    room = max_tokens - 3
    long, kept = (second, first) if windowed else (first, second)
    count = len(kept) if len(kept) + len(long) <= room else held(len(kept), len(long), room)
    found = spans(len(long), room - count, windows.stride, windows.most)
    assert len(reading.windows) == len(found)
    for one, (start, stop) in zip(reading.windows, found, strict=True):
        both = parts_of(one, is_pair=True)
        assert both[windowed] == ids(long)[start:stop]
        assert both[1 - windowed] == ids(kept)[:count]
        assert len(one) <= max_tokens
    assert reading.token_count == found[-1][1] + count + 3
    assert reading.truncated == (found[-1][1] < len(long) or count < len(kept))


@given(texts, st.one_of(st.none(), texts), WINDOWS)
@settings(deadline=None)
def test_what_fits_is_read_as_without_windows(first, second, windows):
    text = Rendered(" ".join(first), None if second is None else " ".join(second))
    (whole,) = TOKENIZER.encode([text], 300)

    reading = read(text, 300, windows)

    assert reading.windows == (whole,)
    assert (reading.token_count, reading.truncated) == (len(whole), False)


@given(texts, st.one_of(st.none(), texts), st.integers(8, 40))
@settings(deadline=None)
def test_without_windows_a_text_is_cut(first, second, max_tokens):
    text = Rendered(" ".join(first), None if second is None else " ".join(second))
    (cut,) = TOKENIZER.encode([text], max_tokens)

    reading = read(text, max_tokens, None)

    assert list(reading.windows) == [cut]
    assert (reading.token_count, reading.truncated) == (len(cut), cut.truncated)


@pytest.mark.parametrize("windowed", [0, 1])
def test_long_texts_read_in_pieces_give_the_windows_of_the_whole(windowed):
    words = WORDS[:-1] * 3_000
    windows = Windows(stride=40, most=64)
    whole = JsonTokenizer(Tokenizer.from_str(tokenizer_json().decode()), is_local=False)
    long = [Rendered(" ".join(words)), Rendered(" ".join(words), " ".join(words[5:]), windowed)]

    assert TOKENIZER.encode_windows(long, 256, windows) == whole.encode_windows(long, 256, windows)


def test_of_a_huge_text_no_more_is_tokenized_than_windows_can_use(monkeypatch):
    seen = []
    tokenizer = JsonTokenizer.read(tokenizer_json().decode())
    ids_of = tokenizer._ids
    monkeypatch.setattr(tokenizer, "_ids", lambda texts: seen.extend(map(len, texts)) or ids_of(texts))
    huge = "the movie is very good " * 400_000  # nine million characters

    (one, pair) = tokenizer.encode_windows([Rendered(huge), Rendered(huge, huge)], 512, Windows(256, 8))

    assert (len(one.windows), len(pair.windows)) == (8, 8)
    assert one.truncated
    assert pair.truncated
    assert sum(seen) < 100_000


@pytest.mark.parametrize("max_tokens", [2, 3])
def test_where_there_is_no_room_there_is_no_end_of_windows(max_tokens):
    reading = read(Rendered("good " * 9), max_tokens, Windows(1, 4))

    assert len(reading.windows) == (1 if max_tokens == 2 else 4)
    assert reading.truncated


# ------------------------------------------------------------------------ over the wire

CAPPED = Windows(stride=16, most=4)  # reads 30 + 3 x 16 = 78 of a text's tokens


def probability(outcome):
    return outcome.score.classes[1].probability


async def finding_and_filler(caller, name):
    """Return two words, of which the evaluator flags the first rather than the second."""
    response = await caller.score(name, "good", "awful")
    good, awful = (probability(result.outcomes[0]) for result in response.results)
    return ("good", "awful") if good > awful else ("awful", "good")


@pytest.fixture
async def windowed(registry, caller):
    """A scorer whose `toxicity/3` reads in windows what `toxicity/1` cuts."""
    registry.register("toxicity/3", make_bundle(seed=1, windows=CAPPED))
    return caller


async def test_what_decides_is_found_far_behind_the_first_window(windowed):
    finding, filler = await finding_and_filler(windowed, "toxicity/1")
    long = " ".join([*[filler] * 48, *[finding] * 30])

    response = await windowed.score(
        ["toxicity/1", "toxicity/3"], long, " ".join([finding] * 30), " ".join([filler] * 30)
    )

    (cut, found), (alone, _), (beginning, _) = (result.outcomes for result in response.results)
    assert logits_of(cut) == pytest.approx(logits_of(beginning), abs=1e-6)
    assert cut.score.truncated
    assert logits_of(found) == pytest.approx(logits_of(alone), abs=1e-6)
    assert not found.score.truncated
    assert (found.score.window_count, found.score.deciding_window) == (4, 3)
    assert found.score.token_count == 80


async def test_what_lies_beyond_the_last_window_is_not_read_and_that_is_told(windowed):
    finding, filler = await finding_and_filler(windowed, "toxicity/1")
    long = " ".join([*[filler] * 78, *[finding] * 30])

    response = await windowed.score("toxicity/3", long, " ".join([filler] * 30))

    beyond, beginning = (result.outcomes[0] for result in response.results)
    assert beyond.score.truncated
    assert (beyond.score.window_count, beyond.score.deciding_window) == (4, 0)
    assert logits_of(beyond) == pytest.approx(logits_of(beginning), abs=1e-6)


async def test_an_instance_that_fits_has_one_window_that_decides(windowed):
    response = await windowed.score(["toxicity/1", "toxicity/3"], "the movie is good")

    for outcome in response.results[0].outcomes:
        assert (outcome.score.window_count, outcome.score.truncated) == (1, False)
        assert outcome.score.HasField("deciding_window")
        assert outcome.score.deciding_window == 0
    assert logits_of(response.results[0].outcomes[0]) == logits_of(response.results[0].outcomes[1])


async def test_the_mean_is_of_all_windows_and_none_decides(caller, registry):
    registry.register("toxicity/3", make_bundle(seed=1, windows=Windows(30, 4, "mean")))
    first, second = ["good"] * 30, ["awful"] * 30

    response = await caller.score("toxicity/3", *map(" ".join, (first, second, first + second)))

    one, other, both = (result.outcomes[0] for result in response.results)
    expected = [(a + b) / 2 for a, b in zip(logits_of(one), logits_of(other), strict=True)]
    assert logits_of(both) == pytest.approx(expected, abs=1e-6)
    assert both.score.window_count == 2
    assert not both.score.HasField("deciding_window")


def pair(shape, context, judged):
    said = {"input": (Message("a", "user"),), "output": (Message(judged, "assistant"),)}
    match shape:
        case InputShape.INPUT_OUTPUT:
            return text_span(input=context, output=judged)
        case InputShape.DOCUMENTS_INPUT:
            return Span(input=(Message(judged, "user"),), documents=(Document(context),))
        case InputShape.DOCUMENTS_INPUT_OUTPUT:
            return Span(**said, documents=(Document(context),))
        case _:
            return Span(**said, tools=(Tool("a", description=context),))


@pytest.mark.parametrize(
    "shape",
    [
        InputShape.INPUT_OUTPUT,
        InputShape.DOCUMENTS_INPUT,
        InputShape.DOCUMENTS_INPUT_OUTPUT,
        InputShape.TOOLS_INPUT_OUTPUT,
    ],
)
async def test_of_a_pair_the_context_is_searched_and_what_is_judged_stays(caller, registry, shape):
    registry.register(
        "relevance/1", make_bundle(metric="relevance", input_shape=shape, seed=1, windows=CAPPED)
    )
    finding, filler = await finding_and_filler(caller, "toxicity/1")
    judged = "the movie is very"
    ways = [[filler] * 40, [finding] * 40, [*[filler] * 40, *[finding] * 25], [filler] * 500]

    response = await caller.score(
        "relevance/1", *(instance_to_proto(pair(shape, " ".join(words), judged)) for words in ways)
    )

    without, all_of_it, at_its_end, too_long = (result.outcomes[0] for result in response.results)
    assert logits_of(at_its_end) == pytest.approx(logits_of(all_of_it), abs=1e-6)
    assert probability(at_its_end) > probability(without)
    assert [o.score.truncated for o in (without, all_of_it, at_its_end, too_long)] == [False] * 3 + [True]
    assert at_its_end.score.deciding_window == at_its_end.score.window_count - 1 > 0


@pytest.mark.parametrize("word", ["nanword", "crash"])
async def test_a_window_that_fails_fails_its_instance_and_no_other(windowed, word):
    long = " ".join(["good"] * 60 + [word])

    response = await windowed.score("toxicity/3", "good " * 61, long, "good")

    kinds = [result.outcomes[0].WhichOneof("outcome") for result in response.results]
    assert kinds == ["score", "error", "score"]
    assert error_of(response.results[1].outcomes[0]).reason == "EVALUATOR_FAILED"
