"""The rules of access, without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.api_keys import SCOPES
from gnomon.errors import (
    ApiKeyMalformedError,
    ApiKeyMissingError,
    InvalidRequestError,
    PermissionDeniedError,
    ProjectDeniedError,
    ProjectUnstatedError,
    ScopeMissingError,
    UnauthenticatedError,
)
from gnomon.v1 import registry_service_pb2, resources_pb2, trainer_service_pb2
from gnomon_rpc.access import (
    KeyAnswer,
    KeyState,
    check_scope,
    refusal_of,
    settled,
    shown_key,
    stated_project,
)
from gnomon_rpc.caller import LOCAL, Caller
from gnomon_rpc.methods import ANY, FOREIGN, described
from gnomon_rpc.projects import named_projects, names_projects

SOME_SCOPES = st.frozensets(st.sampled_from(SCOPES))
IDS = st.sampled_from(["a", "b", "c", "-"])


def caller(scopes=("score",), projects=(), project=""):
    return Caller("apiKeys/k", "k", frozenset(scopes), frozenset(projects), project)


@given(SOME_SCOPES, SOME_SCOPES)
def test_a_key_may_do_what_one_of_its_scopes_allows_and_an_admin_everything(have, wanted):
    allowed = "admin" in have or bool(have & wanted)
    try:
        check_scope(caller(have), "/gnomon.v1.S/Method", wanted or frozenset({"admin"}))
    except ScopeMissingError as error:
        assert not allowed
        assert error.metadata["method"] == "Method"
    else:
        assert allowed


@given(SOME_SCOPES)
def test_what_any_key_may_do_needs_no_scope_and_what_has_no_entry_nobody_may(have):
    check_scope(caller(have), "m", frozenset({ANY}))
    with pytest.raises(PermissionDeniedError, match="may be called by nobody"):
        check_scope(caller(have), "m", None)


def test_nobody_may_call_what_the_contract_does_not_know():
    for path in (
        "/gnomon.v1.ScorerService/Unknown",
        "/elsewhere.Service/Method",
        "/grpc.channelz.v1.Channelz/X",
    ):
        assert described(path).scopes is None


def test_the_contract_names_no_scope_that_a_key_cannot_have():
    services = [
        service
        for module in (registry_service_pb2, trainer_service_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
    ]
    named = {
        s
        for service in services
        for m in service.methods
        for s in described(f"/{service.full_name}/{m.name}").scopes
    }
    assert named | {scope for scopes in FOREIGN.values() for scope in scopes} <= {*SCOPES, ANY}


@given(st.frozensets(IDS), IDS | st.just(""), st.lists(IDS, max_size=2))
def test_a_bound_key_acts_for_no_other_project_however_it_is_said(bound, stated, named):
    who = caller(projects=bound, project=stated if not bound or stated in bound else "")
    try:
        found = settled(who, named)
    except ProjectDeniedError:
        assert bound
        assert not bound.issuperset(named)
    except ProjectUnstatedError:
        assert len(bound) > 1
        assert not named
        assert not who.project
    else:
        assert not bound or (bound.issuperset(named) and found.project in bound)
        assert found.project == (named[0] if named else who.project or (min(bound) if bound else ""))


@given(st.text(), st.sampled_from(["authorization", "Authorization", "other"]))
def test_whatever_is_shown_is_a_key_or_refused(value, name):
    try:
        text = shown_key([(name, value)])
    except ApiKeyMissingError:
        assert name != "authorization"
    except ApiKeyMalformedError:
        assert not value.lower().startswith("bearer ")
    else:
        assert value[7:] == text


def test_two_keys_at_once_are_refused():
    with pytest.raises(ApiKeyMalformedError):
        shown_key([("authorization", "Bearer a"), ("authorization", "Bearer b")])


def test_a_project_is_stated_by_its_id_or_its_name():
    assert stated_project([("x", "y"), ("gnomon-project", "p")]) == "p"
    assert stated_project([("gnomon-project", "projects/p")]) == "p"
    assert stated_project([("x", "y")]) == ""
    for wrong in ("", "P", "projects/", "projects/p/runs/r", "a b", b"p"):
        with pytest.raises(InvalidRequestError, match="gnomon-project"):
            stated_project([("gnomon-project", wrong)])


def test_the_errors_name_a_key_that_is_known_and_no_other():
    refusals = [
        refusal_of(KeyAnswer(state, "apiKeys/k")) for state in KeyState if state is not KeyState.VALID
    ]
    assert all(isinstance(error, UnauthenticatedError) for error in refusals)
    assert ["apiKeys/k" in error.message for error in refusals] == [False, True, True]


@pytest.mark.parametrize(
    ("request_", "projects"),
    [
        (registry_service_pb2.CreateProjectRequest(project_id="a"), ["a"]),
        (
            registry_service_pb2.CreateProjectRequest(project_id="b", project={"name": "projects/a"}),
            ["b", "a"],
        ),
        (registry_service_pb2.UpdateProjectRequest(project=resources_pb2.Project(name="projects/a")), ["a"]),
        (trainer_service_pb2.GetRunRequest(name="projects/a/runs/r"), ["a"]),
        (trainer_service_pb2.ListRunsRequest(parent="projects/-"), ["-"]),
        (trainer_service_pb2.ListRunsRequest(parent="//"), ["//"]),
        (
            trainer_service_pb2.CreateRunRequest(parent="projects/b", run={"name": "projects/a/runs/r"}),
            ["b", "a"],
        ),
        (
            trainer_service_pb2.CompareRunsRequest(
                first_run="projects/a/runs/r", second_run="projects/b/runs/r"
            ),
            ["a", "b"],
        ),
        (trainer_service_pb2.TrainFromFeedbackRequest(project="projects/a"), ["a"]),
        (trainer_service_pb2.GetRunRequest(), []),
    ],
)
def test_the_projects_that_a_request_names_are_found_in_all_its_fields_its_own_before_nested_ones(
    request_, projects
):
    assert names_projects(request_.DESCRIPTOR)
    assert list(named_projects(request_)) == projects


def test_requests_about_what_all_projects_share_name_none():
    assert not names_projects(registry_service_pb2.GetMetricRequest.DESCRIPTOR)
    assert not names_projects(trainer_service_pb2.UploadDatasetRequest.DESCRIPTOR)


def test_without_access_control_everybody_may_everything():
    assert LOCAL.is_local
    assert LOCAL.may(frozenset({"train"}))
    assert LOCAL.may_act_for("any-project")
    assert settled(LOCAL, ["p"]).project == "p"
