"""Whether a regular expression of a tokenizer can be made to run for ever.

The library matches by trying and going back. What is known is allowed by the
policy; anything else must be simple enough that a text of n characters costs
at most about n² steps: one unbounded repetition a branch, of one character or
class, and none of a group; no references, no recursion.
"""

import re

_LONGEST = 2_000
_MOST_REPEATED = 64
_COUNTED = re.compile(r"\{(\d{1,9})?(,)?(\d{1,9})?\}")
_REFERENCE = re.compile(r"\\(?:[1-9]|[gk]<)")
_PLAIN_GROUP = re.compile(r"\?(?:[imsx-]{0,5}:|=|!|>)")


def problem(pattern: str) -> str | None:
    """Return why a pattern is refused; None if it is harmless."""
    if len(pattern) > _LONGEST:
        return f"has {len(pattern)} characters; at most {_LONGEST} are allowed"
    return _Scan(pattern).problem()


class _Scan:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def problem(self) -> str | None:
        counts = [0]  # unbounded repetitions of the current branch, a level of groups each
        while self._at < len(self._pattern):
            character = self._pattern[self._at]
            is_group = character == ")"
            inside = 0
            if character == "(":
                self._at += 1
                if self._pattern.startswith("?", self._at):
                    plain = _PLAIN_GROUP.match(self._pattern, self._at)
                    if plain is None:
                        return "has a group of a kind that is not known"
                    self._at = plain.end()
                counts.append(counts[-1])
                continue
            if character == "|":
                self._at += 1
                counts[-1] = counts[-2] if len(counts) > 1 else 0
                continue
            if is_group:
                if len(counts) == 1:
                    return "closes a group that is not open"
                inside = counts.pop() - counts[-1]
                counts[-1] += inside
                self._at += 1
            elif found := self._atom():
                return found
            if found := self._quantified(is_group, inside, counts):
                return found
        return None if len(counts) == 1 else "has a group that is not closed"

    def _atom(self) -> str | None:
        """Step over one character or class."""
        if _REFERENCE.match(self._pattern, self._at):
            return "refers to a group"
        character = self._pattern[self._at]
        if character == "\\":
            named = re.compile(r"\\[pP]\{[^{}]{1,40}\}").match(self._pattern, self._at)
            self._at = named.end() if named else self._at + 2
        elif character == "[":
            return self._class()
        else:
            self._at += 1
        return None

    def _class(self) -> str | None:
        depth, begin = 0, self._at
        while self._at < len(self._pattern):
            character = self._pattern[self._at]
            if character == "\\":
                self._at += 1
            elif character == "[":
                depth += 1
            elif character == "]" and self._at > begin + 1:
                depth -= 1
                if not depth:
                    self._at += 1
                    return None
            self._at += 1
        return "has a class that is not closed"

    def _quantified(self, is_group: bool, inside: int, counts: list[int]) -> str | None:  # noqa: PLR0911
        """Read the repetition behind an atom or a group, and judge it."""
        most = self._most()
        if most == 1:
            return None
        if most is None:
            counts[-1] += 1
            if is_group:
                return "repeats a group without bound"
            if counts[-1] > 1:
                return "repeats without bound twice in one branch"
        elif most > _MOST_REPEATED:
            return f"repeats up to {most} times; at most {_MOST_REPEATED}, or without bound, is allowed"
        elif is_group and inside:
            return "repeats a group that repeats without bound"
        if self._pattern[self._at : self._at + 1] in ("*", "+", "{"):
            return "repeats a repetition"
        return None

    def _most(self) -> int | None:
        """Return how often the last atom may stand; None without bound."""
        character = self._pattern[self._at : self._at + 1]
        most: int | None = 1
        if character in ("*", "+"):
            most, self._at = None, self._at + 1
        elif character == "?":
            self._at += 1
            return 1
        elif character == "{" and (counted := _COUNTED.match(self._pattern, self._at)):
            self._at = counted.end()
            low, comma, high = counted.groups()
            most = None if comma and high is None else int(high or low or 0)
        else:
            return 1
        if self._pattern[self._at : self._at + 1] in ("?", "+"):  # lazy, possessive
            self._at += 1
        return most
