"""Whether the library matches what is accepted without going back for ever."""

import json

from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from gnomon.bundle_checks import patterns
from tests.scorer.evaluators import tokenizer_json

_ATOMS = ("a", "s", "ß", r"\w", "[as]", "[ßs]", "(?i:[ßs])", ".")
_REPEATED = ("", "*", "+", "?", "??", "*?", "++", "{2}", "{64}", "{0,9}", "{2}+", "{,3}?", "{9,1}", "?*")
_GROUPS = ("(?:{})", "(?i:{})", "({}|s)", "(?:{}|)", "(?>{})", "{0}{0}", "(?x:{}#\n)")
_PATTERNS = st.recursive(
    st.sampled_from(_ATOMS),
    lambda inner: st.builds(
        lambda parts, group, times: group.replace("{0}", "{}").replace("{}", "".join(parts)) + times,
        st.lists(inner, min_size=1, max_size=3),
        st.sampled_from(_GROUPS),
        st.sampled_from(_REPEATED),
    ),
    max_leaves=6,
)
_TEXTS = ("a" * 200 + "!c", "s" * 200 + "!c", "as" * 100 + "!c")


def test_some_of_the_patterns_that_are_tried_are_accepted() -> None:
    assert find(_PATTERNS, lambda pattern: "*" in pattern and patterns.problem(pattern + "c") is None)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(_PATTERNS)
def test_the_library_never_gives_up_on_an_accepted_pattern(pattern: str) -> None:
    whole = pattern + "c"
    if patterns.problem(whole) is not None:
        return
    split = {"type": "Split", "pattern": {"Regex": whole}, "behavior": "Isolated", "invert": False}
    try:
        tokenizer = Tokenizer.from_str(json.dumps(json.loads(tokenizer_json()) | {"pre_tokenizer": split}))
    except Exception:
        return  # the library does not know it either
    for text in _TEXTS:  # after ten million steps at one place it panics
        tokenizer.pre_tokenizer.pre_tokenize_str(text)
