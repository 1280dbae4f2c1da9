"""An exported repository on a real Triton server."""

from pathlib import Path

import pytest
from benchmarks.triton import server
from benchmarks.triton.parity import compare, contents, in_process

from gnomon.bundle import Windows
from gnomon.errors import NotFoundError
from gnomon.instances import Instance, text_span
from gnomon.triton import Serving, TritonEvaluator, write_repository
from tests.scorer.evaluators import WORDS, make_bundle

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed() -> server.Installed:
    try:
        return server.install(ROOT / "build" / "triton" / "server")
    except server.TritonMissingError as error:
        pytest.skip(str(error))


def instances() -> list[Instance]:
    """Return outputs of 1 to 90 words: alone, in batches, in several windows."""
    words = [word for word in WORDS if word != "nanword"]
    return [text_span(output=" ".join(words[(n + i) % 9] for i in range(n))) for n in range(1, 91)]


@pytest.mark.slow
def test_a_real_triton_server_serves_a_repository_unchanged_with_the_very_same_scores(
    installed: server.Installed, tmp_path: Path
) -> None:
    bundle = make_bundle(windows=Windows(16)).write(tmp_path / "bundle")
    three = make_bundle(metric="mood", classes=("a", "b", "c")).write(tmp_path / "three")
    model = write_repository(bundle, tmp_path / "repository", serving=Serving(instances=2, max_batch_size=8))
    second = write_repository(three, tmp_path / "repository")
    before = contents(tmp_path / "repository")
    with server.running(installed, tmp_path / "repository", tmp_path / "log") as address:
        for folder, source in ((model, bundle), (second, three)):
            with TritonEvaluator(address, folder) as evaluator:
                parity = compare(in_process(source, instances()), evaluator.score(instances()))
            assert (parity.scores, parity.label_changes) == (90, 0)
            assert parity.difference <= 1e-5
        with (
            TritonEvaluator(address, model, name="unknown") as evaluator,
            pytest.raises(NotFoundError),
        ):
            evaluator.score(instances()[:1])
    assert contents(tmp_path / "repository") == before
