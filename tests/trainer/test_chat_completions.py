"""Reading completions, apart from the wire."""

import json
from typing import Any

import pytest

from gnomon_trainer.adapters.chat_completions import completion
from tests.trainer.fake_endpoint import completion as body_of
from tests.trainer.fake_endpoint import with_log_probabilities

TEXT = '{"explanation": "Not a \\"label\\".", "label": "true"}'


@pytest.mark.parametrize(
    ("tokens", "kept"),
    [
        (['{"explanation": "Not a \\"label', '\\".", "', 'label": "', "true", '"}'], 3),
        (['{"explanation": "Not a \\"label\\".", "label": "true"}'], 1),
        (["no ", "such ", "word"], 3),  # then nobody knows where it is wanted from
    ],
)
def test_log_probabilities_are_kept_from_the_place_on_that_was_named(tokens: list[str], kept: int) -> None:
    places = [{token: -0.1, "other": -3.0} for token in tokens]
    answer = with_log_probabilities(body_of(TEXT), *places)
    found: list[Any] = list(completion(json.dumps(answer).encode(), "m", "", 'label"').choices)

    assert [each.token for each in found] == tokens
    assert [bool(each.log_probabilities) for each in found] == [False] * (len(tokens) - kept) + [True] * kept
