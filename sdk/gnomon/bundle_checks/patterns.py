"""Whether a regular expression of a tokenizer can be made to run for ever.

The library (Oniguruma, in the syntax of Ruby) matches by trying and going
back. What is known is allowed by the policy; anything else must be simple
enough that a text of n characters costs at most about n² times a constant: one
unbounded repetition a branch, of one character or class, and none of a group;
no references, no recursion; and all ways through the rest together are few.
What is not surely read as the library reads it is refused.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

_LONGEST = 2_000
_MOST_REPEATED = 64
_MOST_STEPS = 2_000
_DEEPEST = 32
_COUNTED = re.compile(r"\{(?:(\d{1,9})(,)?(\d{1,9})?|(,)(\d{1,9}))\}")
_GROUP = re.compile(r"\((?:\?(?:([im]{0,2}):|=|!|>)|(?![?*]))")
_ESCAPE = r"\\(?:[pP]\{[^{}]{1,40}\}|[wWsSdDhHbBAzZrntfvae]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[^\w\s])"
_ESCAPED = re.compile(_ESCAPE, re.ASCII)
_CLASS = re.compile(rf"\[\^?(?:{_ESCAPE}|\[:\^?[a-z]{{1,20}}:\]|[^\[\]\\])+\]", re.ASCII)
# In any case, `ß` is also `ss`: then a class that has both `s` and `ß` reads a text in several ways.
_FOLDED_CLASS = re.compile(r"\[[A-Za-z0-9 '-]+\]")


def problem(pattern: str) -> str | None:
    """Return why a pattern is refused; None if it is harmless."""
    if len(pattern) > _LONGEST:
        return f"has {len(pattern)} characters; at most {_LONGEST} are allowed"
    try:
        _Scan(pattern).whole()
    except _RefusedError as error:
        return str(error)
    return None


class _RefusedError(ValueError):
    """The pattern is refused; says why."""


def _refuse(why: str) -> NoReturn:
    raise _RefusedError(why)


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a part costs at one place of a text: steps of all its ways, an unbounded repetition counted once.

    `unbounded`: how many such repetitions its worst branch has.
    """

    steps: int = 0
    ways: int = 1
    unbounded: int = 0

    def then(self, other: "_Cost") -> "_Cost":
        if self.unbounded + other.unbounded > 1:
            _refuse("repeats without bound twice in one branch")
        steps = self.steps + self.ways * other.steps
        return _Cost(steps, self.ways * other.ways, self.unbounded + other.unbounded).checked()

    def either(self, other: "_Cost") -> "_Cost":
        unbounded = max(self.unbounded, other.unbounded)
        return _Cost(self.steps + other.steps, self.ways + other.ways, unbounded).checked()

    def repeated(self, low: int, high: int) -> "_Cost":
        powers = [self.ways**count for count in range(high + 1)]
        steps = self.steps * sum(powers[:high])
        return _Cost(steps, sum(powers[low:]), self.unbounded).checked()

    def checked(self) -> "_Cost":
        if max(self.steps, self.ways) > _MOST_STEPS:
            _refuse(f"tries more than {_MOST_STEPS} steps at one place")
        return self


_ONE = _Cost(1)


class _Scan:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def whole(self) -> None:
        self._branches(0, folds=False)
        if self._at < len(self._pattern):
            _refuse("closes a group that is not open")

    def _next(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _branches(self, depth: int, *, folds: bool) -> _Cost:
        cost = self._branch(depth, folds=folds)
        while self._next() == "|":
            self._at += 1
            cost = cost.either(self._branch(depth, folds=folds))
        return cost

    def _branch(self, depth: int, *, folds: bool) -> _Cost:
        cost = _Cost()
        while self._next() not in ("", "|", ")"):
            is_group = self._next() == "("
            part = self._group(depth, folds=folds) if is_group else self._atom(folds=folds)
            cost = cost.then(self._repeated(part, is_group))
        return cost

    def _group(self, depth: int, *, folds: bool) -> _Cost:
        begun = _GROUP.match(self._pattern, self._at)
        if begun is None:
            _refuse("has a group of a kind that is not known")
        if depth >= _DEEPEST:
            _refuse(f"has groups in groups, more than {_DEEPEST} deep")
        self._at = begun.end()
        cost = self._branches(depth + 1, folds=folds or "i" in (begun[1] or ""))
        if self._next() != ")":
            _refuse("has a group that is not closed")
        self._at += 1
        return cost

    def _atom(self, *, folds: bool) -> _Cost:
        """Step over one character or class."""
        character = self._next()
        if character in "*+?":
            _refuse("repeats nothing, or a repetition")
        if character == "\\":
            found = _ESCAPED.match(self._pattern, self._at)
        elif character == "[":
            found = _CLASS.match(self._pattern, self._at)
        else:
            found = re.compile(".", re.DOTALL).match(self._pattern, self._at)
        if found is None or "&&" in found[0]:
            _refuse(f"has a class or an escape that is not known: {self._pattern[self._at :][:10]!a}")
        if folds and not self._folds_simply(found[0]):
            _refuse("takes more than ASCII in any case")
        self._at = found.end()
        return _ONE

    def _folds_simply(self, atom: str) -> bool:
        if atom[0] == "[":
            return _FOLDED_CLASS.fullmatch(atom) is not None
        return atom.isascii() and not (atom[0] == "\\" and atom[1].isalnum())

    def _repeated(self, part: _Cost, is_group: bool) -> _Cost:
        """Read the repetition behind an atom or a group, and judge it."""
        found = self._bounds()
        if found is None:
            return part
        low, high = found
        if high is None:
            if is_group:
                _refuse("repeats a group without bound")
            return _Cost(part.steps, part.ways, 1)
        if high > _MOST_REPEATED:
            _refuse(f"repeats up to {high} times; at most {_MOST_REPEATED}, or without bound, is allowed")
        if high > 1 and part.unbounded:
            _refuse("repeats a group that repeats without bound")
        return part.repeated(low, high)

    def _bounds(self) -> tuple[int, int | None] | None:
        """Return how often the last atom or group must and may stand: None without bound; None: just once."""
        character, counted = self._next(), _COUNTED.match(self._pattern, self._at)
        bounds: tuple[int, int | None]
        if character and character in "*+?":
            bounds = (int(character == "+"), 1 if character == "?" else None)
            self._at += 1
            ends = "?+"  # lazy, possessive
        elif counted is not None:
            bounds = _counts(counted)
            self._at = counted.end()
            ends = "?"  # lazy, or may be left out; a plus would repeat it
        else:
            return None
        if self._next() and self._next() in ends:
            bounds = (0, bounds[1])
            self._at += 1
        if (self._next() and self._next() in "*+?") or _COUNTED.match(self._pattern, self._at):
            _refuse("repeats a repetition")
        return bounds


def _counts(counted: re.Match[str]) -> tuple[int, int | None]:
    low, comma, high = int(counted[1] or 0), counted[2] or counted[4], counted[3] or counted[5]
    if high is None:
        return low, None if comma else low
    return min(low, int(high)), max(low, int(high))  # the library takes them in either order
