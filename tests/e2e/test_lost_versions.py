"""What was published after the newest backup of a registry comes back as the runbook says, word by word."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from benchmarks.faults.sites import ROOT, Site, site, until

import gnomon
from gnomon.v1 import resources_pb2 as pb

_RUNBOOK = (ROOT / "docs/operations/runbook.md").read_text(encoding="utf-8")
_TRAINER = {"GNOMON_TRAINER_WORKERS": "0", "GNOMON_TRAINER_LEASE_S": "5"}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Site]:
    """A registry, a trainer, and a worker that trains nothing, but leaves bundles."""
    with site(tmp_path / "home", environment={"trainer": _TRAINER}) as made:
        made.start_worker("benchmarks.faults.short_worker")
        with made.client() as client:
            client.projects.create("support")
        yield made


def make_metric(client: gnomon.Client, metric: str) -> None:
    client.metrics.create(metric, output_type="boolean", input_shape="input_output")


def upload_rows(client: gnomon.Client, metric: str) -> None:
    for name, start, count in (("train", 0, 300), ("test", 100_000, 160)):
        rows = [
            {"input": f"Question {n}", "output": f"Answer {n}", "label": n % 2 == 0}
            for n in range(start, start + count)
        ]
        client.datasets.upload(f"{metric}-{name}", pd.DataFrame(rows), metric=metric)


def published(client: gnomon.Client, metric: str, run: str) -> pb.Run:
    """Have a run register its evaluator."""
    client.runs.create(
        "support", metric=metric, training_set=f"{metric}-train", test_set=f"{metric}-test", run_id=run
    )
    until(lambda: client.runs.get(f"support/{run}").state in {pb.Run.REGISTERED, pb.Run.FAILED})
    return client.runs.get(f"support/{run}")


def shell(made: Site, folder: Path, commands: str) -> str:
    """Run commands of a page, with the variables of the trainer; return what they print."""
    run = shlex.join([sys.executable, "-c", "import sys; from gnomon.cli.main import main; sys.exit(main())"])
    addresses = {f"GNOMON_{name.upper()}_ADDRESS": address for name, address in made.addresses.items()}
    done = subprocess.run(
        ["bash", "-euc", f'gnomon() {{ {run} "$@"; }}\n{commands}'],
        cwd=folder,
        env=os.environ | dict(made.services["trainer"].environment) | addresses,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def of_page(command: str) -> str:
    """Return a command as the page about damaged databases has it."""
    [section] = re.findall(r"### A database is damaged\n(.*?)\n### ", _RUNBOOK, re.DOTALL)
    lines: list[str] = section.splitlines()
    [found] = [line for line in lines if line.startswith(command)]
    return found


def catalog(client: gnomon.Client) -> dict[str, Any]:
    """Return what the registry says of each version, and where aliases stand."""
    found: dict[str, Any] = {}
    for metric in client.metrics.list():
        for version in client.versions.list(metric.name):
            found[version.name] = (version.bundle.digest, version.lineage.run, version.description)
        found |= {alias.name: alias.metric_version for alias in client.aliases.list(metric.name)}
    return found


@pytest.mark.slow
def test_versions_that_were_published_after_a_backup_come_back_from_the_trainers_folder(
    made: Site, tmp_path: Path
) -> None:
    with made.client() as client:
        make_metric(client, "tone")
        upload_rows(client, "tone")
        published(client, "tone", "before")
        client.aliases.set("tone", "production", 1)
        home = shlex.quote(str(made.home))
        shell(made, tmp_path, f"gnomon backup monday --home {home}")
        published(client, "tone", "first")
        make_metric(client, "mood")
        upload_rows(client, "mood")
        published(client, "mood", "other")
        [folder] = bundles_of(made, "before")
        by_hand = client.versions.create("tone", folder, description="By hand; its bundle is lost.")
        published(client, "tone", "second")
        client.aliases.set("tone", "production", 4)
        before = catalog(client)
    assert len(before) == 6

    made.services["registry"].kill()  # so that what SQLite keeps beside the file stays, too
    (made.home / "registry/registry.db").write_bytes(b"damaged" * 1000)
    lost_and_found(made, tmp_path, home)

    with made.client() as client:
        del before[by_hand.name]
        assert catalog(client) == before
        for run in client.runs.list("support"):
            assert client.versions.get(run.metric_version).lineage.run == run.name


def lost_and_found(made: Site, folder: Path, home: str) -> None:
    """Do what the runbook says."""
    shell(made, folder, of_page("mkdir ").replace("/var/lib/gnomon/registry", f"{home}/registry"))
    shell(made, folder, f"gnomon restore monday --service registry --home {home}")
    made.services["registry"].start()
    with made.client() as client:
        make_metric(client, "mood")  # a lost metric comes first
        runs = [client.runs.get(f"support/{name}") for name in ("first", "other", "second")]
        for run in runs:
            with pytest.raises(gnomon.errors.NotFoundError):
                client.versions.get(run.metric_version)
            with pytest.raises(gnomon.errors.RunStateError):
                client.runs.resume(run.name)
        for run in runs[:2]:
            register(made, run)
        register(made, runs[0])  # in place of the one that was registered by hand
        shell(made, folder, "gnomon versions delete tone@3")
        register(made, runs[2])
        client.aliases.set("tone", "production", 4)


def register(made: Site, run: pb.Run) -> None:
    [folder] = bundles_of(made, run.name.rpartition("/")[2])
    command = of_page("gnomon versions register ").replace("FOLDER_OF_THAT_FILE", shlex.quote(str(folder)))
    command = command.replace("projects/support/runs/first", run.name).replace("metrics/tone", run.metric)
    shell(made, made.home, command)


def bundles_of(made: Site, run: str) -> list[Path]:
    """Return the folders that hold a bundle of a run, as the runbook finds them."""
    command = of_page("grep ").replace("projects/support/runs/first", f"projects/support/runs/{run}")
    return [Path(found).parent for found in shell(made, made.home, command).splitlines()]
