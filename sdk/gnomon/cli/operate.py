"""`gnomon db`, `backup`, `restore`, `gc`: what an operator does to the data of this machine's services."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gnomon.cli.session import Session, local_command
from gnomon.errors import ArtifactCorruptError, ResourceInUseError

db = typer.Typer(name="db", help="The databases of registry and trainer.", no_args_is_help=True)

_Home = Annotated[
    Path | None,
    typer.Option(
        help="The folder of a `gnomon up`. Without it, GNOMON_REGISTRY_… and GNOMON_TRAINER_… say where the "
        "data are, as they do for the services."
    ),
]
_DAY_S = 86_400.0
_HOUR_S = 3600.0
_BACKUP = "backup.json"
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
    home: _Home = None,
) -> None:
    """Bring the databases of registry and trainer to this release's schema.

    With one URL given, only that one. Services do so at their start, unless
    GNOMON_…_MIGRATE_ON_START is false.
    """
    urls = {"registry": registry_url, "trainer": trainer_url}
    chosen = [name for name, url in urls.items() if url] or _SERVICES
    action = ["upgrade", *(["--dry-run"] if dry_run else [])]
    done = []
    for service in chosen:
        url = urls[service]
        variables = {f"GNOMON_{service.upper()}_DATABASE_URL": url} if url else {}
        done.append(_operate(service, action, home, variables))
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
    home: _Home = None,
) -> None:
    """Copy databases, artifacts and rows of datasets into a folder, while the services run.

    Keys of providers stay sealed: keep the master key elsewhere, as without it they are lost.
    """
    folder = _empty(folder)
    # The trainer first: what its runs registered is then in the registry's copy.
    trainer = _operate("trainer", ["backup", str(folder / "trainer")], home)
    registry = _operate("registry", ["backup", str(folder / "registry")], home)
    about = {"format": 1, "registry": registry, "trainer": trainer}
    part = folder / f"{_BACKUP}.part"
    part.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    part.replace(folder / _BACKUP)
    if missing := trainer["runs_without_files"]:
        session.output.note(
            f"The files of {len(missing)} runs are not on this machine and not in the backup: their rows "
            "cannot be compared any more. Their registered versions are in it."
        )
    size = _megabytes(registry["size_bytes"] + trainer["size_bytes"])
    session.output.done(
        about,
        f"{folder} holds {registry['versions']} metric versions and {trainer['datasets']} versions of "
        f"datasets, {size}. Everything was checked by its digest.",
    )


@local_command
def restore(
    session: Session,
    *,
    folder: Annotated[Path, typer.Argument(help="A folder that `gnomon backup` wrote.")],
    home: _Home = None,
) -> None:
    """Bring back a backup into empty databases, before the services are started.

    It overwrites nothing, and is checked as a whole before anything is written.
    The databases may be others than those that the backup was taken of: a SQLite
    file becomes a PostgreSQL database so.
    """
    folder = folder.expanduser().absolute()
    if not (folder / _BACKUP).is_file():
        raise ArtifactCorruptError(
            f"{folder} is no backup, or one that was not finished.", resource=str(folder), path=_BACKUP
        )
    done = [_operate(service, ["restore", str(folder / service)], home) for service in _SERVICES]
    session.output.done(
        {each["service"]: each for each in done},
        f"{done[0]['versions']} metric versions and {done[1]['datasets']} versions of datasets are restored.",
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
    home: _Home = None,
) -> None:
    """Find artifacts, rows and work folders that nothing needs any more; with --delete, remove them.

    The services may run, and publish: see the decision on storage.
    """
    ages = ["--min-age-s", str(min_age_hours * _HOUR_S), "--retention-s", str(retention_days * _DAY_S)]
    action = ["collect", *ages, *(["--delete"] if delete else [])]
    done = [_operate(service, action, home) for service in _SERVICES]
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
    service: str, action: list[str], home: Path | None, variables: Mapping[str, str] | None = None
) -> dict[str, Any]:
    from gnomon import local

    given = home or (Path(os.environ["GNOMON_HOME"]) if os.environ.get("GNOMON_HOME") else None)
    done: dict[str, Any] = local.operate(service, action, given, variables or {})
    return done


def _empty(folder: Path) -> Path:
    folder = folder.expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ResourceInUseError(
            f"{folder} is not empty. Name a new folder.", resource=str(folder), used_by="what it holds"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:,.1f} MB"
