"""A provider in a deployment as `gnomon up` makes it: its key, its master key, a restart."""

import asyncio
import stat
from pathlib import Path

import pytest

from gnomon import local, master_key
from gnomon.errors import ProviderUnavailableError
from tests.sdk.serving import connected
from tests.trainer.fake_endpoint import KEY, failure, fake_endpoint


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.slow
async def test_keys_outlive_a_restart_and_lie_in_no_file_of_the_deployment(tmp_path: Path) -> None:
    async with fake_endpoint() as endpoint:
        trainer = local.deployment(tmp_path / "home")["trainer"]
        trainer.environment = dict(trainer.environment) | {
            "GNOMON_TRAINER_ALLOWED_HOSTS": endpoint.host,
            "GNOMON_TRAINER_WORKERS": "0",
            "GNOMON_TRAINER_LOG_LEVEL": "debug",
        }
        for attempt in range(2):
            address = await asyncio.to_thread(trainer.start)
            try:
                async with connected("async", address) as client:
                    if attempt == 0:
                        await client.providers.create("main", base_url=endpoint.url, model="m", api_key=KEY)
                        endpoint.next = [failure("500 Oops", KEY)]
                        with pytest.raises(ProviderUnavailableError):
                            await client.providers.test("main")
                    await client.providers.test("main")
            finally:
                await asyncio.to_thread(trainer.stop)

    assert f"bearer {KEY}" in endpoint.heads[-1]
    files = files_of(trainer.home)
    assert trainer.log_path in files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    (key_file,) = [path for path in files if path.name == "master.key"]
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    secret = key_file.read_bytes().strip()
    assert not [path for path in files if path != key_file and secret in path.read_bytes()]


@pytest.mark.parametrize("service", ["registry", "trainer"])
def test_a_master_key_of_the_operator_is_left_alone(service: str, tmp_path: Path) -> None:
    variable, file = f"GNOMON_{service.upper()}_MASTER_KEY", str(tmp_path / "master.key")
    assert master_key.setting(service, tmp_path, {}) == {f"{variable}_FILE": file}
    for given in (variable, f"{variable}_FILE"):
        assert master_key.setting(service, tmp_path, {given: "mine"}) == {}
