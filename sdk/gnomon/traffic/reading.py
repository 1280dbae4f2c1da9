"""From records of files to spans that are wanted, redacted; and what is left out and malformed, counted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from gnomon.traffic.detecting import Source, reader_of
from gnomon.traffic.filters import Filter, Wanted
from gnomon.traffic.formats.otlp import MISSHAPEN, OTHER_SHAPE
from gnomon.traffic.grouping import StoredSpan, stored_span
from gnomon.traffic.redacting import redact
from gnomon.traffic.redaction import Redactor, new_key
from gnomon.traffic.rows import Row, span_row
from gnomon.traffic.tally import Tally
from gnomon.traffic.traced import TracedSpan
from gnomon.traffic.writing import lines_of

_SPANS_AT_ONCE = 2_000

# Why spans, and traces and sessions once they are put together, gave no row.
OTHER = "spans that are no call of a model, tool, retriever or agent"
EMPTY = "without input, output and documents"
UNWANTED = "not asked for"
NOT_DRAWN = "not in the sample"
SPANS_NOT_DRAWN = "spans of traces not in the sample"
NO_SESSION = "traces of no session"
TOO_LARGE = "of too many spans"

# What is read of one file, such as `traces.jsonl, line`, and its records with their numbers.
Records = tuple[str, Iterable[tuple[int, Any]]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of records, and how."""

    source: Source
    wanted: Wanted
    redactions: tuple[str, ...]
    key: bytes = field(default_factory=new_key, repr=False)  # one an import, in all of its processes

    def spans(self, files: Iterable[Records], tally: Tally) -> Iterator[TracedSpan]:
        """Yield the spans that become rows of their own."""
        asked = Filter(self.wanted)
        redactor = Redactor(self.redactions, tally.redacted, self.key)
        for span in self._read(files, tally):
            if span.kind is None:
                tally.left_out[OTHER] += 1
            elif not span.has_content:
                tally.left_out[EMPTY] += 1
            elif not asked.wants(span):
                tally.left_out[UNWANTED] += 1
            elif not asked.draws(span.trace_id):
                tally.left_out[NOT_DRAWN] += 1
            else:
                redact(span, redactor)
                yield span

    def lines(self, files: Iterable[Records], tally: Tally) -> Iterator[bytes]:
        """Yield the spans' rows as JSON Lines, some at a time."""
        return lines_of(counted(map(span_row, self.spans(files, tally)), tally))

    def stored(self, files: Iterable[Records], tally: Tally, *, draws: bool) -> Iterator[list[StoredSpan]]:
        """Yield all spans, some at a time, as they are stored to be put together.

        With `draws`, those of traces that are not in the sample are left out.
        """
        spans = self._stored(files, tally, draws=draws)
        while some := list(islice(spans, _SPANS_AT_ONCE)):
            yield some

    def _stored(self, files: Iterable[Records], tally: Tally, *, draws: bool) -> Iterator[StoredSpan]:
        asked = Filter(self.wanted)
        redactor = Redactor(self.redactions, tally.redacted, self.key)
        for span in self._read(files, tally):
            if draws and not asked.draws(span.trace_id):
                tally.left_out[SPANS_NOT_DRAWN] += 1
                continue
            is_wanted = asked.wants(span)
            is_drawn = draws or asked.draws(span.session_id)  # by what the session is called before redaction
            if not span.has_content:
                span.attributes = {}  # of what only holds its place in the tree, nothing else is stored
            redact(span, redactor)
            yield stored_span(span, is_wanted, is_drawn)

    def _read(self, files: Iterable[Records], tally: Tally) -> Iterator[TracedSpan]:
        read = reader_of(self.source)
        for place, records in files:
            for number, record in records:
                try:
                    for span in read(record):
                        if isinstance(span, TracedSpan):
                            tally.spans += 1
                            yield span
                        else:
                            inside = f", {span.inside}" if span.inside else ""
                            tally.add_malformed(span.reason, f"{place} {number}{inside}")
                except OTHER_SHAPE:  # of the record around its spans
                    tally.add_malformed(MISSHAPEN.reason, f"{place} {number}")


def counted(rows: Iterable[Row], tally: Tally) -> Iterator[Row]:
    """Yield the rows, and count them."""
    for row in rows:
        tally.rows += 1
        yield row
