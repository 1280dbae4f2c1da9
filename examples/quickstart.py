"""From labelled rows to a score, with `gnomon up` running in another terminal.

    python examples/quickstart.py

Takes the packaged example in place of your own rows.
"""

import tempfile
from pathlib import Path

import gnomon
from gnomon import examples


def main() -> None:
    example = examples.load("commitment")
    with gnomon.Client() as client, tempfile.TemporaryDirectory() as folder:
        files = example.write(Path(folder))
        client.projects.create("quickstart")
        client.metrics.create("promise", output_type="boolean", input_shape="input_output")
        client.datasets.upload("promise-train", files["training_set"], metric="promise")
        client.datasets.upload("promise-test", files["test_set"], metric="promise")
        operation = client.runs.create(
            "quickstart", metric="promise", training_set="promise-train", test_set="promise-test"
        )
        run = operation.result()
        for measure in run.report.measures:
            print(f"{measure.key:18} {measure.value:.3f} ({measure.low:.3f} to {measure.high:.3f})")
        client.aliases.set("promise", "production", run.metric_version)
        score = client.score(
            "promise", input="Will I get my money back?", output="Yes, by Friday at the latest."
        )
        print(score.metric_version, score.label, [f"{c.label} {c.probability:.2f}" for c in score.classes])


if __name__ == "__main__":
    main()
