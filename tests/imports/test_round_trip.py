"""Bundles that leave one registry and enter another: real processes, and equal scores."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

import gnomon
from gnomon.bundle import Format
from gnomon.bundle_checks import policy_from
from gnomon.cli.main import app
from gnomon.errors import BundleInvalidError
from gnomon.half_precision import write_fp16
from gnomon.local import ServiceProcess
from gnomon_trainer.adapters.fine_tuning import openvino_runtime
from tests.imports.good import REPORT, good
from tests.scorer.evaluators import MadeBundle, make_bundle

_TEXTS = ["good movie", "a very bad movie", "fine"]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServiceProcess]]:
    folder = tmp_path_factory.mktemp("services")
    registry = ServiceProcess(
        "registry",
        folder / "home",
        {
            "GNOMON_REGISTRY_DATABASE_URL": f"sqlite:///{folder / 'registry.db'}",
            "GNOMON_REGISTRY_ARTIFACT_URL": f"file://{folder / 'artifacts'}",
        },
    )
    scorer = ServiceProcess("scorer", folder / "home")
    try:
        address = registry.start()
        scorer.environment = {
            "GNOMON_SCORER_REGISTRY_ADDRESS": address,
            "GNOMON_SCORER_CACHE_DIR": str(folder / "cache"),
            "GNOMON_SCORER_TUNING_S": "0",
            "GNOMON_SCORER_LOAD_WAIT_S": "100",
        }
        scorer.start()
        scorer.wait_until_ready()
        yield {"registry": registry, "scorer": scorer}
    finally:
        scorer.kill()
        registry.kill()


@pytest.fixture
def client(services: dict[str, ServiceProcess]) -> Iterator[gnomon.Client]:
    addresses = {name: service.address for name, service in services.items()}
    with gnomon.Client(**addresses, timeout_s=120.0) as client:
        yield client


def metric(client: gnomon.Client, name: str) -> None:
    client.metrics.create(name, output_type="boolean", input_shape="output")


def bundle_with_formats(folder: Path) -> MadeBundle:
    """Return a bundle with the formats that a trainer exports: fp32, fp16, and OpenVINO's own file."""
    made = make_bundle()
    (folder / "model.onnx").write_bytes(made.contents["model.onnx"])
    write_fp16(folder / "model.onnx", folder / "model.fp16.onnx")
    openvino = openvino_runtime.openvino()
    model = openvino.Core().read_model(folder / "model.onnx")
    openvino.save_model(model, folder / "model.int8.xml", compress_to_fp16=False)
    made = made.publishing(
        Format("onnx-fp32", "model.onnx"),
        Format("openvino-fp32", "model.onnx"),
        Format("onnx-fp16", "model.fp16.onnx"),
        Format("openvino-int8", "model.int8.xml"),
    )
    names = ("model.fp16.onnx", "model.int8.xml", "model.int8.bin")
    files = {name: (folder / name).read_bytes() for name in names}
    return replace(made, contents=made.contents | files | {"report.json": REPORT})


def written(folder: Path, made: MadeBundle) -> Path:
    return made.write(folder)


def scores(client: gnomon.Client, name: str) -> list[list[float]]:
    found = (client.score(name, output=text, timeout_s=120.0) for text in _TEXTS)
    return [[one.probability for one in score.classes] for score in found]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [".zip", ".tar", ".tar.gz"])
def test_what_is_exported_is_imported_and_scores_the_same(
    client: gnomon.Client, tmp_path: Path, kind: str
) -> None:
    name = "source" + kind.replace(".", "-")
    made = make_bundle(metric=name, seed=len(kind))
    metric(client, name)
    made = replace(made, contents=made.contents | {"report.json": REPORT})
    client.versions.create(name, written(tmp_path / "bundle", made))
    client.versions.export_bundle(f"{name}@1", tmp_path / f"bundle{kind}")

    metric(client, f"copy-{name}")
    version = client.versions.import_bundle(f"copy-{name}", tmp_path / f"bundle{kind}", importer="ann")

    assert version.bundle.digest == client.versions.get(f"{name}@1").bundle.digest
    assert (version.lineage.imported_from, version.lineage.imported_by) == (f"bundle{kind}", "ann")
    assert version.report.warnings[0] == "Imported: nothing in this report was measured here."
    assert client.versions.get(f"{name}@1").lineage.imported_from == ""
    assert "not measured" not in str(client.versions.get(f"{name}@1").report.warnings)
    assert scores(client, f"copy-{name}@1") == scores(client, f"{name}@1")


def test_all_formats_that_are_exported_are_accepted_and_score(client: gnomon.Client, tmp_path: Path) -> None:
    made = bundle_with_formats(tmp_path)
    metric(client, "formats")
    metric(client, "toxicity")
    version = client.versions.create("toxicity", written(tmp_path / "bundle", made))
    client.versions.download(version, tmp_path / "folder")

    copy = client.versions.import_bundle("formats", tmp_path / "folder")

    assert [artifact.format for artifact in copy.artifacts][2:] == ["onnx-fp16", "openvino-int8"]
    assert scores(client, "formats@1") == scores(client, "toxicity@1")


def test_the_command_line_exports_and_imports(
    services: dict[str, ServiceProcess], client: gnomon.Client, tmp_path: Path
) -> None:
    metric(client, "mine")
    made = make_bundle(metric="mine")
    made = replace(made, contents=made.contents | {"report.json": REPORT})
    client.versions.create("mine", written(tmp_path / "bundle", made))
    registry = ["--registry", services["registry"].address]
    file = str(tmp_path / "mine.zip")

    exported = CliRunner().invoke(app, ["versions", "export", "mine@1", file, *registry])
    imported = CliRunner().invoke(
        app, ["versions", "import", "mine", file, "--from", "the lab", "--by", "ann", *registry]
    )

    assert (exported.exit_code, imported.exit_code) == (0, 0), imported.output
    assert "Its report was not measured here." in imported.output
    assert client.versions.get("mine@2").lineage.imported_from == "the lab"


def test_the_registry_does_not_believe_a_client_that_allows_more(
    client: gnomon.Client, tmp_path: Path
) -> None:
    """The client's own policy lets it through, so it is the registry that refuses."""
    metric(client, "lenient")
    model = onnx.load_from_string(good()["model.onnx"])
    model.graph.node.append(helper.make_node("Einsum", ["mean"], ["more"], equation="ij->ji"))
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.INT64
    made = make_bundle(metric="lenient", model=model.SerializeToString())
    made = replace(made, contents=made.contents | {"report.json": REPORT})
    folder = written(tmp_path / "bundle", made)
    from gnomon.bundle import manifest

    (folder / "manifest.json").write_bytes(manifest(made.files))
    with pytest.raises(BundleInvalidError) as caught:
        client.versions.import_bundle("lenient", folder, policy=policy_from({"also_operators": ["Einsum"]}))
    assert caught.value.metadata == {"path": "model.onnx", "rule": "onnx-operator"}
    assert not list(client.versions.list("lenient"))


def test_a_folder_with_a_link_is_refused(client: gnomon.Client, tmp_path: Path) -> None:
    metric(client, "linked")
    folder = written(tmp_path / "bundle", make_bundle(metric="linked"))
    (folder / "passwd.txt").symlink_to("/etc/passwd")
    with pytest.raises(BundleInvalidError) as caught:
        client.versions.import_bundle("linked", folder)
    assert caught.value.metadata == {"path": "passwd.txt", "rule": "archive-link"}
