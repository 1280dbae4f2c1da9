"""`gnomon audit`: who changed what, and the proof that nobody changed the log of it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from gnomon._files import NewFile
from gnomon.audit import AuditEntry, Head, Verdict, verify, written_time
from gnomon.audit_files import entries_in, line_of, plain, read_heads, write_heads
from gnomon.cli import problems
from gnomon.cli.output import Columns, grid, table
from gnomon.cli.session import Session, command
from gnomon.errors import InvalidRequestError, ResourceInUseError
from gnomon.text_files import opened

app = typer.Typer(
    name="audit",
    help="The logs of who changed what, of the registry and of the trainer.",
    no_args_is_help=True,
)

SERVICES = ("registry", "trainer")
_ZONELESS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
_TIMES = [*_ZONELESS, "%Y-%m-%dT%H:%M:%S%z"]

Service = Annotated[str | None, typer.Option("--service", help="registry or trainer; both if not given.")]
Since = Annotated[
    datetime | None,
    typer.Option("--from", formats=_TIMES, help="Only from this time on; UTC if it names no zone."),
]
Until = Annotated[
    datetime | None, typer.Option("--until", formats=_TIMES, help="Only before this time; UTC likewise.")
]
CallerOption = Annotated[str, typer.Option("--caller", help="Only of this caller: apiKeys/{id}, or local.")]
MethodOption = Annotated[str, typer.Option("--method", help="Only of this method, such as SetAlias.")]
ResourceOption = Annotated[
    str, typer.Option("--resource", help="Only about names that begin so, such as metrics/toxicity.")
]


@app.command("list")
@command
def list_(
    session: Session,
    *,
    service: Service = None,
    since: Since = None,
    until: Until = None,
    caller: CallerOption = "",
    method: MethodOption = "",
    resource: ResourceOption = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many entries of a service.")] = 100,
) -> None:
    """List the newest entries first."""
    filters = {
        "start": _in_utc(since),
        "end": _in_utc(until),
        "caller": caller,
        "method": method,
        "resource_prefix": resource,
    }
    found = [(name, entry) for name in _named(service) for entry in _newest(session, name, limit, filters)]
    if session.output.as_json:
        session.output.json([{"service": name} | plain(entry) for name, entry in found])
    elif found:
        session.output.answer.print(table(found, _COLUMNS))
    else:
        session.output.note("No entry matches.")


def _newest(session: Session, service: str, limit: int, filters: dict[str, Any]) -> Iterator[AuditEntry]:
    entries = session.client.audit.list(service, newest_first=True, **filters)
    for _, entry in zip(range(limit), entries, strict=False):
        yield entry


@app.command("verify")
@command
def verify_(
    session: Session,
    *,
    service: Service = None,
    expect: Annotated[
        str | None, typer.Option(help="A head that was noted earlier, NUMBER:HASH; wants --service.")
    ] = None,
    since: Annotated[
        Path | None, typer.Option("--since", help="A file of heads that --note wrote earlier.")
    ] = None,
    note: Annotated[
        Path | None, typer.Option(help="Write the heads to this file, if all is well. Keep it elsewhere.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Verify what `gnomon audit export` wrote, without any service.")
    ] = None,
) -> None:
    """Read the logs whole, compute their chains anew, and tell the first entry that is not as it was."""
    if (expect or file) and service is None:
        raise typer.BadParameter("--expect and --file want --service: registry or trainer")
    noted = _noted(expect, since, service)
    if since is not None:
        _check_notes(since, noted, _named(service))
    verdicts = {
        name: _verdict_of_file(file, noted.get(name))
        if file
        else session.client.audit.verify(name, noted.get(name))
        for name in _named(service)
    }
    is_whole = not any(verdict.problem for verdict in verdicts.values())
    if is_whole and note is not None:  # before the answer, which else was not the only one
        write_heads(note, {**noted, **{name: verdict.head for name, verdict in verdicts.items()}})
    session.output.show(
        {name: _plain_verdict(verdict, noted.get(name)) for name, verdict in verdicts.items()},
        _shown(verdicts, noted),
    )
    if not is_whole:
        raise typer.Exit(problems.FAILED)


def _noted(expect: str | None, since: Path | None, service: str | None) -> dict[str, Head]:
    noted: dict[str, Head] = {}
    if since is not None:
        with opened(since) as file:
            noted = read_heads(file, str(since))
    if expect is not None and service is not None:
        try:
            noted[service] = Head.parse(expect)
        except ValueError as error:
            raise typer.BadParameter(f"--expect: {error}") from error
    return noted


def _check_notes(since: Path, noted: dict[str, Head], services: tuple[str, ...]) -> None:
    """Refuse heads of others: nothing would be compared, and the log be called whole all the same."""
    if lacking := [service for service in services if service not in noted]:
        raise InvalidRequestError(
            f"{since} notes no head of the {lacking[0]}, but of {', '.join(sorted(noted)) or 'nobody'}. "
            "Give a file that does, or name what it notes with --service."
        )


def _verdict_of_file(path: Path, noted: Head | None) -> Verdict:
    with opened(path) as file:
        verdict = verify(entries_in(file, str(path)), noted)
    if noted is None and verdict.count == 0 and verdict.problem is None:
        raise InvalidRequestError(
            f"{path} has no entry, so that nothing can be verified: it may have been cut off. If the log was "
            f"empty when it was exported, say so with --expect {Head()}."
        )
    return verdict


@app.command("export")
@command
def export(
    session: Session,
    *,
    service: Annotated[str, typer.Argument(help="registry or trainer.")],
    out: Annotated[Path | None, typer.Argument(help="Where to write; standard output if not given.")] = None,
) -> None:
    """Write a log whole, oldest entry first, as lines of JSON that `verify --file` reads.

    A file is there once all is in it, and not before. Note the head that is told:
    only with it can `verify --file --expect` tell a file whose end is missing.
    """
    (name,) = _named(service)
    count, head = 0, Head()
    with _opened(out) as write:
        for entry in session.client.audit.list(name):
            write(line_of(entry))
            count, head = count + 1, Head(entry.number, entry.hash)
    if out is None:
        session.output.note(f"Wrote {count} entries; head {head}.")
        return
    session.output.done(
        {"service": name, "count": count, "head": str(head), "file": str(out)},
        f"Wrote {count} entries to {out}; head {head}.",
    )


@contextmanager
def _opened(out: Path | None) -> Iterator[Callable[[str], object]]:
    if out is None:
        yield sys.stdout.write
        return
    _check_is_new(out)
    file = NewFile(out)
    try:
        yield lambda line: file.write(line.encode())
        _check_is_new(out)  # again: another export may have been quicker
        file.publish()
    finally:
        file.discard()


def _check_is_new(out: Path) -> None:
    if out.exists():
        raise ResourceInUseError(
            f"{out} exists already, and an export overwrites no archive. Name another file.",
            resource=str(out),
            used_by="what it holds",
        )


def _named(service: str | None) -> tuple[str, ...]:
    if service is None:
        return SERVICES
    if service not in SERVICES:
        raise typer.BadParameter(f"there are the services {' and '.join(SERVICES)}")
    return (service,)


def _in_utc(time: datetime | None) -> datetime | None:
    return time if time is None or time.tzinfo else time.replace(tzinfo=UTC)


_COLUMNS: Columns[tuple[str, AuditEntry]] = {
    "service": lambda row: row[0],
    "number": lambda row: row[1].number,
    "time": lambda row: written_time(row[1].record.time),
    "caller": lambda row: row[1].record.caller,
    "project": lambda row: row[1].record.project,
    "method": lambda row: row[1].record.method.rpartition("/")[2],
    "resource": lambda row: row[1].record.resource,
    "outcome": lambda row: _outcome(row[1]),
}


def _outcome(entry: AuditEntry) -> str:
    record = entry.record
    if not record.outcome:
        return "begins"
    times = f" ×{record.count}" if record.count > 1 else ""
    of = f" of {record.begun}" if record.begun else ""
    return f"{record.outcome}{f' {record.reason}' if record.reason else ''}{times}{of}"


def _plain_verdict(verdict: Verdict, noted: Head | None) -> dict[str, Any]:
    problem = verdict.problem
    return {
        "count": verdict.count,
        "head": str(verdict.head),
        "noted": noted and str(noted),
        "unfinished": list(verdict.unfinished),
        "problem": problem and {"number": problem.number, "description": problem.description},
    }


def _shown(verdicts: dict[str, Verdict], noted: dict[str, Head]) -> Any:
    def human(_: Any) -> RenderableType:
        return grid([(name, _sentence(verdict, noted.get(name))) for name, verdict in verdicts.items()])

    return human


def _sentence(verdict: Verdict, noted: Head | None) -> Text:
    if verdict.problem is not None:
        text = f"entry {verdict.problem.number} {verdict.problem.description}. Whole up to {verdict.head}"
        return Text(text, style="red")
    open_calls = f"; {len(verdict.unfinished)} calls have no outcome" if verdict.unfinished else ""
    blind = "" if noted else "; without a noted head nothing tells whether the end is missing"
    return Text(f"{verdict.count} entries, whole; head {verdict.head}{open_calls}{blind}")
