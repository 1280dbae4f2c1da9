"""`gnomon review`: people look at labels again, in a full-screen terminal or by single commands."""

import getpass
import os
import sys
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text
from typer.core import TyperGroup

from gnomon import optional, shorthand
from gnomon.cli import view
from gnomon.cli.output import Columns, table
from gnomon.cli.session import Session, command
from gnomon.errors import InvalidRequestError
from gnomon.names import DatasetName
from gnomon.v1 import reviews_pb2 as pb

_INSTALL = 'pip install "gnomon[review]"'


class _OpensByDefault(TyperGroup):
    """Takes `gnomon review NAME` as `gnomon review open NAME`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # the context's class has moved in typer
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args.insert(0, "open")
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="review",
    cls=_OpensByDefault,
    help="People look at labels again: `gnomon review DATASET` opens the terminal for it.",
    no_args_is_help=True,
)


def _user() -> str:
    try:
        return os.environ.get("GNOMON_REVIEWER") or getpass.getuser()
    except (KeyError, OSError) as error:  # an account without a name, as in some containers
        raise typer.BadParameter("say who you are with --reviewer") from error


Name = Annotated[str, typer.Argument(help="The review: DATASET/REVIEW, or its full name.")]
Reviewer = Annotated[str, typer.Option(default_factory=_user, help="Who you are; or set GNOMON_REVIEWER.")]
Row = Annotated[int, typer.Argument(min=1, help="The row, counted from 1.")]
Label = Annotated[str | None, typer.Argument(help="The label; leave it out with --unsure or --skip.")]

_COLUMNS: Columns[pb.Review] = {
    "review": lambda review: view.short(review.name),
    "version": lambda review: view.short(review.dataset),
    "order": lambda review: pb.Review.Order.Name(review.order).lower(),
    "rows": lambda review: review.item_count,
    "people a row": lambda review: review.reviewers_per_row,
    "blind": lambda review: "yes" if review.blind else "",
    "state": lambda review: pb.Review.State.Name(review.state),
    "made": lambda review: view.short(review.applied_version),
    "created": lambda review: view.time(review.create_time),
}

_ITEMS: Columns[pb.ReviewItem] = {
    "row": lambda item: item.row,
    "instance": lambda item: view.instance(item.instance),
    "label": lambda item: item.label,
    "expected": lambda item: item.expected_label,
    "judge": lambda item: item.judge_label,
}

_DISAGREEMENTS: Columns[pb.ListDisagreementsResponse.Disagreement] = {
    "row": lambda found: found.item.row,
    "instance": lambda found: view.instance(found.item.instance),
    "answers": lambda found: ", ".join(f"{d.reviewer}: {d.label or 'unsure'}" for d in found.decisions),
}


@app.command("open")
@command
def open_(
    session: Session,
    *,
    name: Annotated[str, typer.Argument(help="A review, or a dataset: its open review, or a new one.")],
    reviewer: Reviewer,
) -> None:
    """Label rows in a full-screen terminal. Each key is kept at once; leave and come back as you like."""
    screen = optional.required("gnomon.cli.review_desk.screen", "The full-screen review", _INSTALL)
    from gnomon.cli.review_desk.desk import Desk

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidRequestError(
            "The full-screen review needs a terminal. `gnomon review next` and `decide` do without."
        )
    review = _review_of(session, name)
    if review.state == pb.Review.APPLIED:
        raise InvalidRequestError(
            f"{review.name} was applied and made {review.applied_version}. To review that one: "
            f"gnomon review {view.short(review.applied_version)}"
        )
    metric = session.client.metrics.get(review.metric)
    rubrics = {entry.label: entry.rubric for entry in metric.classes}
    desk = Desk(session.client, review, reviewer.strip(), rubrics)
    screen.ReviewScreen(desk).run()
    session.output.note(f"{review.name}: {desk.done} done, {desk.left} left.")


def _review_of(session: Session, name: str) -> pb.Review:
    """Return the review of that name; of a dataset, the newest that is open, or a new one."""
    if "/" in name.removeprefix("datasets/"):
        return session.client.reviews.get(name)
    for review in session.client.reviews.list(name):
        wanted = DatasetName.parse(shorthand.dataset(name))
        if review.state == pb.Review.OPEN and wanted.version in (
            None,
            int(review.dataset.rpartition("@")[2]),
        ):
            return session.client.reviews.get(review.name)
    session.output.note("Looking for the rows that are worth it most; this takes seconds to minutes …")
    return session.client.reviews.create(name)


@app.command("create")
@command
def create(
    session: Session,
    *,
    dataset: Annotated[str, typer.Argument(help="The dataset: ID, ID@VERSION, or its full name.")],
    review_id: Annotated[str, typer.Option(help="The review's ID; made by the trainer if left out.")] = "",
    order: Annotated[
        str, typer.Option(help="combined, label_noise, judge_disagreement or low_margin.")
    ] = "combined",
    limit: Annotated[int, typer.Option(min=0, help="The most rows; 0 for 1000.")] = 0,
    blind: Annotated[bool, typer.Option("--blind", help="Hide the labels that the rows have.")] = False,
    reviewers: Annotated[int, typer.Option(help="How many people label each row: 1 or 2.")] = 1,
    judge_column: Annotated[str, typer.Option(help="The column with a judge's labels.")] = "",
    include_reviewed: Annotated[
        bool, typer.Option("--include-reviewed", help="Ask also about rows that were settled before.")
    ] = False,
) -> None:
    """Order the rows of a dataset for review, those first where it helps most."""
    review = session.client.reviews.create(
        dataset,
        review_id=review_id,
        order=order,
        limit=limit,
        blind=blind,
        reviewers_per_row=reviewers,
        judge_column=judge_column,
        include_reviewed=include_reviewed,
    )
    session.output.done(
        review,
        f"{review.name} has {review.item_count} rows. Next: gnomon review {view.short(review.name)}",
    )


@app.command("list")
@command
def list_(
    session: Session,
    *,
    dataset: Annotated[str | None, typer.Argument(help="Only the reviews of this dataset.")] = None,
) -> None:
    """List reviews, newest first."""
    nothing = "There are no reviews yet. Make one: gnomon review DATASET"
    session.output.show_list(session.client.reviews.list(dataset), _COLUMNS, nothing)


@app.command("get")
@command
def get(session: Session, *, review: Name) -> None:
    """Show a review: how far it is, who did what, and how well reviewers agree."""
    session.output.show(session.client.reviews.get(review), _details)


def _details(review: pb.Review) -> RenderableType:
    lines: list[RenderableType] = [view.details(review, without=("agreements", "reviewers", "classes"))]
    if review.reviewers:
        people: Columns[pb.Review.Reviewer] = {
            "reviewer": lambda person: person.reviewer,
            "labelled": lambda person: person.labelled_count,
            "unsure": lambda person: person.unsure_count,
            "skipped": lambda person: person.skipped_count,
        }
        lines.append(table(review.reviewers, people))
    for pair in review.agreements:
        kappa = view.measure(pair.kappa) if pair.HasField("kappa") else "not defined"
        lines.append(
            Text(
                f"{pair.first_reviewer} and {pair.second_reviewer} on {pair.row_count} rows: "
                f"agreement {view.measure(pair.agreement)}, kappa {kappa}"
            )
        )
    return Group(*lines)


@app.command("next")
@command
def next_(
    session: Session,
    *,
    review: Name,
    reviewer: Reviewer,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many rows.")] = 1,
) -> None:
    """Show the next rows for you."""
    answer = session.client.reviews.next_items(review, reviewer, count)
    session.output.show(answer, _queue)


def _queue(answer: pb.NextReviewItemsResponse) -> RenderableType:
    if not answer.items:
        return Text("Nothing is left for you.")
    return Group(table(answer.items, _ITEMS), Text(f"{answer.left_count} left, these included."))


@app.command("decide")
@command
def decide(
    session: Session,
    *,
    review: Name,
    row: Row,
    label: Label = None,
    reviewer: Reviewer,
    unsure: Annotated[bool, typer.Option("--unsure", help="It cannot be decided.")] = False,
    skip: Annotated[bool, typer.Option("--skip", help="Leave it to others.")] = False,
) -> None:
    """Say what the label of a row is."""
    answer = _answer(label, unsure=unsure, skip=skip)
    decision = session.client.reviews.decide(review, row, reviewer=reviewer, label=label or "", answer=answer)
    session.output.done(decision, f"Row {row}: {label or answer}.")


def _answer(label: str | None, *, unsure: bool, skip: bool = False) -> str:
    given = [word for word, is_given in (("label", label), ("unsure", unsure), ("skip", skip)) if is_given]
    if len(given) != 1:
        raise typer.BadParameter("give a label, or one of the options that stand for none")
    return given[0]


@app.command("undo")
@command
def undo(
    session: Session,
    *,
    review: Name,
    row: Annotated[int, typer.Argument(min=0, help="The row; 0 for the newest decision.")] = 0,
    reviewer: Reviewer,
) -> None:
    """Take a decision back: the newest one, or that of a row."""
    taken = session.client.reviews.undo(review, reviewer=reviewer, row=row)
    session.output.done(taken, f"Row {taken.decision.row} is open again.")


@app.command("disagreements")
@command
def disagreements(session: Session, *, review: Name, reviewer: Reviewer) -> None:
    """List rows that two people answered differently, and that you can settle."""
    found = session.client.reviews.disagreements(review, adjudicator=reviewer)
    session.output.show_list(found, _DISAGREEMENTS, "There is no disagreement that you can settle.")


@app.command("settle")
@command
def settle(
    session: Session,
    *,
    review: Name,
    row: Row,
    label: Label = None,
    reviewer: Reviewer,
    unsure: Annotated[bool, typer.Option("--unsure", help="It cannot be decided.")] = False,
) -> None:
    """Settle a row that two other people answered differently."""
    answer = _answer(label, unsure=unsure)
    decision = session.client.reviews.adjudicate(
        review, row, adjudicator=reviewer, label=label or "", answer=answer
    )
    session.output.done(decision, f"Row {row}: {label or answer}.")


@app.command("apply")
@command
def apply(session: Session, *, review: Name) -> None:
    """Make the next version of the dataset by what was settled, and end the review."""
    answer = session.client.reviews.apply(review)
    session.output.done(answer, _applied(answer))


def _applied(answer: pb.ApplyReviewResponse) -> str:
    made, review = answer.dataset, answer.review
    left = review.disagreement_count + review.unsure_count + review.open_count
    return (
        f"Made {made.name}@{made.version}: {review.corrected_count} labels corrected, "
        f"{review.settled_count - review.corrected_count} confirmed; {left} rows of the review stay as they "
        f"were ({review.disagreement_count} in disagreement, {review.unsure_count} unsure, "
        f"{review.open_count} not answered)."
    )
