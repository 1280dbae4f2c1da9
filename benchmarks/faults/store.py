"""Whether what a registry stored is whole: its numbers, its manifests, its files."""

import hashlib
import json
from pathlib import Path

import gnomon


def problems_of(client: gnomon.Client, artifacts: Path, metrics: tuple[str, ...]) -> list[str]:
    """Return what is wrong with the versions of some metrics and the files below `artifacts`."""
    found = files_missing_or_wrong(artifacts)
    for metric in metrics:
        versions = list(client.versions.list(metric, show_deleted=True))
        numbers = sorted(int(version.name.rpartition("/")[2]) for version in versions)
        if numbers != list(range(1, len(numbers) + 1)):
            found.append(f"{metric} has the versions {numbers}")
        for version in versions:
            if not (artifacts / "manifests" / f"{version.bundle.digest}.json").is_file():
                found.append(f"{version.name} has no manifest")
    return found


def files_missing_or_wrong(artifacts: Path) -> list[str]:
    """Walk every manifest: each is what its name says, and each file that it lists is there and whole."""
    found = []
    for manifest in sorted((artifacts / "manifests").glob("*")):
        content = manifest.read_bytes()
        if hashlib.sha256(content).hexdigest() != manifest.stem:
            found.append(f"{manifest.name} is not what its name says")
            continue
        for file in json.loads(content)["files"]:
            blob = artifacts / "blobs" / file["sha256"][:2] / file["sha256"]
            if not blob.is_file():
                found.append(f"{manifest.name} lists {file['path']}, which is missing")
            elif hashlib.sha256(blob.read_bytes()).hexdigest() != file["sha256"]:
                found.append(f"{manifest.name} lists {file['path']}, which is altered")
    return found
