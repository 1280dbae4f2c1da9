import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import InvalidRequestError
from gnomon.v1 import registry_service_pb2 as pb
from gnomon.v1 import resources_pb2 as resources
from gnomon_rpc import pages
from gnomon_rpc.pages import filled, make_token, page_size, read_token
from gnomon_rpc.request_ids import request_key


@given(key=st.text(), parent=st.text(max_size=20), size=st.integers(0, 2000))
def test_a_token_leads_the_same_query_back_to_its_key(key, parent, size):
    asked = pb.ListAliasesRequest(parent=parent, page_size=size)
    again = pb.ListAliasesRequest(parent=parent, page_token=make_token(asked, key))

    assert read_token(again) == key


@given(key=st.text())
def test_a_token_of_one_query_is_refused_by_another(key):
    token = make_token(pb.ListAliasesRequest(parent="metrics/a"), key)

    for other in (
        pb.ListAliasesRequest(parent="metrics/b", page_token=token),
        pb.ListMetricVersionsRequest(parent="metrics/a", page_token=token),
    ):
        with pytest.raises(InvalidRequestError):
            read_token(other)


@given(token=st.text(min_size=1))
def test_any_text_that_is_no_token_is_refused_in_words(token):
    with pytest.raises(InvalidRequestError, match="page_token"):
        read_token(pb.ListMetricsRequest(page_token=token))


def test_the_last_page_has_no_token():
    assert make_token(pb.ListMetricsRequest(), None) == ""


@pytest.mark.parametrize(("asked", "given_size"), [(0, 50), (7, 7), (1000, 1000), (5000, 1000)])
def test_sizes_have_a_default_and_a_limit(asked, given_size):
    assert page_size(asked) == given_size


def test_a_negative_size_is_refused():
    with pytest.raises(InvalidRequestError):
        page_size(-1)


@given(lengths=st.lists(st.integers(0, 90), max_size=12), size=st.integers(1, 12))
def test_pages_hold_every_entry_once_and_are_small_where_entries_are_large(lengths, size):
    sizes, read = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "PAGE_BYTES", 100)
        entries = list(enumerate(lengths))
        while entries:
            page, last = filled(
                entries[: size + 1], size, lambda entry: resources.Project(name="x" * entry[1])
            )
            sizes.append(sum(message.ByteSize() for message in page))
            read += [len(message.name) for message in page]
            assert 1 <= len(page) <= size
            assert sizes[-1] <= 100
            if last is None:
                assert len(read) == len(lengths)
                break
            entries = [entry for entry in entries if entry > last]

    assert read == lengths
    if not entries:
        assert filled([], size, resources.Project) == ([], None)


def test_an_entry_that_is_larger_than_a_page_has_one_to_itself():
    large = resources.Project(description="x" * (pages.PAGE_BYTES + 1))

    assert filled([large, large], 2, lambda message: message) == ([large], large)


UUID = "6F9619FF-8B86-D011-B42D-00C04FC964FF"


def test_the_same_body_under_the_same_id_has_the_same_key():
    one = pb.CreateProjectRequest(project_id="p", request_id=UUID)
    two = pb.CreateProjectRequest(project_id="p", request_id=UUID.lower())

    assert request_key(one) == request_key(two)


def test_another_body_or_another_method_has_another_key():
    keys = {
        request_key(pb.CreateProjectRequest(project_id="p", request_id=UUID)),
        request_key(pb.CreateProjectRequest(project_id="q", request_id=UUID)),
        request_key(pb.CreateMetricRequest(metric_id="p", request_id=UUID)),
    }

    assert len(keys) == 3


def test_a_request_id_that_is_no_uuid_is_refused():
    with pytest.raises(InvalidRequestError, match="UUID"):
        request_key(pb.CreateProjectRequest(project_id="p", request_id="again"))


def test_a_token_of_endless_brackets_is_refused_in_words():
    token = base64.urlsafe_b64encode(b"[" * 100_000).decode()

    with pytest.raises(InvalidRequestError, match="page_token"):
        read_token(pb.ListMetricsRequest(page_token=token))
