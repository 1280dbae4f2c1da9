"""`gnomon judge`: have a provider's model label by a metric's judge prompt."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from gnomon.cli import judge_labellings, problems
from gnomon.cli.output import grid
from gnomon.cli.score import read_instance
from gnomon.cli.session import Session, command
from gnomon.convert import instance_to_proto
from gnomon.instances import text_span
from gnomon.v1 import trainer_service_pb2 as trainer

app = typer.Typer(
    name="judge", help="A judge is an LLM that labels by a metric's judge prompt.", no_args_is_help=True
)


@app.command("try")
@command
def try_(
    session: Session,
    *,
    metric: Annotated[str, typer.Argument(help="The metric, which needs a judge prompt.")],
    provider: Annotated[str, typer.Option(help="The provider whose model judges.")],
    input_text: Annotated[str | None, typer.Option("--input", help="What went in.")] = None,
    output_text: Annotated[str | None, typer.Option("--output", help="What came out.")] = None,
    document: Annotated[list[str] | None, typer.Option(help="A document of the context; repeat it.")] = None,
    instance: Annotated[
        Path | None, typer.Option(help="A JSON file with a span, a trace, a session or a chat's messages.")
    ] = None,
    votes: Annotated[int, typer.Option(min=1, max=15, help="How often it is judged.")] = 1,
    max_tokens: Annotated[int, typer.Option(min=0, help="The most tokens to spend; 0 for no limit.")] = 0,
) -> None:
    """Have one instance judged, and see label, explanation and soft label."""
    texts = input_text is not None or output_text is not None or bool(document)
    if texts == (instance is not None):
        raise typer.BadParameter("give either --input/--output/--document or --instance")
    span = text_span(input=input_text, output=output_text, documents=tuple(document or ()))
    given = read_instance(instance) if instance else instance_to_proto(span)
    budget = trainer.JudgeInstancesRequest.Budget(max_tokens=max_tokens)
    judged = session.client.judges.judge(metric, [given], provider=provider, votes=votes, budget=budget)
    session.output.show(judged, _shown)
    if judged.results[0].HasField("error"):
        raise typer.Exit(problems.FAILED)


for _name, _command in judge_labellings.COMMANDS.items():
    app.command(_name)(_command)


def _shown(judged: trainer.JudgeInstancesResponse) -> RenderableType:
    result = judged.results[0]
    spent = Text(f"{judged.input_tokens} input and {judged.output_tokens} output tokens", style="dim")
    if result.HasField("error"):
        return Group(Text(f"error: {result.error.message}"), spent)
    judgement = result.judgement
    tokens = judgement.source == trainer.Judgement.TOKEN_PROBABILITIES
    source = "probabilities of its tokens" if tokens else f"shares of {judgement.votes} votes"
    bars = [(each.label, f"{each.share:6.3f}  {'█' * round(each.share * 40)}") for each in judgement.classes]
    head = Text.assemble((judgement.label, "bold"), f"  {judgement.explanation}")
    return Group(head, grid(bars), Text(source, style="dim"), spent)
