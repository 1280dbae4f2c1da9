"""People correct labels at a terminal, on real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gnomon.v1 import reviews_pb2 as pb
from tests.e2e.terminal import terminal

CLASSES = [f"topic {n:02}" for n in range(1, 13)]


@pytest.fixture(scope="module")
def environment(deployed: Any) -> dict[str, str]:
    return {f"GNOMON_{name.upper()}_ADDRESS": service.address for name, service in deployed.services.items()}


def rows_of(classes: list[str], count: int) -> list[dict[str, Any]]:
    return [
        {"input": f"This is text {n} about {classes[n % len(classes)]}", "label": classes[n % len(classes)]}
        for n in range(count)
    ]


def upload(deployed: Any, folder: Path, dataset: str, rows: list[dict[str, Any]]) -> None:
    file = folder / f"{dataset}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    deployed.client.datasets.upload(dataset, file, metric=dataset)


@pytest.fixture(scope="module")
def questions(deployed: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A boolean dataset whose rows a judge doubts."""
    deployed.client.metrics.create("questions", output_type="boolean", input_shape="input")
    rows = [row | {"judge_label": "true"} for row in rows_of(["false"], 30)]
    rows[0] |= {"input": "\x1b]0;evil\x07 is shown as text", "source": "web"}
    upload(
        deployed, tmp_path_factory.mktemp("rows"), "questions", [*rows, {"input": "Yes?", "label": "true"}]
    )
    return "questions"


@pytest.mark.slow
def test_a_terminal_that_is_killed_loses_no_key_and_goes_on_where_it_was(
    deployed: Any, questions: str, environment: dict[str, str], tmp_path: Path
) -> None:
    client = deployed.client
    client.reviews.create(questions, review_id="killed", order="judge_disagreement", limit=6)
    words = ("review", "questions/killed", "--reviewer", "ann")

    with terminal(*words, environment=environment, cwd=tmp_path) as person:
        person.until("0 done · 6 left")
        person.until("evil")
        person.press("2")
        person.until("1 done · 5 left")
        person.press("1")
        person.until("2 done · 4 left")
        person.press("s")
        person.until("3 done · 3 left")
        person.kill()
    said = [(d.row, d.label) for d in client.reviews.decisions("questions/killed", "ann")]
    assert said == [(1, "true"), (2, "false"), (3, "")]

    with terminal(*words, environment=environment, cwd=tmp_path) as person:
        person.until("3 done · 3 left")
        person.until("text 3 about")  # drawn a moment later
        person.press("u")
        person.until("2 done · 4 left")
        person.until("text 2 about")  # drawn a moment later
        person.press("n")
        person.until("3 done · 3 left")
        for key, left in ("2", 2), ("s", 1), ("2", 0), ("u", 1):
            person.press(key)
            person.until(f"{6 - left} done · {left} left")
        person.press("2")
        person.until("Nothing is left for you")
        person.until("gnomon review apply")
        person.press("q")
        assert person.end() == 0

    review = client.reviews.apply("questions/killed").review
    with terminal(*words, environment=environment, cwd=tmp_path) as person:
        person.until("was applied and made datasets/questions@")
        assert person.end() == 1
    assert (review.settled_count, review.corrected_count, review.unsure_count) == (4, 3, 1)


def test_many_classes_are_chosen_by_two_digits_or_by_a_search(
    deployed: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    client = deployed.client
    client.metrics.create("topics", output_type="categorical", input_shape="input", classes=CLASSES)
    upload(deployed, tmp_path, "topics", rows_of(CLASSES, 24))
    client.reviews.create("topics", review_id="blind", order="judge_disagreement", limit=3, blind=True)

    with terminal("review", "topics", "--reviewer", "ben", environment=environment, cwd=tmp_path) as person:
        person.until("0 done · 3 left · ben · blind")
        person.until("12 topic 12")
        assert "labelled" not in person.until("This is text 0")
        person.press("1")
        person.until("1_")
        person.press("1")
        person.until("1 done · 2 left")
        person.press("/")
        person.until("a class; Enter takes")
        person.press("topic 09\r")
        person.until("2 done · 1 left")
        person.press("?")
        person.until("(no rubric)")
        person.press("x")
        person.until("about topic 03")
        person.press("q")
        assert person.end() == 0

    said = [(d.row, d.label) for d in client.reviews.decisions("topics/blind", "ben")]
    assert said == [(1, "topic 11"), (2, "topic 09")]


@pytest.mark.slow
def test_two_people_and_a_third_correct_labels_by_single_commands(
    deployed: Any, questions: str, environment: dict[str, str], tmp_path: Path
) -> None:
    def gnomon(*words: str, status: int = 0) -> Any:
        code = "from gnomon.cli.main import main; raise SystemExit(main())"
        done = subprocess.run(
            [sys.executable, "-c", code, "review", *words, "--json"],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    name = "questions/pair"
    gnomon(
        "create",
        "questions",
        "--review-id",
        "pair",
        "--order",
        "judge_disagreement",
        "--limit",
        "3",
        "--reviewers",
        "2",
    )
    for person, labels in (("ann", ["true", "true", "false"]), ("ben", ["true", "false", "false"])):
        items = gnomon("next", name, "--reviewer", person, "--count", "3")["items"]
        for item, label in zip(items, labels, strict=True):
            gnomon("decide", name, str(item["row"]), label, "--reviewer", person)
    (found,) = gnomon("disagreements", name, "--reviewer", "cleo")
    assert gnomon("disagreements", name, "--reviewer", "ann") == []
    gnomon("settle", name, str(found["item"]["row"]), "true", "--reviewer", "cleo")
    gnomon("undo", name, "--reviewer", "cleo")
    gnomon("settle", name, str(found["item"]["row"]), "true", "--reviewer", "cleo")
    (pair,) = gnomon("get", name)["agreements"]
    made = gnomon("apply", name)

    assert pair["agreement"]["value"] == pytest.approx(2 / 3)
    assert made["dataset"]["review"] == "datasets/questions/reviews/pair"
    assert (made["review"]["corrected_count"], made["review"]["settled_count"]) == (2, 3)
    frame = deployed.client.datasets.to_pandas("questions")
    settled = frame["label_review"].apply(
        lambda told: isinstance(told, dict) and told["review"] == made["review"]["name"]
    )
    assert frame["label"][settled].astype(str).str.lower().tolist() == ["true", "true", "false"]
    assert frame["label_review"][settled].iloc[1]["by"] == ["ann", "ben", "cleo"]
    assert gnomon("apply", name, status=1)["error"]["reason"] == "REVIEW_STATE"


@pytest.mark.slow
def test_a_dataset_opens_a_new_review_that_the_probe_orders(
    deployed: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    client = deployed.client
    client.metrics.create("weather", output_type="categorical", input_shape="input", classes=["sun", "rain"])
    words = {"sun": "warm bright light dry calm", "rain": "wet dark storm cloud wind"}
    rows = [
        {"input": f"{words[label]} day {n}", "label": label} for n in range(60) for label in ("sun", "rain")
    ]
    rows[10]["label"] = "rain"
    upload(deployed, tmp_path, "weather", rows)

    with terminal("review", "weather", "--reviewer", "ann", environment=environment, cwd=tmp_path) as person:
        shown = person.until("0 done · 120 left", timeout_s=120)
        assert "row 11" in shown
        assert "probe" in shown
        person.press("q")
        assert person.end() == 0
    (review,) = client.reviews.list("weather")
    assert review.order == pb.Review.COMBINED
