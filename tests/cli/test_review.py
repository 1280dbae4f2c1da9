"""`gnomon review` by single commands, and the terminal's desk and screen on the real wire."""

import asyncio
import io
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from textual.events import Key
from textual.widgets import Static

from gnomon import Client
from gnomon.cli import review as commands
from gnomon.cli.review_desk import choosing, showing
from gnomon.cli.review_desk.desk import Desk
from gnomon.cli.review_desk.screen import ReviewScreen
from gnomon.errors import ReviewStateError
from gnomon.v1 import reviews_pb2 as pb
from tests.cli.conftest import Gnomon
from tests.cli.fake_reviews import an_item
from tests.cli.fake_services import FakeServices, RunningFake

NAME = "datasets/tickets/reviews/first"
PROBLEM = ReviewStateError("Not now.", state="busy")
TWELVE = [f"card {n}" for n in range(1, 13)]


@pytest.fixture
def review(gnomon: Gnomon) -> str:
    gnomon("review", "create", "tickets", "--review-id", "first")
    return "tickets/first"


# ---------------------------------------------------------------------------- commands


def test_a_review_is_made_and_shown_with_who_did_what(gnomon: Gnomon, fake: FakeServices) -> None:
    made = gnomon(
        "review",
        "create",
        "tickets",
        "--review-id",
        "first",
        "--order",
        "low_margin",
        "--blind",
        "--reviewers",
        "2",
    )
    shown, listed = gnomon("review", "get", "tickets/first"), gnomon("review", "list")

    assert made.out == f"{NAME} has 3 rows. Next: gnomon review tickets/first\n"
    kept = fake.reviews[NAME]
    assert (kept.order, kept.blind, kept.reviewers_per_row) == (pb.Review.LOW_MARGIN, True, 2)
    assert "ann and ben on 50 rows: agreement 0.800 (0.700–0.900), kappa 0.610 (0.400–0.800)" in shown.out
    assert "kappa not defined" in shown.out
    assert "low_margin" in listed.out


def test_without_reviews_the_list_says_how_to_make_one(gnomon: Gnomon) -> None:
    assert "gnomon review DATASET" in gnomon("review", "list").err


def test_rows_are_decided_taken_back_and_settled_by_single_commands(
    gnomon: Gnomon, fake: FakeServices, review: str
) -> None:
    first = gnomon("review", "next", review, "--reviewer", "ann", "--count", "2")
    said = gnomon("review", "decide", review, "4", "false", "--reviewer", "ann")
    gnomon("review", "decide", review, "9", "--unsure", "--reviewer", "ann")
    undone = gnomon("review", "undo", review, "--reviewer", "ann")
    disputed = gnomon("review", "disagreements", review, "--reviewer", "cleo")
    settled = gnomon("review", "settle", review, "4", "true", "--reviewer", "cleo")

    assert "Where is my [red] card 4?" in first.out
    assert "3 left, these included." in first.out
    assert (said.out, undone.out, settled.out) == (
        "Row 4: false.\n",
        "Row 9 is open again.\n",
        "Row 4: true.\n",
    )
    assert "ann: true, ben: unsure" in disputed.out
    assert [(entry.row, entry.label) for entry in fake.said] == [(4, "false"), (4, "true")]


def test_applying_says_what_changed_and_what_did_not(gnomon: Gnomon, review: str) -> None:
    assert gnomon("review", "apply", review).out == (
        "Made datasets/tickets@2: 3 labels corrected, 2 confirmed; 1 rows of the review stay as they were "
        "(1 in disagreement, 0 unsure, 0 not answered).\n"
    )


@pytest.mark.parametrize("words", [(), ("true", "--skip"), ("--unsure", "--skip")])
def test_a_decision_is_a_label_or_one_option_that_stands_for_none(
    gnomon: Gnomon, review: str, words: tuple[str, ...]
) -> None:
    ran = gnomon("review", "decide", review, "4", *words, "--reviewer", "ann")
    assert (ran.status, "give a label" in ran.err) == (2, True)


def test_who_one_is_comes_from_the_environment_or_the_account(
    gnomon: Gnomon, fake: FakeServices, review: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNOMON_REVIEWER", "dora")
    gnomon("review", "decide", review, "4", "true")
    monkeypatch.delenv("GNOMON_REVIEWER")

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(commands.getpass, "getuser", nobody)
    ran = gnomon("review", "decide", review, "9", "true")

    assert [entry.reviewer for entry in fake.said] == ["dora"]
    assert (ran.status, "--reviewer" in ran.err) == (2, True)


def test_a_name_that_is_no_command_is_opened_and_needs_a_terminal(gnomon: Gnomon, review: str) -> None:
    ran = gnomon("review", review, "--reviewer", "ann")
    assert (ran.status, "needs a terminal" in ran.err) == (1, True)


def test_the_terminal_says_how_to_install_what_it_needs(
    gnomon: Gnomon, review: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "gnomon.cli.review_desk.screen", raising=False)
    monkeypatch.setitem(sys.modules, "textual.app", None)
    ran = gnomon("review", review, "--reviewer", "ann")
    assert (ran.status, 'pip install "gnomon[review]"' in ran.err) == (1, True)


# ---------------------------------------------------------------------------- choosing


@given(st.integers(1, 99))
def test_what_is_written_beside_a_class_chooses_it(count: int) -> None:
    classes = [f"class {n}" for n in range(count)]
    for keys, label in choosing.numbered(classes):
        pending, chosen = "", None
        for key in keys:
            assert chosen is None
            pending, chosen = choosing.typed(pending, key, classes)
        assert (pending, chosen) == ("", label)


@given(st.text("0123456789", max_size=6), st.integers(1, 120))
def test_digits_never_choose_what_is_not_there(keys: str, count: int) -> None:
    classes = [f"class {n}" for n in range(count)]
    pending = ""
    for key in keys:
        pending, chosen = choosing.typed(pending, key, classes)
        assert chosen is None or chosen in classes
        assert len(pending) < choosing.width(count)


def test_a_search_finds_beginnings_first_and_then_words_in_any_order() -> None:
    classes = ["lost card", "card arrival", "card lost or stolen", "cash"]
    assert choosing.matching("card", classes) == ["card arrival", "card lost or stolen", "lost card"]
    assert choosing.matching("LOST card", classes) == ["lost card", "card lost or stolen"]
    assert choosing.matching("", classes) == classes
    assert choosing.matching("x", classes) == []


# ----------------------------------------------------------------------------- showing


@given(st.text())
def test_nothing_that_users_wrote_steers_the_terminal(text: str) -> None:
    shown = showing.plain(text)
    assert len(shown) == len(text)
    assert all(character.isprintable() or character in "\n\t" for character in shown)


def test_a_chat_with_tools_reads_from_top_to_bottom() -> None:
    item = an_item(4)
    span = item.instance.span
    span.documents.add(content="Page one.")
    span.tools.add(tool="refund", description="Pays back.")
    answer = span.output.add(role="assistant", content="Done.\x1b[2J")
    answer.tool_calls.add(tool="refund", arguments='{"id": 3}')
    item.columns["source"] = "web"
    item.judge_label = "false"
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(showing.row(item))

    text = console.export_text()

    places = [
        text.index(part)
        for part in (
            "document 1",
            "refund: Pays back.",
            "[red] card 4",
            "assistant",
            '→ refund({"id": 3})',
            "source  web",
            "labelled  true",
            "false (0.96), true (0.04)",
            "judge     false",
        )
    ]
    assert places == sorted(places)
    assert "\x1b" not in text


def test_a_session_reads_turn_by_turn() -> None:
    item = pb.ReviewItem(row=1)
    for question in ("Hello?", "Still there?"):
        trace = item.instance.session.traces.add()
        trace.spans.add().input.add(role="user", content=question)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(showing.row(item))

    text = console.export_text()

    places = [text.index(part) for part in ("turn 1", "Hello?", "turn 2", "Still there?")]
    assert places == sorted(places)


# -------------------------------------------------------------------------------- desk


@pytest.fixture
def desk(running: RunningFake, fake: FakeServices) -> Iterator[Desk]:
    with Client(registry=running.address, trainer=running.address, scorer=running.address) as client:
        desk = Desk(client, pb.Review(name=NAME, classes=["false", "true"]), "ann", {"true": "Promises."})
        desk.load()
        yield desk


def test_what_lies_on_the_desk_follows_what_is_said(desk: Desk, fake: FakeServices) -> None:
    assert desk.item is not None
    assert (desk.item.row, desk.done, desk.left) == (4, 0, 3)

    desk.label("false")
    desk.keep()
    desk.undo()

    assert (desk.item.row, desk.done, desk.left, desk.note) == (9, 1, 2, "")
    desk.skip()
    desk.unsure()
    assert (desk.item, desk.done, desk.left) == (None, 3, 0)
    desk.label("true")
    desk.undo()
    assert desk.item is not None
    assert [(entry.row, entry.label) for entry in fake.said] == [(4, "false"), (9, "")]


def test_a_row_that_somebody_else_was_faster_with_is_passed_over_with_a_note(
    desk: Desk, fake: FakeServices
) -> None:
    fake.waiting.remove(4)

    desk.label("true")

    assert desk.item is not None
    assert (desk.item.row, desk.done, desk.left) == (9, 0, 2)
    assert "answered by ben" in desk.note


def test_what_fails_changes_nothing_but_the_note(desk: Desk) -> None:
    desk.undo()

    assert desk.item is not None
    assert (desk.item.row, desk.done, desk.left, desk.note) == (4, 0, 3, "There is nothing to undo.")


def test_a_desk_that_could_not_fetch_says_so_and_the_next_key_fetches(desk: Desk, fake: FakeServices) -> None:
    desk.label("true")
    desk.label("true")
    fake.next_error = PROBLEM
    desk.label("true")
    assert (desk.item, desk.is_fetched, desk.note) == (None, False, PROBLEM.message)

    fake.next_error = None
    fake.waiting.append(11)
    desk.label("false")

    assert desk.item is not None
    assert (desk.item.row, desk.is_fetched, desk.note) == (11, True, "")
    assert [entry.row for entry in fake.said] == [4, 9, 2]


# ------------------------------------------------------------------------------ screen


def shown(screen: ReviewScreen, part: str) -> str:
    return str(screen.query_one(part, Static).render())


async def test_keys_are_decisions_and_the_screen_says_what_failed(desk: Desk, fake: FakeServices) -> None:
    screen = ReviewScreen(desk)
    async with screen.run_test() as person:
        await person.press("u")
        assert shown(screen, "#note") == "There is nothing to undo."
        await person.press("2", "k")
        assert shown(screen, "#status") == " row 2 · 2 done · 1 left · ann"
        await person.press("7", "escape", "question_mark", "x", "n")
        assert "Nothing is left for you" in shown(screen, "#content")
        await person.press("q")

    assert [(entry.row, entry.label) for entry in fake.said] == [(4, "true"), (9, "true"), (2, "")]


async def test_a_search_keeps_the_numbers_of_the_classes_and_takes_the_first(
    running: RunningFake, fake: FakeServices
) -> None:
    with Client(registry=running.address, trainer=running.address, scorer=running.address) as client:
        screen = ReviewScreen(Desk(client, pb.Review(name=NAME, classes=TWELVE, blind=True), "ann", {}))
        async with screen.run_test() as person:
            await person.press("0")
            assert shown(screen, "#status").endswith("· 0_")
            await person.press("escape", "slash", *"card 7")
            await asyncio.sleep(0)
            await person.press("enter")
            await person.press("slash", *"unknown quirks", "enter", "1", "2")
            await person.press("ctrl+c")

    assert [(entry.row, entry.label) for entry in fake.said] == [(4, "card 7"), (9, "card 12")]


async def test_a_key_that_comes_before_the_next_row_is_seen_decides_nothing(
    desk: Desk, fake: FakeServices
) -> None:
    fake.may_record.clear()
    screen = ReviewScreen(desk)
    async with screen.run_test() as person:
        for _ in range(2):
            screen.post_message(Key("2", "2"))
        await asyncio.sleep(0.1)
        assert shown(screen, "#status").startswith(" row 4 ")
        fake.may_record.set()
        while not fake.said:
            await asyncio.sleep(0.01)
        await person.pause()
        await person.press("1")

    assert [(entry.row, entry.label) for entry in fake.said] == [(4, "true"), (9, "false")]


async def test_a_search_shows_first_what_enter_takes(running: RunningFake, fake: FakeServices) -> None:
    classes = ["not spam", "spam"]
    with Client(registry=running.address, trainer=running.address, scorer=running.address) as client:
        screen = ReviewScreen(Desk(client, pb.Review(name=NAME, classes=classes), "ann", {}))
        async with screen.run_test() as person:
            await person.press("slash", *"spam")
            console = Console(width=60, record=True, file=io.StringIO())
            console.print(showing.classes(classes, choosing.matching("spam", classes)))
            await person.press("enter")

    assert console.export_text().split() == ["2", "spam", "1", "not", "spam"]
    assert [entry.label for entry in fake.said] == ["spam"]


async def test_a_screen_without_a_row_says_whether_it_is_the_end(desk: Desk, fake: FakeServices) -> None:
    screen = ReviewScreen(desk)
    async with screen.run_test() as person:
        await person.press("1", "1")
        fake.next_error = PROBLEM
        await person.press("1")
        assert "could not be fetched" in shown(screen, "#content")
        fake.next_error, fake.others_have_the_rest = None, True
        fake.waiting.append(11)
        await person.press("s")
        assert "Others have the rows that are left" in shown(screen, "#content")
        fake.waiting.clear()
        await person.press("s")
        assert "Nothing is left for you" in shown(screen, "#content")
