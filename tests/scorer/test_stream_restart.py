"""A stream through the SDK from a real scorer process that is killed, or stopped, in the middle."""

import asyncio
import time

import pytest

from gnomon import AsyncClient
from gnomon.local import ServiceProcess

ROWS = 6_000


def texts():
    for number in range(ROWS):
        yield {"output": " ".join(["good" if number % 2 else "awful"] * (1 + number % 20))}


@pytest.fixture
async def process(registry, tmp_path):
    environment = {
        "GNOMON_SCORER_REGISTRY_ADDRESS": registry.address,
        "GNOMON_SCORER_CACHE_DIR": str(tmp_path / "cache"),
        "GNOMON_SCORER_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    one = ServiceProcess("scorer", tmp_path, environment)
    await asyncio.to_thread(one.start)
    await asyncio.to_thread(one.wait_until_ready)
    yield one
    await asyncio.to_thread(one.stop)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_a_stream_goes_on_in_the_next_process_with_the_version_it_began_with(process, registry, end):
    async with AsyncClient(scorer=process.address) as client:
        want = [row["toxicity"] async for row in client.score_stream("toxicity", texts())]
        got = []
        restarting = None
        async for row in client.score_stream("toxicity", texts()):
            got.append(row["toxicity"])
            if len(got) == ROWS // 4:
                registry.set_alias("toxicity/production", "toxicity/2")
                began = time.monotonic()
                await asyncio.to_thread(getattr(process, end))
                assert time.monotonic() - began < 15  # an open stream is not waited for
                restarting = asyncio.create_task(asyncio.to_thread(process.start))
        await restarting
        assert {score.metric_version for score in got} == {"metrics/toxicity/versions/1"}
        assert [score.label for score in got] == [score.label for score in want]
        pairs = [(a.classes[1].probability, b.classes[1].probability) for a, b in zip(got, want, strict=True)]
        assert all(one == pytest.approx(other, abs=1e-5) for one, other in pairs)
        assert (await client.resolve("toxicity")) == {"toxicity": "metrics/toxicity/versions/2"}
