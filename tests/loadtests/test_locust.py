"""locust patches the process that it runs in, so it runs in its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OBJECTIVE = """
average_qps = 10
peak_qps = 20
input_tokens = { mean = 12, p95 = 24 }
p95_latency_ms = %s
p99_latency_ms = 1000
deadline_ms = 400
max_error_share = 0.2
"""


def locust(tmp_path: Path, *arguments: str, p95_ms: float = 300) -> subprocess.CompletedProcess[str]:
    objective = tmp_path / "mine.toml"
    objective.write_text(OBJECTIVE % p95_ms)
    file = str(ROOT / "loadtests" / "locustfile.py")
    command = [sys.executable, "-m", "locust", "-f", file, "--headless", "--objective", str(objective)]
    return subprocess.run(
        [*command, "--html", str(tmp_path / "report.html"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


@pytest.mark.slow
def test_locust_reports_the_split_of_the_time_and_fails_by_the_demand_that_is_missed(
    tmp_path: Path, scorer_address: str
) -> None:
    load = ("--host", scorer_address, "--metric", "toxicity", "--seconds", "9", "--only-summary")
    done = locust(tmp_path, *load, p95_ms=0.001)
    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert re.search(r"MISSED: p95 latency \d+ ms", told)
    assert re.search(r"(met|MISSED): peak QPS [\d.]+", told), told
    assert "met: error share" in told
    assert re.search(r"mean input tokens off by [\d.]+ %, at most 15 % asked", told), told
    for entry in (
        r"grpc +1-32 tokens",
        r"step +queue",
        r"step +inference",
        r"step +tokenization",
        r"tokens +read",
    ):
        assert re.search(entry, told), told
    assert "queue" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--host", "127.0.0.1:1"), "Give --host, --metric and --objective"),
        (("--host", "127.0.0.1:1", "--metric", "toxicity", "--seconds", "1"), "takes --seconds 9 or more"),
    ],
)
def test_locust_says_what_it_lacks_and_ends_with_status_2(
    tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    done = locust(tmp_path, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert reason in done.stdout + done.stderr
