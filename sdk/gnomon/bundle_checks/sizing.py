"""Operators whose output can be far larger than their input: what constants ask for, without running them.

Only constants are followed, through the few operators that shapes are put
together with. What depends on the input is seen by the first run of a model,
which has its memory limited.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

_MOST_ELEMENTS = 1 << 26  # 256 MiB of fp32
_MOST_STEPS = 64
# Which input says how large the output gets.
_SIZED_BY = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "Tile": (1,),
    "Range": (0, 1, 2),
    "Reshape": (),
    "TopK": (),
}
_PUT_TOGETHER = {"Concat", "Cast", "Identity", "Unsqueeze", "Squeeze", "Mul", "Reshape"}


@dataclass(slots=True)
class Node:
    """One node of a graph, as far as checks look at it."""

    type: str = ""
    domain: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    @property
    def operator(self) -> str:
        return f"{self.domain}:{self.type}" if self.domain else self.type


def problem(node: Node, constants: Mapping[str, tuple[int, ...]], makers: Mapping[str, Node]) -> str | None:
    """Return why a node asks for too much memory; None if no constant says so."""
    places = _SIZED_BY.get(node.type, ())
    values: list[int] = []
    for place in places:
        if place < len(node.inputs):
            values += _constants(node.inputs[place], constants, makers)
    if node.type == "Range":
        found = max((abs(value) for value in values), default=0)
    else:
        found = math.prod(abs(value) for value in values if value not in (0, -1))
    if found > _MOST_ELEMENTS:
        return f"has {node.type} make {found} elements or more; at most {_MOST_ELEMENTS} are allowed"
    return None


def _constants(name: str, constants: Mapping[str, tuple[int, ...]], makers: Mapping[str, Node]) -> list[int]:
    """Return the constants that a shape is put together of."""
    found: list[int] = []
    names, steps = [name], 0
    while names and steps < _MOST_STEPS:
        steps += 1
        name = names.pop()
        if name in constants:
            found += constants[name]
        elif (maker := makers.get(name)) is not None and maker.type in _PUT_TOGETHER:
            last = 1 if maker.type in ("Unsqueeze", "Squeeze", "Reshape", "Cast", "Identity") else None
            names += maker.inputs[:last]
    return found
