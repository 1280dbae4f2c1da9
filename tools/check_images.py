"""Do what the Dockerfile does, without a container engine: `check_images.py scorer registry …`.

Each target's environment is made by the very commands of its stages, in a folder instead of /opt/gnomon.
Its size is measured, and its service is run as the image runs it: by a user without a name or a home, on
a root file system that is read-only but for the volume and a temporary folder (the last two only for root).
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "deploy/docker/Dockerfile"
USER = 10001
MOST_MB = {"scorer": 600}
FORBIDDEN = {"scorer": ("torch", "transformers", "sqlalchemy", "pandas")}


def main(targets: list[str]) -> int:
    for target in targets or ["scorer"]:
        with tempfile.TemporaryDirectory(prefix="gnomon-image-") as folder:
            work = Path(folder)
            work.chmod(0o755)
            environment = build(target, work)
            size_mb = sum(f.lstat().st_size for f in environment.rglob("*") if f.is_file()) / 1e6
            packages = {p.name.lower() for p in environment.glob("lib/python*/site-packages/*")}
            if brought := [name for name in FORBIDDEN.get(target, ()) if name in packages]:
                print(f"[{target}] brings {', '.join(brought)}")
                return 1
            if size_mb > MOST_MB.get(target, float("inf")):
                print(f"[{target}] takes {size_mb:.0f} MB, more than {MOST_MB[target]}")
                return 1
            print(f"[{target}] environment of {size_mb:.0f} MB; {run(target, work)}", flush=True)
    return 0


def stages() -> dict[str, str]:
    """Return the instructions of each stage, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE))
    found = re.split(r"^FROM \S+ AS (\S+)\n", text, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def build(target: str, work: Path) -> Path:
    """Make the environment of a target; return its folder."""
    subprocess.run([sys.executable, "-m", "venv", work / "base"], check=True)
    base = work / "base/bin"
    places = {"/opt/gnomon": str(work / "opt"), "/wheels": str(work / "wheels")}
    source = work / "src"
    image = work / "image"  # whose Python anybody may run
    image.mkdir()
    (image / "python").symlink_to(_python())
    variables = os.environ | {
        "PATH": f"{image}:{base}:{os.environ['PATH']}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    variables.pop("PYTHONPATH", None)
    for stage in ("build", f"{target.removesuffix('-settings')}-environment"):
        for line in stages()[stage].splitlines():
            what, _, rest = line.partition(" ")
            if what == "COPY":
                _copy(rest.split(), source)
            elif what == "RUN":
                for path, instead in places.items():
                    rest = rest.replace(path, instead)
                rest = re.sub(r"/lib/python3\.\d+/", f"/lib/python3.{sys.version_info.minor}/", rest)
                subprocess.run(
                    ["sh", "-ec", rest], check=True, cwd=source, env=variables, stdout=subprocess.DEVNULL
                )
    return work / "opt"


def _python() -> str:
    """Return a Python of this version that another user can run, as that of an image: not one in a home."""
    system = Path(f"/usr/bin/python3.{sys.version_info.minor}")
    return str(system if system.exists() else Path(sys.executable).resolve())


def _copy(words: list[str], source: Path) -> None:
    *given, to = words
    for name in given:
        at = (
            source / to
            if len(given) == 1 and not to.endswith("/") and to != "./"
            else source / to / Path(name).name
        )
        at.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, at, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, at)


def run(target: str, work: Path) -> str:
    """Run the service as its image would until it listens and ends; return what was seen."""
    service = target.removesuffix("-gpu")
    data, temporary = work / "data", work / "tmp"
    for folder in (data, temporary):
        folder.mkdir()
        if os.geteuid() == 0:
            os.chown(folder, USER, USER)
    address = data / "address"
    prefix = f"GNOMON_{service.upper()}_"
    variables = _variables(target, service, data) | {
        "PATH": f"{work}/opt/bin:/usr/bin:/bin",
        "TMPDIR": str(temporary),
        f"{prefix}LISTEN": "127.0.0.1:0",
        f"{prefix}METRICS_LISTEN": "127.0.0.1:0",
        f"{prefix}ADDRESS_FILE": str(address),
    }
    begun = time.monotonic()
    process = subprocess.Popen(
        [*_as_a_container(data, temporary), "python", "-m", f"gnomon_{service}"],
        env=variables,
        cwd=data,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait(address.exists, process)
        listens_s = time.monotonic() - begun
        health = [f"{work}/opt/bin/gnomon", "health", address.read_text(), "--service", "live"]
        _wait(
            lambda: (
                subprocess.run(health, env=variables, check=False, stdout=subprocess.DEVNULL).returncode == 0
            ),
            process,
        )
        process.send_signal(signal.SIGTERM)
        if (status := process.wait(60)) != 0:
            raise SystemExit(f"[{target}] ended with status {status} after SIGTERM")
    finally:
        process.kill()
    how = f"as user {USER} on a read-only root" if os.geteuid() == 0 else "as this user"
    return f"runs {how} without HOME, listens after {listens_s:.1f} s, is alive, ends at SIGTERM"


def _variables(target: str, service: str, data: Path) -> dict[str, str]:
    """Return the variables of the image's stages, the volume's path replaced."""
    settings = f"{service}-settings" if f"{service}-settings" in stages() else target
    text = stages()["runtime"] + stages()[settings]
    words = [word for line in re.findall(r"^ENV (.*)$", text, re.MULTILINE) for word in shlex.split(line)]
    return {
        name: value.replace("/var/lib/gnomon", str(data))
        for name, _, value in (w.partition("=") for w in words)
    }


def _as_a_container(data: Path, temporary: Path) -> list[str]:
    if os.geteuid() != 0:
        return []
    mounts = " && ".join(
        [*(f"mount --bind {folder} {folder}" for folder in (data, temporary)), "mount -o remount,bind,ro /"]
    )
    drop = f"exec setpriv --reuid {USER} --regid {USER} --clear-groups --no-new-privs --bounding-set=-all"
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{mounts} && {drop} "$@"', "run"]


def _wait(reached, process: "subprocess.Popen[str]") -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 120
    while not reached():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise SystemExit(f"The service did not come up:\n{process.communicate()[1][-2000:]}")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
