"""Three real services that other machines could reach: keys, TLS and certificates on both sides."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gnomon
from gnomon import local
from gnomon._security import Security
from gnomon.api_keys import new_key
from gnomon.errors import ApiKeyMissingError, ServiceUnavailableError
from gnomon.local import ServiceProcess
from tests.rpc.certificates import Authority, Pair

ADMIN, TRAINER, SCORER = (new_key().text for _ in range(3))


class Site:
    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "certificates", "site")
        self.mine = self.authority.issue("me")
        self.services = local.deployment(folder)

    def start(self) -> None:
        for name, service in self.services.items():
            service.listen = "0.0.0.0:0"
            service.environment = {**service.environment, **self._environment(name)}
            service.start()
            service.address = f"127.0.0.1:{service.address.rpartition(':')[2]}"

    def _environment(self, name: str) -> dict[str, str]:
        own = self.authority.issue(name)
        keys = {"admin": ADMIN, "trainer": TRAINER, "scorer": SCORER}
        variables = {
            "ACCESS": "keys",
            "TLS_CERTIFICATE_FILE": own.certificate,
            "TLS_KEY_FILE": own.key,
            "TLS_CLIENT_CA_FILE": self.authority.file,
        }
        if name == "registry":
            variables |= {f"{who.upper()}_KEY": text for who, text in keys.items()}
        else:
            variables |= {
                "REGISTRY_ADDRESS": f"https://{self.services['registry'].address}",
                "REGISTRY_API_KEY": keys[name],
                "REGISTRY_CA_FILE": self.authority.file,
                "REGISTRY_CERTIFICATE_FILE": own.certificate,
                "REGISTRY_CERTIFICATE_KEY_FILE": own.key,
            }
        if name == "trainer":
            variables["WORKERS"] = "0"
        return {f"GNOMON_{name.upper()}_{variable}": str(value) for variable, value in variables.items()}

    def security(self, pair: Pair | None) -> dict[str, Any]:
        shown = {"certificate_file": pair.certificate, "certificate_key_file": pair.key} if pair else {}
        return {"ca_file": self.authority.file, **shown}

    def client(self, api_key: str = "", pair: Pair | None = None, timeout_s: float = 30.0) -> gnomon.Client:
        addresses = {name: service.address for name, service in self.services.items()}
        return gnomon.Client(**addresses, api_key=api_key, timeout_s=timeout_s, **self.security(pair))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    try:
        made.start()
        yield made
    finally:
        local.stop(made.services)


@pytest.mark.slow
def test_all_three_are_reached_over_tls_and_reach_each_other(site: Site) -> None:
    with site.client(ADMIN, site.mine) as client:
        client.metrics.create("toxicity", output_type="boolean", input_shape="output")
        key = client.keys.create(["train", "score"])
    with site.client(key.key_text, site.mine) as client:
        assert list(client.datasets.list()) == []  # the trainer asked the registry about the key
        assert list(client.loaded_versions()) == []  # and so did the scorer
    security = Security(tls=True, **site.security(site.mine))
    for name, service in site.services.items():
        assert local.is_ready(service.address, local.HEALTH_SERVICES[name], security), name


def test_a_certificate_is_no_key_and_a_key_no_certificate(site: Site) -> None:
    with site.client(pair=site.mine) as client, pytest.raises(ApiKeyMissingError):
        client.metrics.get("toxicity")
    with site.client(ADMIN, timeout_s=2.0) as client, pytest.raises(ServiceUnavailableError):
        client.metrics.get("toxicity")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["registry", "trainer", "scorer"])
def test_a_service_that_others_could_reach_does_not_start_unprotected(name: str, tmp_path: Path) -> None:
    service: ServiceProcess = local.deployment(tmp_path)[name]
    service.listen = "0.0.0.0:0"
    with pytest.raises(ServiceUnavailableError) as refused:
        service.start()
    service.stop()
    prefix = f"GNOMON_{name.upper()}_"
    for words in (
        "ended with status 2",
        f"{prefix}ACCESS=keys",
        f"{prefix}UNPROTECTED=without-keys,without-tls",
    ):
        assert words in str(refused.value)
