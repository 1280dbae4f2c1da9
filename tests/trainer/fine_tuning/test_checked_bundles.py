"""What the trainer exports keeps to the rules that every bundle is held to."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from gnomon.bundle import BundleFile, Format, parse_evaluator
from gnomon.bundle_checks import check_contents, folder_opener
from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning import quantizing
from gnomon_trainer.adapters.fine_tuning.exporting import OnnxExporter
from gnomon_trainer.adapters.fine_tuning.network import load_network
from gnomon_trainer.domain.training import Trained
from tests.trainer.fine_tuning import tiny, tiny_decoder


def check(folder: Path) -> None:
    files = [BundleFile(path.name, "0" * 64, path.stat().st_size) for path in folder.iterdir()]
    check_contents(files, folder_opener(folder))


@pytest.mark.slow
def test_a_trained_bundle_and_its_quantised_file_keep_to_the_rules(
    undisturbed: tuple[Trained, tiny.Recorder], tmp_path: Path
) -> None:
    source = undisturbed[0].bundle_folder
    check(source)
    folder = tmp_path / "with-int8"
    shutil.copytree(source, folder)
    rows = [Tokens((2, 5, 6, 3), (0, 0, 0, 0)), Tokens((2, 7, 3), (0, 0, 0))]
    quantizing.quantize(source / "model.onnx", rows, folder / "model.int8.xml", lambda: None)
    evaluator = parse_evaluator((folder / "evaluator.json").read_bytes())
    formats = (*evaluator.formats, Format("openvino-int8", "model.int8.xml"))
    (folder / "evaluator.json").write_text(dataclasses.replace(evaluator, formats=formats).to_json())
    check(folder)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 2])
def test_a_decoder_with_its_prompt_keeps_to_the_rules(
    undisturbed: tuple[Trained, tiny.Recorder], tmp_path: Path, rank: int
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(undisturbed[0].bundle_folder, folder)
    model = tiny_decoder.make_base_model(tmp_path / "model")
    OnnxExporter().export(load_network(model, 2, adapter_rank=rank).eval(), 64, folder)
    check(folder)
