"""Make `gnomon._sync` from `gnomon._async`: the same client without `await`.

`python tools/unasync.py` writes the files; `--check` says which ones differ
from what it would write, and ends with status 1 if any does.
"""

import re
import subprocess
import sys
from pathlib import Path

SDK = Path(__file__).parents[1] / "sdk" / "gnomon"
SOURCE = SDK / "_async"
TARGET = SDK / "_sync"
BY_HAND = {"__init__.py", "concurrency.py"}

HEADER = "# Made from gnomon/_async/{name} by tools/unasync.py. Do not edit.\n\n"

FIX = [
    "--select=I,F401,UP028",
    "--fix",
    "--unsafe-fixes",
    "--quiet",
]  # imports; `yield from`, which has no async form

# In order; each a whole word, in code, comments and docstrings alike.
WORDS = [
    (r"AsyncGenerator\[(.+), None\]", r"Generator[\1, None, None]"),
    (r"async (def|with|for)", r"\1"),
    (r"await ", ""),
    (r"aclosing", "closing"),
    (r"aclose", "close"),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
    (r"_async", "_sync"),
    (r"Async([A-Z]\w*)", r"\1"),
]


def made(path: Path) -> str:
    """Return the synchronous form of a file."""
    text = path.read_text()
    for pattern, replacement in WORDS:
        text = re.sub(rf"(?<!\w){pattern}", replacement, text)
    text = HEADER.format(name=path.name) + text
    for command in (["check", *FIX], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(TARGET / path.name), "-"]
        text = subprocess.run(ruff, input=text, check=True, capture_output=True, text=True).stdout
    return text


def main(check: bool) -> int:
    wanted = {path.name: made(path) for path in sorted(SOURCE.glob("*.py")) if path.name not in BY_HAND}
    present = {path.name: path.read_text() for path in TARGET.glob("*.py") if path.name not in BY_HAND}
    differing = sorted(name for name in wanted | present if wanted.get(name) != present.get(name))
    for name in differing:
        if check:
            print(f"{TARGET / name} is not what tools/unasync.py makes of {SOURCE / name}.")
        elif name in wanted:
            (TARGET / name).write_text(wanted[name])
        else:
            (TARGET / name).unlink()
    return 1 if check and differing else 0


if __name__ == "__main__":
    raise SystemExit(main("--check" in sys.argv[1:]))
