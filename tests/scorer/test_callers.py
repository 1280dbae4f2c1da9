"""Whose turn a call takes."""

import contextvars

import pytest

from gnomon_rpc.caller import Caller, set_current
from gnomon_scorer.api import CALLER_HEADER, caller_of


class Context:
    def __init__(self, *metadata):
        self._metadata = metadata

    def invocation_metadata(self):
        return self._metadata


def asked(context, key=None):
    def ask():
        if key:
            set_current(Caller(key, "a bot", frozenset({"score"})))
        return caller_of(context)

    return contextvars.copy_context().run(ask)


def test_a_key_takes_one_turn_whatever_it_calls_itself():
    assert asked(Context((CALLER_HEADER, "one")), "apiKeys/a") == "apiKeys/a"
    assert asked(Context((CALLER_HEADER, "two")), "apiKeys/a") == "apiKeys/a"


@pytest.mark.parametrize(
    ("context", "name"),
    [
        (Context((CALLER_HEADER, "checkout")), "checkout"),
        (Context((CALLER_HEADER, "x" * 500)), "x" * 100),
        (Context(), ""),
    ],
)
def test_without_keys_the_name_that_is_given_counts(context, name):
    assert asked(context) == name
