"""Which columns of a file a metric reads. Pure."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gnomon.errors import DatasetInvalidError, InvalidRequestError, Violation
from gnomon.instances import InputShape

LABEL = "label"
ID = "id"
OURS = ("input", "output", "documents", "tools", "messages", "trace", "session", LABEL, ID)

# What is read for a shape, as alternatives: the first that a file has is taken.
_READ: dict[InputShape, tuple[tuple[str, ...], ...]] = {
    InputShape.INPUT: (("input",),),
    InputShape.OUTPUT: (("output",),),
    InputShape.INPUT_OUTPUT: (("input",), ("output",)),
    InputShape.DOCUMENTS_INPUT: (("documents",), ("input",)),
    InputShape.DOCUMENTS_INPUT_OUTPUT: (("documents",), ("input",), ("output",)),
    InputShape.TOOLS_INPUT_OUTPUT: (("tools",), ("input",), ("output",)),
    InputShape.WHOLE_TRACE: (("messages", "trace"),),
    InputShape.WHOLE_SESSION: (("session", "messages"),),
}
_ALSO_CALLED = {"documents": "context"}


@dataclass(frozen=True, slots=True)
class Columns:
    """How a file's columns are read. `read` is from ours to the file's; it holds `id` if there is one.

    It holds `label` unless the rows have none yet. `passed_over`: those of ours that would have been read
    in place of another, and that the file lacks.
    """

    read: Mapping[str, str]
    extra: tuple[str, ...]
    passed_over: frozenset[str] = frozenset()

    @property
    def unlabelled(self) -> bool:
        return LABEL not in self.read


def needed(shape: InputShape, *, unlabelled: bool = False) -> tuple[tuple[str, ...], ...]:
    """Return what a file needs for the shape: one column of each group of alternatives."""
    return (*_READ[shape], *([] if unlabelled else [(LABEL,)]))


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Raise InvalidRequestError if a target is none of our columns, or is named twice."""
    sources: dict[str, str] = {}
    for source, target in sorted(mapping.items()):  # protobuf gives them in any order
        if target not in OURS:
            raise _bad_mapping(f"maps {source!r} to {target!r}, which is none of {', '.join(OURS)}")
        if target in sources:
            raise _bad_mapping(f"maps both {sources[target]!r} and {source!r} to {target!r}")
        sources[target] = source


def _bad_mapping(what: str) -> InvalidRequestError:
    return InvalidRequestError(f"column_mapping {what}.", violations=[Violation("column_mapping", what)])


def choose(
    found: Sequence[str], mapping: Mapping[str, str], shape: InputShape, *, unlabelled: bool = False
) -> Columns:
    """Decide which column of a file is which of ours.

    Raises:
        DatasetInvalidError: columns are missing, occur twice or have no name;
            names what was found, what is needed, and a likely mapping. Or
            `unlabelled` rows come with labels.
    """
    _check_found(found, mapping)
    ours = {mapping.get(column, column): column for column in found}
    by_ours: dict[str, str] = {}
    missing: list[tuple[str, ...]] = []
    passed_over: set[str] = set()
    if unlabelled and LABEL in ours:
        raise _labelled(ours[LABEL])
    for alternatives in needed(shape, unlabelled=unlabelled):
        name = next((a for a in alternatives if a in ours), None)
        other = _ALSO_CALLED.get(alternatives[0])
        if name is not None:
            by_ours[name] = ours[name]
            passed_over.update(alternatives[: alternatives.index(name)])
        elif other in ours:
            by_ours[alternatives[0]] = ours[str(other)]
        else:
            missing.append(alternatives)
    if missing:
        raise _missing(missing, found, mapping, needed(shape, unlabelled=unlabelled))
    if ID in ours:
        by_ours[ID] = ours[ID]
    taken = set(by_ours.values())
    extra = tuple(column for column in found if column not in taken)
    return Columns(by_ours, extra, frozenset(passed_over))


def _check_found(found: Sequence[str], mapping: Mapping[str, str]) -> None:
    unnamed = [str(place) for place, column in enumerate(found, 1) if not column.strip()]
    if unnamed:
        raise DatasetInvalidError(
            f"Column {', '.join(unnamed)} of the header has no name. Name it, or leave it out "
            "(in pandas: to_csv(…, index=False)).",
            violations=[Violation("line 1", f"column {place} has no name") for place in unnamed],
        )
    names = [mapping.get(column, column) for column in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DatasetInvalidError(
            f"The file has the column {_list(twice)} more than once. Every column needs its own name.",
            violations=[Violation(f"column {_quoted(name)}", "occurs more than once") for name in twice],
        )
    absent = sorted(set(mapping) - set(found))
    if absent:
        raise DatasetInvalidError(
            f"column_mapping names {_list(absent)}, which the file does not have. It has {_list(found)}.",
            violations=[Violation(f"column {_quoted(name)}", "is not in the file") for name in absent],
        )


def _missing(
    missing: Sequence[tuple[str, ...]],
    found: Sequence[str],
    mapping: Mapping[str, str],
    all_needed: Sequence[tuple[str, ...]],
) -> DatasetInvalidError:
    wanted = ", ".join(" or ".join(map(_quoted, alternatives)) for alternatives in all_needed)
    names = [alternatives[0] for alternatives in missing]
    return DatasetInvalidError(
        f"The file lacks the column {_list(names)}. It has {_list(found) or 'none'}; "
        f"the metric reads {wanted}{_remedy(missing, found, mapping)}",
        violations=[Violation(f"column {_quoted(name)}", "is missing") for name in names],
    )


def _labelled(column: str) -> DatasetInvalidError:
    return DatasetInvalidError(
        f"The rows were sent as unlabelled, and have the column {_quoted(column)}. Send them as labelled, or "
        "leave the column out: a judge's labels must not take the place of those of people.",
        violations=[Violation(f"column {_quoted(column)}", "must not be there")],
    )


def _remedy(missing: Sequence[tuple[str, ...]], found: Sequence[str], mapping: Mapping[str, str]) -> str:
    separators = [separator for separator in ";\t|" if len(found) == 1 and separator in found[0]]
    if separators:
        return f". Its cells seem to be separated by {separators[0]!r}; those of CSV are separated by commas."
    free = [column for column in found if mapping.get(column, column) not in OURS]
    names = (name for alternatives in missing for name in alternatives)
    likely = {match: name for name in names if (match := _closest(name, free))}
    if likely:
        pairs = ", ".join(f"{theirs!r}: {ours!r}" for theirs, ours in likely.items())
        return f"; did you mean column_mapping {{{pairs}}}?"
    if list(missing) == [(LABEL,)]:
        return ". Add it, say with column_mapping which one it is, or store the rows as unlabelled."
    return ". Rename the file's columns, or say which is which with column_mapping."


_SYNONYMS = {
    "input": ("question", "prompt", "query", "text", "user", "instruction"),
    "output": ("answer", "response", "completion", "text", "assistant", "reply"),
    "messages": ("conversation", "chat", "dialogue", "turns", "trajectory", "traj", "history"),
    "documents": ("context", "contexts", "passages", "chunks"),
    "label": ("class", "category", "target", "y", "labels", "annotation"),
}


def _closest(name: str, free: Sequence[str]) -> str | None:
    folded = {column.strip().casefold(): column for column in free}
    for candidate in (name, *_SYNONYMS.get(name, ())):
        close = difflib.get_close_matches(candidate, folded, n=1, cutoff=0.75)
        if close:
            return folded[close[0]]
    return None


def _quoted(name: str) -> str:
    return f'"{name if len(name) <= 40 else name[:40] + "…"}"'


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(_quoted, names[:20])) + (", …" if len(names) > 20 else "")
