"""What nobody wishes for: damaged files, an answer that cannot be written, errors nobody expected."""

import json
import subprocess
import sys

import pytest

from gnomon.cli import operate
from gnomon.cli.main import main

DEEP = "[" * 100_000 + "]" * 100_000
ENTRY = {
    **dict.fromkeys(("caller", "project", "method", "resource", "call_id", "outcome", "reason"), ""),
    "begun": 0,
    "count": 1,
    "number": 1,
    "previous_hash": "00" * 32,
    "hash": "00" * 32,
}
METRIC = {"output_type": "boolean", "input_shape": "output"}
AUDIT = ["audit", "verify", "--service", "registry"]


@pytest.fixture
def cli(capsys):
    """Run a command with --json; return its status, its only document, and what it said beside that."""

    def run(*words):
        status = main([*map(str, words), "--json"])
        said = capsys.readouterr()
        return status, json.loads(said.out), said.err

    return run


@pytest.mark.parametrize(
    ("words", "content"),
    [
        (["metrics", "create", "m", "--file"], DEEP),
        (["metrics", "create", "m", "--file"], json.dumps(METRIC | {"output_type": 5})),
        (["metrics", "create", "m", "--file"], json.dumps(METRIC | {"step": -1})),
        (["score", "m", "--instance"], DEEP),
        ([*AUDIT, "--file"], DEEP),
        ([*AUDIT, "--file"], json.dumps(ENTRY | {"time": "0001-01-01T00:00:00+14:00"})),
        ([*AUDIT, "--file"], json.dumps(ENTRY | {"time": "9999-12-31T23:00:00-14:00"})),
        ([*AUDIT, "--since"], DEEP),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_its_name(words, content, tmp_path, cli):
    file = tmp_path / "given.json"
    file.write_text(content)

    status, answer, err = cli(*words, file)

    assert (status, answer["error"]["reason"]) == (1, "INVALID_REQUEST")
    assert str(file) in answer["error"]["message"]
    assert "Traceback" not in err


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "null", '"registry"', DEEP, None])
def test_a_backup_that_does_not_say_what_it_holds_is_refused(content, tmp_path, cli):
    if content is not None:
        (tmp_path / "backup.json").write_text(content)

    status, answer, err = cli("restore", tmp_path, "--home", tmp_path / "home")

    assert (status, answer["error"]["reason"]) == (1, "ARTIFACT_CORRUPT")
    assert str(tmp_path) in err
    assert not (tmp_path / "home").exists()


def test_heads_that_cannot_be_noted_are_the_only_answer(tmp_path, cli):
    (tmp_path / "log.jsonl").write_text("")
    nothing = f"0:{'00' * 32}"

    status, answer, _ = cli(
        *AUDIT, "--file", tmp_path / "log.jsonl", "--expect", nothing, "--note", tmp_path / "no/heads.json"
    )

    assert (status, [*answer]) == (1, ["error"])


@pytest.mark.parametrize("words", [["gc"], ["gc", "--json"]])
def test_an_error_that_nobody_expected_is_told_as_a_defect(words, monkeypatch, capsys):
    def fail(*_):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(operate, "_chosen", fail)

    status = main(words)

    said = capsys.readouterr()
    assert status == 70
    assert "defect of Gnomon" in said.err
    assert "ZeroDivisionError: by zero (operate.py, line " in said.err
    if "--json" in words:
        assert json.loads(said.out)["error"]["reason"] == "INTERNAL"


class Full:
    """Standard output on a disk that is full."""

    def isatty(self):
        return False

    def write(self, text):
        pass

    def flush(self):
        raise OSError(28, "No space left on device")

    def fileno(self):
        raise OSError


@pytest.mark.parametrize("words", [["gc"], ["gc", "--json"]])
@pytest.mark.parametrize("is_refused", [False, True])
def test_an_answer_that_cannot_be_written_is_told_once(words, is_refused, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(
        operate, "_operate", lambda *_: {"service": "", "file_count": 0, "size_bytes": 0, "deleted": False}
    )

    status = main([*words, "--service", "scorer" if is_refused else "trainer"])

    assert status == 1
    assert capsys.readouterr().err == "error: Standard output cannot be written: No space left on device.\n"


@pytest.mark.slow
@pytest.mark.parametrize("words", ["audit verify --service registry --file /dev/null --json", "--help"])
@pytest.mark.parametrize("end", ["> /dev/full", ">&-", ">&- 2>&-", "2>&- > /dev/full"])
def test_a_real_process_without_an_output_ends_with_a_status_and_no_traceback(words, end):
    code = "import sys; from gnomon.cli.main import main; sys.exit(main())"

    done = subprocess.run(
        f"'{sys.executable}' -c '{code}' {words} {end}",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert ("2>&-" in end) == (done.stderr == "")
