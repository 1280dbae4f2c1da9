"""`import gnomon` stays light, and its two clients the same."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import gnomon

ROOT = Path(__file__).parents[2]
HEAVY = [
    "torch",
    "transformers",
    "onnxruntime",
    "numpy",
    "pandas",
    "sqlalchemy",
    "pydantic",
    "structlog",
    "typer",
    "rich",
    "gnomon.local",
    "gnomon.presets",
    "gnomon_rpc",
]


def test_importing_gnomon_pulls_in_nothing_heavy() -> None:
    code = f"import gnomon, sys; print(*(set({HEAVY}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
    assert result.stderr == ""


def test_importing_traffic_waits_with_what_only_some_files_need() -> None:
    late = ["orjson", "pyarrow", "opentelemetry", "sqlite3", "multiprocessing.context", *HEAVY]
    code = f"import sys; before = {{*sys.modules}}; import gnomon.traffic; late = {late}; "
    code += "print(*({*late} & {*sys.modules} - before))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


@pytest.mark.parametrize(("module", "file"), [("orjson", "langsmith.jsonl"), ("pyarrow", "spans.parquet")])
def test_a_library_that_is_missing_is_named_with_what_installs_it(
    module: str, file: str, tmp_path: Path
) -> None:
    source = tmp_path / file
    source.write_bytes(b"PAR1" if module == "pyarrow" else b"{}")
    code = f"""
import sys; sys.modules[{module!r}] = None
from gnomon import errors, traffic
try: list(traffic.read({str(source)!r}))
except errors.InvalidRequestError as error: print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"needs {module}: pip install 'gnomon[" in result.stdout


def test_the_synchronous_client_is_made_from_the_asynchronous_one() -> None:
    command = [sys.executable, ROOT / "tools" / "unasync.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "resource",
    [
        None,
        "projects",
        "metrics",
        "versions",
        "aliases",
        "webhooks",
        "datasets",
        "reviews",
        "recipes",
        "runs",
        "providers",
        "judges",
        "keys",
    ],
)
def test_both_clients_have_the_same_methods(resource: str | None) -> None:
    clients = gnomon.AsyncClient(), gnomon.Client()
    waiting, plain = (getattr(client, resource) if resource else client for client in clients)
    methods = {
        name: inspect.signature(method)
        for name, method in inspect.getmembers(waiting, inspect.ismethod)
        if not name.startswith("_")
    }
    assert methods
    for name, signature in methods.items():
        method = getattr(plain, name)
        assert list(inspect.signature(method).parameters) == list(signature.parameters)
        assert not inspect.iscoroutinefunction(method)
        assert "await" not in (method.__doc__ or "")
