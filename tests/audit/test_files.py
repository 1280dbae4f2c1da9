"""Archives of the log: a file is there whole or not at all, and what cannot be told of it is not claimed."""

import json
import re

import pytest

from gnomon.audit import Head, chained
from gnomon.audit_files import line_of
from gnomon.cli import session
from gnomon.cli.main import main
from gnomon.errors import ServiceUnavailableError
from tests.audit.things import record

ENTRIES = list(chained(Head(), [record(number) for number in range(6)]))
HEAD = str(Head(ENTRIES[-1].number, ENTRIES[-1].hash))
VERIFY = ("audit", "verify", "--service", "registry", "--file")


class Client:
    """A client whose log has entries, and perhaps an end that is not reached."""

    def __init__(self, entries, error=None):
        self.audit = self
        self.entries, self.error = entries, error

    def list(self, service):
        assert service == "registry"
        yield from self.entries
        if self.error:
            raise self.error

    def close(self):
        pass


@pytest.fixture
def cli(capsys):
    def run(*words):
        status = main([str(word) for word in words])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def client(monkeypatch):
    def become(*given):
        monkeypatch.setattr(session, "connect", lambda _: Client(*given))

    return become


@pytest.mark.parametrize("entries", [ENTRIES, ENTRIES[:1], []], ids=len)
def test_an_export_tells_the_head_with_which_its_file_is_verified(entries, client, cli, tmp_path):
    client(entries)
    archive = tmp_path / "registry.jsonl"

    status, out, _ = cli("audit", "export", "registry", archive, "--json")
    verified = cli(*VERIFY, archive, "--expect", json.loads(out)["head"], "--json")

    assert (status, json.loads(out)["count"]) == (0, len(entries))
    assert verified[0] == 0
    assert json.loads(verified[1])["registry"]["noted"] == json.loads(out)["head"]
    assert [path.name for path in tmp_path.iterdir()] == ["registry.jsonl"]


def test_an_export_to_standard_output_tells_the_head_beside_it(client, cli):
    client(ENTRIES)

    status, out, err = cli("audit", "export", "registry")

    assert (status, out) == (0, "".join(map(line_of, ENTRIES)))
    assert HEAD in err


@pytest.mark.parametrize("count", [0, 3])
def test_an_export_that_fails_leaves_no_file_and_is_repeated(count, client, cli, tmp_path):
    archive = tmp_path / "registry.jsonl"
    client(ENTRIES[:count], ServiceUnavailableError("The registry cannot be reached."))
    failed = cli("audit", "export", "registry", archive)
    left = [*tmp_path.iterdir()]
    client(ENTRIES)

    assert (failed[0], left) == (1, [])
    assert cli("audit", "export", "registry", archive)[0] == 0


def test_no_archive_is_overwritten_and_another_name_is_asked_for(client, cli, tmp_path):
    client(ENTRIES)
    archive = tmp_path / "registry.jsonl"
    archive.write_text("as it was")

    status, _, err = cli("audit", "export", "registry", archive)

    assert (status, archive.read_text()) == (1, "as it was")
    assert "Name another file" in err


@pytest.mark.parametrize("count", range(len(ENTRIES)))
def test_a_file_that_was_cut_at_the_end_of_a_line_is_told_by_the_noted_head_alone(count, cli, tmp_path):
    archive = tmp_path / "registry.jsonl"
    archive.write_text("".join(map(line_of, ENTRIES[:count])))

    status, out, err = cli(*VERIFY, archive)

    assert cli(*VERIFY, archive, "--expect", HEAD)[0] == 1
    if count:
        assert status == 0
        assert "nothing tells whether the end is missing" in re.sub(r"\s+", " ", out)
    else:
        assert status == 1
        assert "has no entry" in err


@pytest.mark.parametrize("heads", [{}, {"registry_2": HEAD}, {"trainer": HEAD}])
def test_heads_of_others_are_no_heads_to_compare_with(heads, cli, tmp_path):
    archive, noted = tmp_path / "registry.jsonl", tmp_path / "heads.json"
    archive.write_text("".join(map(line_of, ENTRIES)))
    noted.write_text(json.dumps(heads))

    status, out, err = cli(*VERIFY, archive, "--since", noted)

    assert (status, out) == (1, "")
    assert f"{noted} notes no head of the registry" in err


@pytest.mark.parametrize("option", ["--file", "--since"])
def test_a_file_that_is_no_text_is_told_by_its_name(option, cli, tmp_path):
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"{\xff}")
    archive = tmp_path / "registry.jsonl"
    archive.write_text("")

    status, _, err = cli(*VERIFY, archive, option, damaged)

    assert status == 1
    assert str(damaged) in err
