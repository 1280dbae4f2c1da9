"""`gnomon`: the entry point and the tree of commands."""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from gnomon.cli import (
    aliases,
    audit,
    base_models,
    datasets,
    demo,
    doctor,
    feedback,
    generate,
    health,
    judge,
    keys,
    metrics,
    operate,
    problems,
    projects,
    providers,
    recipes,
    review,
    runs,
    score,
    score_file,
    status,
    traffic,
    up,
    versions,
    webhooks,
)

# Every error in a command line derives from this one; it has moved between releases of typer.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="gnomon",
    help="Train small calibrated evaluators from labelled examples, register them, and score with them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gnomon {version('gnomon')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("up", rich_help_panel="Run")(up.up)
app.command("demo", rich_help_panel="Run")(demo.demo)
app.command("status", rich_help_panel="Run")(status.status)
app.command("doctor", rich_help_panel="Run")(doctor.doctor)
app.command("health", rich_help_panel="Run")(health.health)
app.command("score", rich_help_panel="Use")(score.score)
app.command("score-file", rich_help_panel="Use")(score_file.score_file)
app.command("backup", rich_help_panel="Operate")(operate.backup)
app.command("restore", rich_help_panel="Operate")(operate.restore)
app.command("gc", rich_help_panel="Operate")(operate.collect_garbage)
app.add_typer(operate.db, rich_help_panel="Operate")
for _group in (
    projects,
    metrics,
    datasets,
    review,
    traffic,
    recipes,
    base_models,
    providers,
    judge,
    generate,
    runs,
    versions,
    aliases,
    webhooks,
    feedback,
    keys,
    audit,
):
    app.add_typer(_group.app, rich_help_panel="Use")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not problems.can_answer():
        return problems.FAILED
    try:
        return _run(words)
    except BrokenPipeError:  # `gnomon … | head`: whoever reads has seen enough
        problems.drop_answer()
        return problems.FAILED
    except OSError as error:  # of the answer: a command's session tells those of files
        return problems.answer_lost(error)
    except Exception as error:
        return problems.defect(error, "--json" in words)


def _run(words: list[str]) -> int:
    try:
        return app(words, prog_name="gnomon", standalone_mode=False) or 0
    except _UsageError as error:
        return _usage(error, words)
    except (KeyboardInterrupt, typer.Abort):
        return problems.INTERRUPTED


def _usage(error: Exception, words: list[str]) -> int:
    context = getattr(error, "ctx", None)
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    if type(error).__name__ == "NoArgsIsHelpError":  # `gnomon runs`: its help is the message
        sys.stderr.write(message + "\n")
        return problems.USAGE
    hint = f" See `{context.command_path} --help`." if context else ""
    return problems.usage(f"{message.rstrip('.')}.{hint}", "--json" in words)
