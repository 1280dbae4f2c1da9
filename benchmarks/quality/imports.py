"""Which files a module of the product needs, as its import lines say."""

import ast
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PACKAGES = {
    "gnomon": _ROOT / "sdk" / "gnomon",
    "gnomon_trainer": _ROOT / "services" / "trainer" / "gnomon_trainer",
}


def needed_by(module: str) -> list[Path]:
    """Return a module's own file and those of all modules of the product that it leads to, sorted.

    Packages' `__init__.py` are left out: those of the product only pass names on.
    """
    found: dict[Path, None] = {}
    left = [module]
    while left:
        file = _file_of(left.pop())
        if file is not None and file not in found:
            found[file] = None
            left += _named(ast.parse(file.read_text()))
    return sorted(found)


def _named(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file_of(module: str) -> Path | None:
    package, *rest = module.split(".")
    if package not in _PACKAGES or not rest:
        return None
    file = _PACKAGES[package].joinpath(*rest).with_suffix(".py")
    return file if file.is_file() else None
