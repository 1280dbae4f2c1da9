"""JSON of any length, value by value: a line each, or one after the other, or the entries of an array."""

import codecs
import json
from collections.abc import Callable, Iterator
from typing import IO, Any

from gnomon.traffic.json_text import orjson
from gnomon.traffic.traced import Malformed

MOST_BYTES = 256 * 1024 * 1024  # of one record; with what it is read into, it takes several times that
_PART_BYTES = 1 << 20
_TOO_LONG = Malformed(f"is longer than {MOST_BYTES // 1024**2} MiB")
_BETWEEN = " \t\r\n,"


def cut_off(error: Exception) -> Malformed:
    return Malformed(f"cannot be read from here on: {str(error)[:80]}")


def lines(file: IO[bytes], most_bytes: int = MOST_BYTES) -> Iterator[tuple[int, Any]]:
    """Yield the value of each line that is not empty, with the line's number."""
    loads, failure = orjson().loads, orjson().JSONDecodeError
    number = 0
    while line := file.readline(most_bytes):
        number += 1
        if len(line) == most_bytes and not line.endswith(b"\n"):
            skip_line(file)
            yield number, _TOO_LONG
            continue
        try:
            yield number, loads(line)
        except failure as error:
            if line := line.removeprefix(codecs.BOM_UTF8).strip():
                yield number, _value(line, loads, failure) if number == 1 else _not_json(error)


def _value(text: bytes, loads: Callable[[bytes], Any], failure: type[Exception]) -> Any:
    try:
        return loads(text)
    except failure as error:
        return _not_json(error)


def _not_json(error: Exception) -> Malformed:
    return Malformed(f"is not JSON: {getattr(error, 'msg', error)}".split(": line ")[0][:80])


def skip_line(file: IO[bytes]) -> None:
    """Read on to the next line."""
    while part := file.readline(_PART_BYTES):
        if part.endswith(b"\n"):
            return


def values(file: IO[bytes], most_bytes: int = MOST_BYTES) -> Iterator[tuple[int, Any]]:
    """Yield the values that stand one after the other, and the entries of arrays among them, numbered.

    The standard library finds where a value ends, and orjson reads it, as it
    does lines. Behind a value that is not JSON nothing can be found any more.
    """
    loads, failure = orjson().loads, orjson().JSONDecodeError
    window = _Window(file, most_bytes)
    window.skip(_BETWEEN + "\ufeff")
    number, is_array = 0, False
    while window.skip(_BETWEEN):
        if window.starts_with("]" if is_array else "["):
            window.drop(1)
            is_array = not is_array
            continue
        number += 1
        text = window.take_value()
        if text is None:
            yield number, window.problem
            return
        yield number, _value(text.encode("utf-8", "replace"), loads, failure)
    if is_array:
        yield number + 1, Malformed("is missing: the array does not end (was the file cut off?)")


class _Window:
    """The part of a file's text that is looked at."""

    def __init__(self, file: IO[bytes], most_bytes: int) -> None:
        self._file = file
        self._most = most_bytes
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        # Only the end is looked for: what orjson refuses in it costs one value, and no number is too long.
        self._scan = json.JSONDecoder(strict=False, parse_int=str, parse_float=str).raw_decode
        self._text, self._place, self._ended = "", 0, False
        self.problem = Malformed("")

    def skip(self, characters: str) -> bool:
        """Go to the next character that is none of these; tell whether there is one."""
        while True:
            while self._place < len(self._text) and self._text[self._place] in characters:
                self._place += 1
            if self._place < len(self._text):
                return True
            if not self._more():
                return False

    def starts_with(self, character: str) -> bool:
        return self._text.startswith(character, self._place)

    def drop(self, count: int) -> None:
        self._place += count

    def take_value(self) -> str | None:
        """Return the text of the next value; None if there is no whole one, and `problem` says why."""
        while True:
            try:
                _, end = self._scan(self._text, self._place)
                if end < len(self._text) or self._ended:  # a number may go on in the next part
                    text = self._text[self._place : end]
                    self._place = end
                    return text
                what = "it is cut off"
            except json.JSONDecodeError as error:
                what = error.msg
            except RecursionError:
                self.problem = Malformed("is nested too deep")
                return None
            if len(self._text) - self._place > self._most:
                self.problem = _TOO_LONG
                return None
            if not self._more(len(self._text) - self._place):
                self.problem = Malformed(f"is not JSON, nor is what follows: {what}")
                return None

    def _more(self, at_least: int = 0) -> bool:
        """Read on, as much again as a value that is not whole yet has; tell whether there was more."""
        if self._ended:
            return False
        part = self._file.read(max(_PART_BYTES, at_least))
        self._ended = not part
        self._text = self._text[self._place :] + self._decode(part, final=self._ended)
        self._place = 0
        return True
