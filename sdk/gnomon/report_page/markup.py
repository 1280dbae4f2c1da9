"""HTML from values. Everything that is text goes through `escaped`."""

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(value: object) -> Html:
    """Return a value as HTML; what is HTML already stays as it is."""
    return value if isinstance(value, Html) else Html(escape(str(value), quote=True))


def joined(parts: Iterable[Html]) -> Html:
    return Html("\n".join(part for part in parts if part))


def tag(name: str, *content: object, **attributes: object) -> Html:
    """Return an element; `class_` is the attribute `class`, `_` in names stands for `-`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"' for key, value in attributes.items()
    )
    return Html(f"<{name}{given}>{''.join(escaped(part) for part in content)}</{name}>")


def section(title: str, *content: Html) -> Html:
    """Return a headed section, or nothing where it would be empty."""
    inside = joined(content)
    return Html(f"{tag('h2', title)}\n{inside}") if inside else Html("")


def table(head: Sequence[object], rows: Iterable[Sequence[object]], faint: Iterable[int] = ()) -> Html:
    """Return a table; numbers stand to the right, the rows whose places are in `faint` are pale."""
    pale = set(faint)
    lines = [_row(cells, "faint" if place in pale else "") for place, cells in enumerate(rows)]
    if not lines:
        return Html("")
    heading = tag("tr", *(tag("th", cell) for cell in head))
    return tag("div", tag("table", tag("thead", heading), tag("tbody", joined(lines))), class_="wide")


def _row(cells: Sequence[object], kind: str) -> Html:
    return tag("tr", *(_cell(cell) for cell in cells), **({"class_": kind} if kind else {}))


def _cell(cell: object) -> Html:
    if isinstance(cell, Html) and cell.startswith("<td"):
        return cell
    return tag("td", cell, class_="number") if isinstance(cell, int | float) else tag("td", cell)
