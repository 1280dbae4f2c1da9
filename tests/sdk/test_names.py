"""Names come in from anywhere; nothing but their own characters passes."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon import shorthand
from gnomon.errors import InvalidRequestError
from gnomon.names import (
    AliasName,
    DatasetName,
    MetricName,
    MetricVersionName,
    OperationName,
    PresetEdition,
    ProjectName,
    RecipeName,
    ReviewName,
    RunName,
    check_id,
)

IDS = st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
NUMBERS = st.integers(1, 999_999_999)
CLASSES: list[Any] = [
    ProjectName,
    ReviewName,
    RunName,
    MetricName,
    MetricVersionName,
    AliasName,
    DatasetName,
    RecipeName,
    OperationName,
    PresetEdition,
]
NAMES = st.one_of(
    st.builds(ProjectName, IDS),
    st.builds(ReviewName, IDS, IDS),
    st.builds(RunName, IDS, IDS),
    st.builds(MetricName, IDS),
    st.builds(MetricVersionName, IDS, NUMBERS),
    st.builds(MetricVersionName, IDS, st.none(), IDS),
    st.builds(AliasName, IDS, IDS),
    st.builds(DatasetName, IDS, st.none() | NUMBERS),
    st.builds(RecipeName, IDS),
    st.builds(OperationName, IDS),
    st.builds(PresetEdition, IDS, NUMBERS),
)
HOSTILE = [
    "",
    ".",
    "..",
    "/",
    "a/b",
    "a/../b",
    "../../etc/passwd",
    "a\0",
    "\0",
    "a\n",
    "a ",
    " a",
    "-a",
    "a-",
    "1a",
    "A",
    "a_b",
    "a.b",
    "a%2fb",
    "a'; DROP TABLE metrics; --",
    "ä",
    "ａ",  # noqa: RUF001  a full-width letter is the case
    "٣",
    "a" * 64,
    "a" * 100_000,
]


@given(NAMES)
def test_a_name_is_read_as_it_is_written(name: Any) -> None:
    assert type(name).parse(str(name)) == name


@given(st.text())
def test_whatever_is_read_holds_only_the_characters_of_names(text: str) -> None:
    for cls in CLASSES:
        for candidate in (text, f"{cls.__name__.removesuffix('Name').lower()}s/{text}"):
            try:
                name = cls.parse(candidate)
            except InvalidRequestError:
                continue
            assert str(name) == candidate
            assert re.fullmatch(r"[a-z0-9/@-]+", candidate, re.ASCII)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_ids_are_refused_with_the_field_and_the_rule(hostile: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_id(hostile, "metric_id")
    assert caught.value.violations[0].field == "metric_id"
    assert "lower-case letters" in caught.value.violations[0].description
    assert len(str(caught.value)) < 700
    assert "\0" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_parts_are_refused_in_every_name(hostile: str) -> None:
    for form in (
        "projects/{}",
        "projects/{}/runs/a",
        "projects/a/runs/{}",
        "metrics/{}",
        "metrics/{}/versions/1",
        "metrics/a/versions/{}",
        "metrics/a/aliases/{}",
        "datasets/{}",
        "datasets/a@{}",
        "recipes/{}",
        "operations/{}",
    ):
        for cls in CLASSES:
            with pytest.raises(InvalidRequestError):
                cls.parse(form.format(hostile))


@pytest.mark.parametrize("number", ["0", "01", "-1", "1.0", "1e3", "9999999999", "٣"])
def test_versions_are_plain_numbers_from_one(number: str) -> None:
    with pytest.raises(InvalidRequestError):
        MetricVersionName.parse(f"metrics/a/versions/{number}")
    with pytest.raises(InvalidRequestError):
        DatasetName.parse(f"datasets/a@{number}")


@pytest.mark.parametrize(
    ("read", "short", "whole"),
    [
        (shorthand.project, "support", "projects/support"),
        (shorthand.run, "support/first", "projects/support/runs/first"),
        (shorthand.metric, "toxicity", "metrics/toxicity"),
        (shorthand.metric_version, "toxicity", "metrics/toxicity/versions/production"),
        (shorthand.metric_version, "toxicity@3", "metrics/toxicity/versions/3"),
        (shorthand.metric_version, "toxicity@shadow", "metrics/toxicity/versions/shadow"),
        (shorthand.metric_version, "metrics/toxicity", "metrics/toxicity/versions/production"),
        (shorthand.alias, "toxicity@shadow", "metrics/toxicity/aliases/shadow"),
        (shorthand.dataset, "tickets", "datasets/tickets"),
        (shorthand.dataset, "tickets@2", "datasets/tickets@2"),
        (shorthand.recipe, "small", "recipes/small"),
    ],
)
def test_short_names_stand_for_whole_ones(read: Any, short: str, whole: str) -> None:
    assert read(short) == whole
    assert read(whole) == whole


@pytest.mark.parametrize(
    "read",
    [
        shorthand.project,
        shorthand.run,
        shorthand.metric,
        shorthand.metric_version,
        shorthand.alias,
        shorthand.dataset,
        shorthand.recipe,
    ],
)
@pytest.mark.parametrize("hostile", [*HOSTILE, "@", "a@", "@a", "a@b@c", "metrics/", "datasets//a", "a@0"])
def test_hostile_short_names_are_refused(read: Any, hostile: str) -> None:
    if read is shorthand.run and hostile == "a/b":
        return  # that is one
    with pytest.raises(InvalidRequestError):
        read(hostile)


def test_a_version_of_a_metric_may_be_a_number_an_alias_or_a_whole_name() -> None:
    for version in (3, "3", "toxicity@3", "metrics/toxicity/versions/3"):
        assert shorthand.version_of("toxicity", version) == "metrics/toxicity/versions/3"
    assert shorthand.version_of("metrics/toxicity", "shadow") == "metrics/toxicity/versions/shadow"
    for wrong in (0, -1, "", "a/b", True):
        with pytest.raises(InvalidRequestError):
            shorthand.version_of("toxicity", wrong)
