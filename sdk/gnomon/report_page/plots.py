"""Plots as inline SVG: curves, intervals, reliability. Colours come from the page's style."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gnomon.report_page.markup import Html, joined, tag

_COLOURS = 8
_SIDE, _MARGIN = 300, 42
_ROW, _LABEL, _BAR, _TEXT = 24, 230, 360, 190


@dataclass(frozen=True, slots=True)
class Line:
    """Points of a curve, both coordinates in [0, 1]."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its interval, and what is written beside it."""

    label: str
    value: float
    low: float
    high: float
    text: str
    faint: bool = False


def curves(lines: Sequence[Line], x_label: str, y_label: str, guide: bool = False) -> Html:
    """Return a square plot of curves; `guide` draws the diagonal."""
    drawn = [_curve(line, index) for index, line in enumerate(lines)]
    return _square([*([_diagonal()] if guide else []), *drawn], x_label, y_label)


def legend(labels: Sequence[str]) -> Html:
    """Return the labels in the colours of their curves."""
    entries = [
        tag("span", "■ ", tag("span", label, style="color:var(--ink)"), style=f"color:{_colour(index)}")
        for index, label in enumerate(labels)
    ]
    return tag("p", Html(" &nbsp; ".join(entries)))


def reliability(x: Sequence[float], y: Sequence[float], rows: Sequence[int]) -> Html:
    """Return predicted probability against observed share, the larger the point the more rows."""
    most = max(rows, default=1)
    points = [
        tag(
            "circle",
            tag("title", f"{count} rows: predicted {px:.3f}, observed {py:.3f}"),
            cx=_number(_across(px)),
            cy=_number(_up(py)),
            r=_number(3 + 9 * (count / most) ** 0.5),
            fill="var(--c0)",
            fill_opacity="0.7",
        )
        for px, py, count in zip(x, y, rows, strict=False)
    ]
    return _square([_diagonal(), *points], "mean predicted probability", "observed share")


def intervals(entries: Sequence[Interval], low: float, high: float, guide: float | None = None) -> Html:
    """Return one line an entry: its value as a point, its interval as a whisker, from `low` to `high`."""
    if not entries:
        return Html("")
    span = (high - low) or 1.0

    def at(value: float) -> str:
        return _number(_LABEL + _BAR * min(1.0, max(0.0, (value - low) / span)))

    height = _ROW * len(entries) + _ROW
    parts = [_interval(entry, _ROW * place + _ROW / 2, at) for place, entry in enumerate(entries)]
    bottom = _ROW * len(entries)
    parts.append(_path(f"M{_LABEL} {bottom}H{_LABEL + _BAR}", "axis"))
    if guide is not None:
        parts.append(_path(f"M{at(guide)} 0V{bottom}", "guide"))
    ends = (low, (low + high) / 2, high)
    parts += [_text(at(value), bottom + 16, f"{value:.3g}", "middle", faint=True) for value in ends]
    return _svg(_LABEL + _BAR + _TEXT, height, parts)


def _interval(entry: Interval, y: float, at: Callable[[float], str]) -> Html:
    colour = "var(--faint)" if entry.faint else "var(--c0)"
    level = _number(y)
    return joined(
        [
            _text("0", y + 4, _short(entry.label, 34), "start", faint=entry.faint),
            tag(
                "line",
                x1=at(entry.low),
                x2=at(entry.high),
                y1=level,
                y2=level,
                stroke=colour,
                class_="whisker",
            ),
            tag("circle", tag("title", entry.label), cx=at(entry.value), cy=level, r="4", fill=colour),
            _text(_number(_LABEL + _BAR + 10), y + 4, entry.text, "start", faint=entry.faint),
        ]
    )


def _square(inside: Iterable[Html], x_label: str, y_label: str) -> Html:
    end, size = _MARGIN + _SIDE, _SIDE + 2 * _MARGIN
    parts = [_path(f"M{_MARGIN} {_MARGIN // 2}V{_up(0):g}H{end}", "axis"), *inside]
    for value in (0.0, 0.5, 1.0):
        parts.append(_text(_number(_across(value)), _up(0) + 16, f"{value:g}", "middle", faint=True))
        parts.append(_text(_number(_MARGIN - 6), _up(value) + 4, f"{value:g}", "end", faint=True))
    parts.append(_text(_number(_across(0.5)), _up(0) + 34, x_label, "middle"))
    turned = f"rotate(-90 12 {_up(0.5):g})"
    parts.append(tag("text", y_label, x=12, y=_number(_up(0.5)), text_anchor="middle", transform=turned))
    return _svg(size, _SIDE + _MARGIN // 2 + 44, parts)


def _curve(line: Line, index: int) -> Html:
    points = " ".join(f"{_across(x):.1f},{_up(y):.1f}" for x, y in zip(line.x, line.y, strict=False))
    return tag("polyline", tag("title", line.label), points=points, class_="curve", stroke=_colour(index))


def _diagonal() -> Html:
    return _path(f"M{_across(0):g} {_up(0):g}L{_across(1):g} {_up(1):g}", "guide")


def _across(value: float) -> float:
    return _MARGIN + _SIDE * value


def _up(value: float) -> float:
    return _MARGIN / 2 + _SIDE * (1 - value)


def _colour(index: int) -> str:
    return f"var(--c{index % _COLOURS})"


def _number(value: float) -> str:
    return f"{value:.1f}"


def _short(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _path(points: str, kind: str) -> Html:
    return tag("path", d=points, class_=kind)


def _text(x: str, y: float, content: str, anchor: str, *, faint: bool = False) -> Html:
    kind = {"class_": "faint"} if faint else {}
    return tag("text", content, x=x, y=_number(y), text_anchor=anchor, **kind)


def _svg(width: float, height: float, parts: Iterable[Html]) -> Html:
    size = {"width": _number(width), "height": _number(height)}
    return tag("svg", joined(parts), viewBox=f"0 0 {width:g} {height:g}", role="img", **size)
