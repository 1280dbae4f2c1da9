"""How a service says that it cannot reach the registry as it should: by variables, and without the key."""

import inspect
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from gnomon import AsyncClient
from gnomon._security import Security, security_of
from gnomon.api_keys import new_key
from gnomon_rpc.registry_keys import registry_keys, registry_options
from gnomon_rpc.settings import RegistryClientSettings, SettingError
from tests.rpc.certificates import Authority

KEY = new_key().text


class Settings(RegistryClientSettings):
    model_config = SettingsConfigDict(env_prefix="GNOMON_TEST_", frozen=True)


def test_a_service_shows_its_own_key_and_none_of_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNOMON_API_KEY", new_key().text)
    (tmp_path / "key").write_text(KEY)
    assert registry_options(Settings())["api_key"] == ""
    assert registry_options(Settings(registry_api_key=KEY))["api_key"] == KEY
    assert registry_options(Settings(registry_api_key_file=tmp_path / "key"))["api_key"] == KEY
    assert registry_keys(Settings()) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"access": "keys"}, "GNOMON_TEST_ACCESS=keys needs GNOMON_TEST_REGISTRY_API_KEY"),
        ({"registry_api_key": "hunter2"}, "GNOMON_TEST_REGISTRY_API_KEY is not the text"),
        ({"registry_api_key": KEY, "registry_api_key_file": "x"}, "are both set"),
        ({"registry_api_key_file": "x"}, "GNOMON_TEST_REGISTRY_API_KEY_FILE=x cannot be read"),
        (
            {"registry_api_key": KEY, "registry_address": "registry:7410"},
            "GNOMON_TEST_REGISTRY_CA_FILE or GNOMON_TEST_REGISTRY_TLS=true",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_variable(given: dict[str, str], words: str) -> None:
    with pytest.raises(SettingError) as refused:
        registry_options(Settings(**given))  # type: ignore[arg-type]
    assert words in str(refused.value)
    assert KEY not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_key_may_go_over_plain_text_where_the_operator_says_so() -> None:
    elsewhere = {"registry_api_key": KEY, "registry_address": "registry:7410"}
    assert registry_options(Settings(**elsewhere, unprotected="without-tls"))["plain_text_key"]  # type: ignore[arg-type]
    assert registry_options(Settings(**elsewhere, registry_tls=True))["tls"]  # type: ignore[arg-type]


async def test_a_service_takes_nothing_that_a_user_set_for_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Authority(tmp_path / "one", "one").issue("somebody")
    monkeypatch.setenv("GNOMON_CA_FILE", str(pair.certificate))
    monkeypatch.setenv("GNOMON_CERTIFICATE_FILE", str(pair.certificate))
    monkeypatch.setenv("GNOMON_CERTIFICATE_KEY_FILE", str(pair.key))
    monkeypatch.setenv("GNOMON_PROJECT", "p")
    monkeypatch.setenv("GNOMON_TLS", "1")
    monkeypatch.setenv("GNOMON_PLAIN_TEXT_KEY", "1")
    for service in ("REGISTRY", "TRAINER", "SCORER"):
        monkeypatch.setenv(f"GNOMON_{service}_ADDRESS", "http://elsewhere:1")

    for settings in (Settings(registry_tls=True), Settings(registry_api_key=SecretStr(KEY))):
        options = registry_options(settings)
        async with AsyncClient(**options):  # which asks nobody else, wherever a user's trainer is
            pass
        of_the_client = set(inspect.signature(security_of).parameters) - {"environment"}
        found = security_of(**{name: value for name, value in options.items() if name in of_the_client})
        assert found == Security(api_key=options["api_key"], tls=settings.registry_tls)


def test_a_file_that_is_given_as_none_is_none_whatever_the_environment_says() -> None:
    files = ("ca_file", "certificate_file", "certificate_key_file")
    environment = {f"GNOMON_{name.upper()}": "of-a-user.pem" for name in files}
    assert security_of(**dict.fromkeys(files, ""), environment=environment) == Security()  # type: ignore[arg-type]
    assert security_of(environment=environment).ca_file == Path("of-a-user.pem")
