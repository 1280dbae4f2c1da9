"""Whose repeated call is answered again: the caller's own, for the same project."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.v1 import registry_service_pb2, trainer_service_pb2
from gnomon_rpc import caller
from gnomon_rpc.caller import LOCAL, Caller
from gnomon_rpc.request_ids import request_key

UUID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
TRAIN = trainer_service_pb2.TrainFromFeedbackRequest(metric_version="metrics/tox/versions/3", request_id=UUID)
CREATE = registry_service_pb2.CreateProjectRequest(project_id="p", request_id=UUID)

WHO = st.tuples(st.sampled_from(["apiKeys/a", "apiKeys/b", "apiKeys/ab"]), st.sampled_from(["", "p", "q"]))


@pytest.fixture(autouse=True)
def afterwards_everybody():
    yield
    caller.set_current(LOCAL)


def body_for(who, request=TRAIN):
    caller.set_current(who)
    return request_key(request).body


def key(name, project="", *scopes, display_name="k"):
    return Caller(name, display_name, frozenset(scopes), project=project)


@given(WHO, WHO)
def test_the_same_body_is_the_same_request_of_one_key_for_one_project_alone(one, two):
    assert (body_for(key(*one, "train")) == body_for(key(*two, "train"))) == (one == two)


def test_a_key_with_other_scopes_and_words_is_the_same_key():
    one, two = key("apiKeys/a", "p", "train"), key("apiKeys/a", "p", "train", "label", display_name="Later")

    assert body_for(one) == body_for(two)


@given(st.sampled_from(["", "p", "q"]))
def test_without_keys_nothing_but_the_body_counts_as_in_what_was_stored_before(project):
    stored = "4ebbfc412dcc3827ef8bc97dd95d80de59af751f05f1ac5616b03930777000c7"

    assert body_for(LOCAL.acting_for(project), CREATE) == stored


def test_what_a_service_began_it_repeats_with_whichever_key_it_has_by_then():
    old, new = (key(name, "", "service", "registry:write") for name in ("apiKeys/a", "apiKeys/b"))

    assert body_for(old) == body_for(new) == body_for(LOCAL)
    assert body_for(new) != body_for(key("apiKeys/b", "", "registry:write"))
