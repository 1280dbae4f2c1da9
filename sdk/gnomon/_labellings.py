"""From a user's words about labellings to messages, and how far one is. Pure."""

from gnomon import shorthand
from gnomon.errors import CancelledError, GnomonError, InternalError
from gnomon.status import from_status
from gnomon.v1 import labellings_pb2 as pb


def labelling_message(
    purpose: pb.Labelling.Purpose,
    dataset: str,
    *,
    provider: str,
    judge_prompt: str,
    votes: int,
    budget: pb.JudgeBudget | None,
    canary_count: int | None,
    examples: str | None,
    example_count: int,
    seed: int,
    target_dataset_id: str = "",
) -> pb.Labelling:
    """Return the message of what a judge is to do."""
    return pb.Labelling(
        purpose=purpose,
        dataset=shorthand.dataset(dataset),
        provider=shorthand.provider(provider),
        judge_prompt=judge_prompt,
        votes=votes,
        budget=budget,
        canary_count=canary_count,
        examples_dataset=shorthand.dataset(examples) if examples else "",
        example_count=example_count,
        seed=seed,
        target_dataset_id=target_dataset_id,
    )


def has_ended(labelling: pb.Labelling) -> bool:
    """Tell whether nothing more happens to a labelling unless someone asks for it."""
    return labelling.state in (pb.Labelling.LABELLED, pb.Labelling.FAILED, pb.Labelling.CANCELLED)


def error_of(labelling: pb.Labelling) -> GnomonError | None:
    """Return why a labelling stopped; None if it is over or goes on."""
    if not has_ended(labelling) or labelling.state == pb.Labelling.LABELLED:
        return None
    if labelling.HasField("error"):
        return from_status(labelling.error)
    if labelling.state == pb.Labelling.CANCELLED:
        return CancelledError(f"{labelling.name} was cancelled. It can be resumed.", resource=labelling.name)
    return InternalError(f"{labelling.name} failed.")
