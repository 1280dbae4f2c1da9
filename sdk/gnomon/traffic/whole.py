"""Traces and sessions of the spans that were gathered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gnomon.traffic.grouping import Gathered, Stored
from gnomon.traffic.reading import EMPTY, NO_SESSION, NOT_DRAWN, TOO_LARGE, UNWANTED
from gnomon.traffic.rows import Row, session_row, tags_of, trace_cell, trace_row
from gnomon.traffic.tally import Tally


@dataclass(frozen=True, slots=True)
class Whole:
    """Yields rows, one in memory at a time, and counts what gives none."""

    gathered: Gathered
    most_spans: int
    tally: Tally

    def traces(self) -> Iterator[Row]:
        for stored in self.gathered.traces():
            if self._takes([stored]):
                spans = self.gathered.spans(stored.trace_id)
                if cell := trace_cell(stored.trace_id, spans):
                    yield trace_row(stored, spans, cell)
                else:
                    self.tally.left_out[EMPTY] += 1

    def sessions(self) -> Iterator[Row]:
        if alone := self.gathered.traces_without_session():
            self.tally.left_out[NO_SESSION] += alone
        for session_id, is_drawn, traces in self.gathered.sessions():
            if not is_drawn:
                self.tally.left_out[NOT_DRAWN] += 1
            elif self._takes(traces):
                if row := self._session(session_id, traces):
                    yield row
                else:
                    self.tally.left_out[EMPTY] += 1

    def _session(self, session_id: str, traces: Sequence[Stored]) -> Row | None:
        found = [(stored, self.gathered.spans(stored.trace_id)) for stored in traces]
        held = [cell for stored, spans in found if (cell := trace_cell(stored.trace_id, spans))]
        tags = tags_of([span for _, spans in found for span in spans])
        return session_row(session_id, traces[0].started_ns, held, tags) if held else None

    def _takes(self, traces: Sequence[Stored]) -> bool:
        if not any(stored.is_wanted for stored in traces):
            self.tally.left_out[UNWANTED] += 1
            return False
        if sum(stored.span_count for stored in traces) > self.most_spans:
            self.tally.left_out[TOO_LARGE] += 1
            return False
        return True
