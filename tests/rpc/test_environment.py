"""What a service says of variables that are wrong, or that it does not know."""

import pytest
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from gnomon import folders
from gnomon_rpc.environment import explain, unknown_variables
from gnomon_rpc.settings import ServerSettings


class Settings(ServerSettings):
    model_config = SettingsConfigDict(env_prefix="GNOMON_TEST_")
    workers: int = Field(default=3, ge=1, description="How many work.")
    token: SecretStr | None = Field(default=None, min_length=8)
    database_url: str = Field(default="sqlite:///x", pattern="^sqlite")


def said(**values):
    with pytest.raises(ValidationError) as caught:
        Settings(**values)
    return explain(caught.value, "GNOMON_TEST_", Settings)


def test_a_wrong_variable_is_shown_with_its_value_its_meaning_and_its_default():
    line = said(workers="many")

    assert line.startswith("GNOMON_TEST_WORKERS=many: ")
    assert "It says: How many work. Unset, it is 3." in line


def test_every_wrong_variable_has_its_line():
    assert [line.partition("=")[0] for line in said(workers="0", grace_s="soon").splitlines()] == [
        "GNOMON_TEST_GRACE_S",
        "GNOMON_TEST_WORKERS",
    ]


def test_a_wrong_secret_is_not_repeated():
    assert "hush" not in said(token="hush")
    assert "hush" not in said(database_url="mysql://me:hush@there/db")


def test_an_unknown_variable_comes_with_the_one_that_was_likely_meant():
    environment = {
        "GNOMON_TEST_GRACES": "3",
        "GNOMON_TEST_XYZZY_PLUGH": "1",
        "GNOMON_OTHER_GRACE": "1",
        "PATH": "",
    }

    assert unknown_variables(Settings, environment) == [
        ("GNOMON_TEST_GRACES", "GNOMON_TEST_GRACE_S"),
        ("GNOMON_TEST_XYZZY_PLUGH", None),
    ]


def test_variables_that_are_read_are_known_in_any_case_and_so_is_the_address_of_clients():
    environment = {
        "gnomon_test_workers": "2",
        "GNOMON_TEST_LISTEN": "x",
        "GNOMON_TEST_ADDRESS": "127.0.0.1:1",
    }

    assert unknown_variables(Settings, environment) == []


def test_a_user_without_a_home_keeps_data_where_services_do(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(folders.Path, "home", homeless)

    assert str(folders.own_folder("scorer")) == "/var/lib/gnomon/scorer"
