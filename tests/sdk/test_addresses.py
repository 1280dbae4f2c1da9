from pathlib import Path

import pytest

from gnomon.addresses import address_of, up_file


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write(text: str) -> None:
    up_file().parent.mkdir(exist_ok=True)
    up_file().write_text(text)


def test_a_given_address_goes_before_the_environment_before_the_file_before_the_default() -> None:
    assert address_of("registry", environment={}) == "127.0.0.1:7410"
    write('{"registry": "127.0.0.1:1"}')
    assert address_of("registry", environment={}) == "127.0.0.1:1"
    assert address_of("trainer", environment={}) == "127.0.0.1:7411"
    environment = {"GNOMON_REGISTRY_ADDRESS": "127.0.0.1:2"}
    assert address_of("registry", environment=environment) == "127.0.0.1:2"
    assert address_of("registry", "127.0.0.1:3", environment) == "127.0.0.1:3"


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"registry": 7}', '{"registry": ""}'])
def test_a_file_that_makes_no_sense_is_passed_over(text: str) -> None:
    write(text)
    assert address_of("registry", environment={}) == "127.0.0.1:7410"
