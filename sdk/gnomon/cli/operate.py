"""`gnomon db`, `backup`, `restore`, `gc`: what an operator does to the data of this machine's services."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gnomon import local, places
from gnomon.cli.backup_folders import BACKUP, filled_or_left
from gnomon.cli.session import Session, local_command
from gnomon.errors import ArtifactCorruptError, GnomonError, InvalidRequestError
from gnomon.text_files import parsed

db = typer.Typer(name="db", help="The databases of registry and trainer.", no_args_is_help=True)

_Home = Annotated[
    Path | None,
    typer.Option(
        help="The folder of a `gnomon up`. Without it, GNOMON_REGISTRY_… and GNOMON_TRAINER_… say where the "
        "data are, as they do for the services, and where they say nothing, GNOMON_HOME."
    ),
]
_Service = Annotated[
    list[str] | None,
    typer.Option("--service", help="The registry alone, or the trainer alone. Both by default."),
]
_DAY_S = 86_400.0
_HOUR_S = 3600.0
_SHOWN = 10
_SERVICES = ("registry", "trainer")  # those with data of their own


@db.callback()
def _group() -> None:
    pass  # keeps `upgrade` a command of its own while there is no other


@db.command("upgrade")
@local_command
def upgrade(
    session: Session,
    *,
    registry_url: Annotated[str | None, typer.Option(help="The registry's database.")] = None,
    trainer_url: Annotated[str | None, typer.Option(help="The trainer's database.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    services: _Service = None,
    home: _Home = None,
) -> None:
    """Bring the databases of registry and trainer to this release's schema.

    With one URL given, only that one. Services do so at their start, unless
    GNOMON_…_MIGRATE_ON_START is false.
    """
    urls = {"registry": registry_url, "trainer": trainer_url}
    given = [name for name, url in urls.items() if url]
    action = ["upgrade", *(["--dry-run"] if dry_run else [])]
    done = []
    for service in given or _chosen(services, home):
        url = urls[service]
        if url:
            done.append(local.operate(service, action, {f"GNOMON_{service.upper()}_DATABASE_URL": url}))
        else:
            done.append(_operate(session, service, action, home))
    session.output.show_list(
        done,
        {
            "database of": lambda each: each["service"],
            "at": lambda each: each["database"],
            "from": lambda each: each["from"] or "(empty)",
            "to": lambda each: each["to"],
            "": _upgraded,
        },
        "",
    )


def _upgraded(each: Mapping[str, Any]) -> str:
    if each["from"] == each["to"]:
        return "up to date"
    return "to be upgraded" if each["dry_run"] else "upgraded"


@local_command
def backup(
    session: Session,
    *,
    folder: Annotated[Path, typer.Argument(help="Where to write it; a new or an empty folder.")],
    services: _Service = None,
    home: _Home = None,
) -> None:
    """Copy databases, artifacts and rows of datasets into a folder, while the services run.

    Keys of providers stay sealed: keep the master key elsewhere, as without it they are lost.
    """
    chosen = _chosen(services, home)
    folder = folder.expanduser().absolute()
    with filled_or_left(folder, chosen) as about:
        # The trainer first: what its runs registered is then in the registry's copy.
        done = {
            service: _operate(session, service, ["backup", str(folder / service)], home)
            for service in reversed(chosen)
        }
        about |= {"format": 1, **{service: done[service] for service in chosen}}
    if missing := done.get("trainer", {}).get("runs_without_files"):
        session.output.note(
            f"The files of {len(missing)} runs are not on this machine and not in the backup: their rows "
            "cannot be compared any more. Their registered versions are in it."
        )
    size = _megabytes(sum(each["size_bytes"] for each in done.values()))
    session.output.done(
        about, f"{folder} holds {_held(about)}, {size}. Everything was checked by its digest."
    )


def _held(done: Mapping[str, Any]) -> str:
    counts = []
    if "registry" in done:
        counts.append(f"{done['registry']['versions']} metric versions")
    if "trainer" in done:
        counts.append(f"{done['trainer']['datasets']} versions of datasets")
    return " and ".join(counts)


@local_command
def restore(
    session: Session,
    *,
    folder: Annotated[Path, typer.Argument(help="A folder that `gnomon backup` wrote.")],
    services: _Service = None,
    home: _Home = None,
) -> None:
    """Bring back a backup into empty databases, before the services are started.

    It overwrites nothing, and is checked as a whole before anything is written. Files in the
    folder that are not of the backup are named and left.
    The databases may be others than those that the backup was taken of: a SQLite
    file becomes a PostgreSQL database so. A backup of one service is restored alone.
    """
    folder = folder.expanduser().absolute()
    held = _services_in(folder)
    chosen = _chosen(services or ([*held] if len(held) < len(_SERVICES) else None), home)
    if absent := [service for service in chosen if service not in held]:
        raise InvalidRequestError(
            f"{folder} is no backup of the {absent[0]}, but of the {next(iter(held))} alone."
        )
    is_whole = len(chosen) > 1  # else a restore's own check says all, before it writes
    if is_whole:
        for service in chosen:
            found = _operate(session, service, ["check", str(folder / service)], home)
            _check_is_of(folder, service, held[service], found)
    done: dict[str, Any] = {}
    for service in chosen:
        try:
            done[service] = _operate(
                session, service, ["restore", str(folder / service)], home, is_told=is_whole
            )
        except GnomonError:
            if done:
                session.output.note(f"The registry is restored. Go on with `--service {service}`.")
            raise
    if rest := _not_of_it(folder, held, done):
        session.output.note(
            f"Not of this backup, and left where they are: {', '.join(rest[:_SHOWN])}"
            f"{' and others' if len(rest) > _SHOWN else ''}."
        )
    session.output.done(done, f"Restored: {_held(done)}.")


def _check_is_of(folder: Path, service: str, told: object, found: Mapping[str, Any]) -> None:
    """Refuse halves of two backups: each would be whole, and the trainer's runs name others' versions."""
    if not isinstance(told, dict) or not told.items() <= found.items():
        raise ArtifactCorruptError(
            f"{folder / service} is of another backup than {BACKUP} of {folder} says. Nothing was restored. "
            "Take another backup; or, if you do want just these halves, restore each alone, with --service.",
            resource=str(folder),
            path=service,
        )


def _not_of_it(folder: Path, held: Mapping[str, Any], done: Mapping[str, Any]) -> list[str]:
    """Return what a folder holds beside its backup: nobody reads it, and who mixed two wants to know."""
    beside = sorted(path.name for path in folder.iterdir() if path.name not in {BACKUP, *held})
    return beside + [f"{service}/{name}" for service in done for name in done[service]["unlisted"]]


def _services_in(folder: Path) -> dict[str, Any]:
    """Return what the backup says of each service that it is of."""
    try:
        about = parsed((folder / BACKUP).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _no_backup(folder, "is no backup, or one that was not finished") from error
    except ValueError as error:
        raise _no_backup(folder, f"is damaged: its {BACKUP} is not JSON") from error
    held = {name: about[name] for name in _SERVICES if isinstance(about, dict) and name in about}
    if not held:
        raise _no_backup(folder, f"is damaged: its {BACKUP} names no service")
    return held


def _no_backup(folder: Path, problem: str) -> ArtifactCorruptError:
    return ArtifactCorruptError(
        f"{folder} {problem}. Nothing was restored.", resource=str(folder), path=BACKUP
    )


@local_command
def collect_garbage(
    session: Session,
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Remove it; else it is only told.")] = False,
    min_age_hours: Annotated[
        float, typer.Option(min=1.0, help="Leave what was stored in the last hours: it may be used soon.")
    ] = 24.0,
    retention_days: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Keep the files of what was deleted in the last days: as long, a version can be undeleted.",
        ),
    ] = 30.0,
    empty_catalog: Annotated[
        bool,
        typer.Option(
            "--empty-catalog",
            help="Go on although a database names nothing at all, so that all that is stored goes. It is "
            "refused else, as it is most often the wrong database.",
        ),
    ] = False,
    services: _Service = None,
    home: _Home = None,
) -> None:
    """Find artifacts, rows and work folders that nothing needs any more; with --delete, remove them.

    The services may run, and publish: see the decision on storage.
    """
    ages = ["--min-age-s", str(min_age_hours * _HOUR_S), "--retention-s", str(retention_days * _DAY_S)]
    flags = {"--delete": delete, "--empty-catalog": empty_catalog}
    action = ["collect", *ages, *(flag for flag, is_set in flags.items() if is_set)]
    done = [_operate(session, service, action, home) for service in _chosen(services, home)]
    session.output.show_list(
        done,
        {
            "of": lambda each: each["service"],
            "files and folders": lambda each: each["file_count"],
            "size": lambda each: _megabytes(each["size_bytes"]),
            "": lambda each: "removed" if each["deleted"] else "not needed",
        },
        "",
    )
    if not delete and any(each["file_count"] for each in done):
        session.output.note("Nothing was removed. Add --delete to remove it.")


def _operate(
    session: Session, service: str, action: list[str], home: Path | None, *, is_told: bool = False
) -> dict[str, Any]:
    place = places.of(service, home)
    if not is_told:
        session.output.note(place.said)  # before anything is done: there may be several deployments here
    done: dict[str, Any] = local.operate(service, action, place.variables)
    return done


def _chosen(services: Sequence[str] | None, home: Path | None) -> Sequence[str]:
    """Return whose data are meant.

    Raises:
        InvalidRequestError: there is none of that name; or none is named, and variables say where one
            service's data are and not the other's, as in an image: a guess would make a database there.
    """
    if services:
        if unknown := [name for name in services if name not in _SERVICES]:
            raise InvalidRequestError(f"{unknown[0]} has no data to keep: say registry or trainer.")
        return [service for service in _SERVICES if service in services]
    described = [service for service in _SERVICES if places.named(service, os.environ)]
    if home is None and len(described) == 1:
        [other] = {*_SERVICES} - {*described}
        raise InvalidRequestError(
            f"Variables say where the {described[0]}'s data are, and not where the {other}'s are. Name the "
            f"one that you mean, with --service {described[0]}; or set {places.variables(other)[0]}, too."
        )
    return _SERVICES


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:,.1f} MB"
