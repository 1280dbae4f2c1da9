"""What RESULTS.md says of killed and attacked processes is what was measured, and how it was counted."""

import json
from pathlib import Path

from benchmarks.faults import section
from benchmarks.quality.section import FILE

_MEASURED = json.loads((Path(section.__file__).parents[1] / "results/faults.json").read_text())


def test_the_results_tell_what_was_measured() -> None:
    assert section.rendered(_MEASURED) in FILE.read_text()


def test_what_counts_as_a_broken_promise_amid_an_attack_is_said() -> None:
    said = section.rendered(_MEASURED)

    assert "amid an attack a call by somebody else that failed" in said
    assert "more than 500 MB" in said
