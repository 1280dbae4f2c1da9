"""`gnomon generate` on the real wire."""

import pytest

from gnomon.cli import problems
from gnomon.v1 import generations_pb2 as pb
from gnomon.v1 import labellings_pb2 as labellings
from tests.cli.conftest import Gnomon
from tests.cli.fake_services import FakeServices

NAME = "generations/first"
CREATE = (
    *("generate", "create", "tone", "--provider", "openai", "--test-set", "tickets"),
    *("--generation-id", "first", "--rows", "20", "--sample-rows", "4"),
)


def test_a_sample_is_made_looked_at_turned_down_and_approved(gnomon: Gnomon, fake: FakeServices) -> None:
    made = gnomon(
        *CREATE, "--balance", "true=0.3", "--balance", "a=b=0.7", "--judge", "local", "--votes", "3"
    )
    kept = fake.generations[NAME]
    assert made.out == f"{NAME} makes a sample of 4 rows from 3 seeds. Next: gnomon generate watch first\n"
    assert (kept.metric, kept.provider, kept.judge_provider) == (
        "metrics/tone",
        "providers/openai",
        "providers/local",
    )
    assert dict(kept.class_balance) == {"true": 0.3, "a=b": 0.7}
    assert (kept.row_count, kept.sample_row_count, kept.votes, kept.seed_share) == (20, 4, 3, 0.2)

    watched = gnomon("generate", "watch", "first")
    assert watched.status == 0
    assert "SAMPLING: 0 of 4 rows" in watched.err
    assert "gnomon generate approve first" in watched.out
    assert "Where is my [red] card?" in gnomon("generate", "rows", "first").out

    said = gnomon("generate", "regenerate", "first", "--reason", "off-topic", "--words", "No [red] cards.")
    assert said.out.startswith("Sample 2 is made.")
    gnomon("generate", "watch", "first")
    assert gnomon("generate", "approve", "first").out.startswith("20 rows are made.")
    done = gnomon("generate", "watch", "first")
    assert "Made datasets/made@1 (false 10, true 10).\nFewer rows than wanted." in done.out

    shown = gnomon("generate", "show", "first").out
    assert "turned down: off topic: No [red] cards." in shown
    assert "dropped: 4 judged otherwise" in shown
    assert "distinct 2" in shown
    assert "AUROC 0.810" in shown
    assert "12.5% of the items were near copies" in shown
    assert "By a model." in gnomon("generate", "show", "first", "--card").out
    assert "tiny-1" in gnomon("generate", "list").out
    assert gnomon("generate", "show", "first", "--json").json["diversity"]["auroc"] == 0.81


def test_a_sample_can_be_waited_for_at_once(gnomon: Gnomon) -> None:
    assert "Sample 1 has 4 rows." in gnomon(*CREATE, "--wait").out


def test_a_budget_is_given_and_raised(gnomon: Gnomon, fake: FakeServices) -> None:
    gnomon(*CREATE, "--max-cost", "2", "--input-price", "0.5", "--output-price", "1.5")
    assert fake.generations[NAME].budget == labellings.JudgeBudget(
        max_cost=2, input_price=0.5, output_price=1.5
    )

    fake.generations[NAME].state = pb.Generation.FAILED
    fake.generations[NAME].error.message = "The budget is spent."
    failed = gnomon("generate", "watch", "first")
    assert failed.status == problems.FAILED
    assert "The budget is spent." in failed.out

    gnomon("generate", "resume", "first", "--max-tokens", "5000")
    assert fake.generations[NAME].budget == labellings.JudgeBudget(max_tokens=5000)


@pytest.mark.parametrize("share", ["true", "true=much", "="])
def test_a_share_that_is_none_is_refused(gnomon: Gnomon, fake: FakeServices, share: str) -> None:
    ran = gnomon(*CREATE, "--balance", share)

    assert ran.status == problems.USAGE
    assert "LABEL=SHARE" in ran.err
    assert not fake.generations


def test_an_unknown_reason_and_a_card_that_is_not_there_are_told(gnomon: Gnomon) -> None:
    gnomon(*CREATE)

    assert "too_repetitive" in gnomon("generate", "regenerate", "first", "--reason", "bad").err
    assert "no card yet" in gnomon("generate", "show", "first", "--card").err
    assert "gnomon generate create" not in gnomon("generate", "list").err


def test_without_generations_the_list_says_how_to_make_one(gnomon: Gnomon) -> None:
    assert "gnomon generate create" in gnomon("generate", "list").err
