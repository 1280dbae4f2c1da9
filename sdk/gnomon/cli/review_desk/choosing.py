"""From what is typed to a class. Pure."""

from collections.abc import Sequence

MOST_BY_DIGITS = 99


def width(classes: int) -> int:
    """Return how many digits name a class."""
    return 1 if classes < 10 else 2


def numbered(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Return what to type for each class, with the class; nothing for those that digits do not reach."""
    digits = width(len(classes))
    return [
        (f"{place:0{digits}}" if place <= MOST_BY_DIGITS else "", label)
        for place, label in enumerate(classes, 1)
    ]


def typed(pending: str, digit: str, classes: Sequence[str]) -> tuple[str, str | None]:
    """Return what is pending after a digit, and the class if that names one.

    Digits that name no class are forgotten.
    """
    pending += digit
    if len(pending) < width(len(classes)):
        return pending, None
    place = int(pending)
    return "", classes[place - 1] if 1 <= place <= len(classes) else None


def matching(text: str, classes: Sequence[str]) -> list[str]:
    """Return the classes that a search finds: those that begin with it, then those that hold its words."""
    sought = text.casefold().strip()
    words = sought.split()
    first = [label for label in classes if label.casefold().startswith(sought)]
    others = [label for label in classes if all(word in label.casefold() for word in words)]
    return list(dict.fromkeys([*first, *others]))
