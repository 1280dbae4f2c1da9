"""docs/access.md says what is enforced."""

import subprocess
import sys
from pathlib import Path

from gnomon.api_keys import SCOPES

ROOT = Path(__file__).parents[2]


def test_the_table_of_the_page_is_made_from_the_protos():
    command = [sys.executable, ROOT / "tools" / "access.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_page_explains_every_scope():
    page = (ROOT / "docs" / "access.md").read_text()
    assert [scope for scope in SCOPES if f"| `{scope}` |" not in page] == []
