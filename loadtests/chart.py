"""Line charts as SVG text, coloured by the page's style. Pure."""

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 820, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 26

STYLE = """
.chart { width: 100%; height: auto; display: block; }
.chart text { font: 12px system-ui, sans-serif; fill: var(--quiet); }
.chart .grid { stroke: var(--line); }
.chart .limit { stroke: var(--quiet); stroke-dasharray: 5 4; }
.chart polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
.c0 { stroke: #3b7dd8; } .c1 { stroke: #d9822b; } .c2 { stroke: #c2406f; } .c3 { stroke: #3f9a63; }
.key i { display: inline-block; width: 1.2em; height: 3px; vertical-align: middle; margin: 0 .4em 0 1em; }
.k0 { background: #3b7dd8; } .k1 { background: #d9822b; } .k2 { background: #c2406f; }
.k3 { background: #3f9a63; }
"""

Series = Mapping[str, Sequence[float | None]]


def chart(title: str, unit: str, series: Series, limit: float | None = None) -> str:
    """Return a figure of at most four lines, a value a second; None is a gap; `limit` is dashed, if near."""
    seconds = max((len(values) for values in series.values()), default=0)
    known = [value for values in series.values() for value in values if value is not None]
    highest = max([*known, 1e-9])
    if limit is not None and limit > 3 * highest:
        limit = None  # it would press the lines to the floor
    top = _round_up(max(highest, limit or 0.0))

    def x(second: float) -> float:
        return _LEFT + second / max(1, seconds - 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_grid(y(top * n / 4), f"{top * n / 4:g}") for n in range(5)]
    parts += [
        f'<text x="{x(at):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{at} s</text>'
        for at in _marks(seconds)
    ]
    if limit is not None:
        ends = f'x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(limit):.1f}" y2="{y(limit):.1f}"'
        parts.append(f'<line class="limit" {ends}><title>objective: {limit:g} {escape(unit)}</title></line>')
    for n, (name, values) in enumerate(series.items()):
        for stretch in _stretches(values):
            points = " ".join(f"{x(second):.1f},{y(value):.1f}" for second, value in stretch)
            parts.append(f'<polyline class="c{n}" points="{points}"><title>{escape(name)}</title></polyline>')
    key = "".join(f'<i class="k{n}"></i>{escape(name)}' for n, name in enumerate(series))
    head = f"<h2>{escape(title)} <small>{escape(unit)}</small></h2>"
    drawn = f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>'
    return f'<figure>{head}{drawn}<figcaption class="key">{key}</figcaption></figure>'


def _grid(y: float, label: str) -> str:
    line = f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f'{line}<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 4, 5, 8, 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 8, 10, 20) if step * power >= value)


def _marks(seconds: int) -> range:
    return range(0, max(1, seconds), max(1, math.ceil(seconds / 10)))


def _stretches(values: Sequence[float | None]) -> list[list[tuple[float, float]]]:
    """Return the runs of values between gaps; one value alone becomes a short dash."""
    found: list[list[tuple[float, float]]] = [[]]
    for second, value in enumerate(values):
        if value is None:
            found.append([])
        else:
            found[-1].append((second, value))
    dashes = ([(run[0][0] - 0.2, run[0][1]), (run[0][0] + 0.2, run[0][1])] for run in found if len(run) == 1)
    return [run for run in found if len(run) > 1] + list(dashes)
