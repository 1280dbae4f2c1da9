"""A real PostgreSQL server for tests, in a temporary folder, run by a user who is not root."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg

_SETTINGS = {
    "fsync": "off",  # commits still survive an immediate restart: that loses nothing of the page cache
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs: PG_BIN, Debian's newest, or what is on the PATH."""
    on_path = shutil.which("initdb")
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True
    )
    places = [os.environ.get("PG_BIN"), *installed, Path(on_path).parent if on_path else None]
    return next((Path(p) for p in places if p and (Path(p) / "initdb").exists()), None)


class PostgresServer:
    """One server on a port of its own. Databases are copies of templates, which are made once."""

    def __init__(self, programs: Path, **settings: str) -> None:
        self._programs = programs
        self._settings = _SETTINGS | settings
        self._user = _unprivileged()
        self._folder = Path(tempfile.mkdtemp(prefix="gnomon-pg-"))
        if self._user:
            shutil.chown(self._folder, self._user)
        self._port = _free_port()
        self._templates: set[str] = set()
        self._count = 0

    def start(self) -> None:
        # A locale whose order is not that of bytes, as most servers have one.
        self._run("initdb", "-U", "gnomon", "-A", "trust", "-E", "UTF8", "--no-sync", *_locale())
        lines = [f"{name} = {value}" for name, value in self._settings.items()]
        lines += [f"port = {self._port}", f"unix_socket_directories = '{self._folder}'"]
        with (self._folder / "data/postgresql.conf").open("a") as file:
            file.write("\n".join([*lines, ""]))
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def restart(self) -> None:
        """As after a crash of the server: every connection is cut, whatever it was at."""
        self._run("pg_ctl", "-w", "-m", "immediate", "-l", str(self._folder / "log"), "restart")

    def pause(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def resume(self) -> None:
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "start")

    def become_standby(self) -> None:
        """Answer, and follow a primary that never comes. Needs `wal_level` to be `replica`."""
        self._run("pg_ctl", "-w", "-m", "fast", "stop")  # in order: what it holds is there to be read at once
        signal = self._folder / "data/standby.signal"
        signal.touch()
        if self._user:
            shutil.chown(signal, self._user)
        self.resume()

    def promote(self) -> None:
        self._run("pg_ctl", "-w", "promote")

    def database(self, template: str = "", fill: Callable[[str], None] | None = None) -> str:
        """Make a database; return its URL. `fill` makes a template by its URL, the first time."""
        if fill is not None and template not in self._templates:
            self.execute(f'CREATE DATABASE "{template}"')
            fill(self.url(template))
            self._templates.add(template)
        self._count += 1
        name = f"test_{self._count}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template0"}" STRATEGY file_copy')
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database: a test's would otherwise stay on the disk until all tests are over."""
        self.execute(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    def url(self, name: str, user: str = "gnomon") -> str:
        return f"postgresql://{user}@127.0.0.1:{self._port}/{name}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def _run(self, program: str, *arguments: str) -> None:
        data = str(self._folder / "data")
        command = [*self._as_user(), str(self._programs / program), "-D", data, *arguments]
        with (self._folder / "said").open("ab+") as said:  # a pipe would stay open in the server
            done = subprocess.run(command, stdout=said, stderr=said, cwd="/", check=False, timeout=120)
            said.seek(0)
            assert done.returncode == 0, said.read().decode()[-2000:]

    def _as_user(self) -> list[str]:
        """Not by subprocess's own `user`: that forks, which gRPC does not bear in a process that uses it."""
        if not self._user:
            return []
        entry = pwd.getpwnam(self._user)
        return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", "--"]


def _unprivileged() -> str:
    if os.getuid() != 0:
        return ""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _locale() -> list[str]:
    """An order that passes over hyphens, as those of most languages do; it needs nothing of the system."""
    return ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=und-u-ka-shifted"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
