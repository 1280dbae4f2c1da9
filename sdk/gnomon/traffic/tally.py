"""What an import counted: what was read, left out, malformed and redacted."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_SHOWN = 5


@dataclass(slots=True)
class Tally:
    """Counts that grow while rows are read.

    `spans` were read; `rows` came out. `left_out` counts spans (traces and
    sessions, where these are the rows) by why they gave no row. `malformed`
    counts by reason what could not be read, and `places` holds where the first
    few of each are. `redacted` counts replacements by kind.
    """

    spans: int = 0
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    malformed: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=dict)
    redacted: Counter[str] = field(default_factory=Counter)

    def add_malformed(self, reason: str, place: str) -> None:
        self.malformed[reason] += 1
        places = self.places.setdefault(reason, [])
        if len(places) < _SHOWN:
            places.append(place)

    def add(self, other: "Tally") -> None:
        """Add what was counted of another part."""
        self.spans += other.spans
        self.rows += other.rows
        self.left_out += other.left_out
        self.malformed += other.malformed
        self.redacted += other.redacted
        for reason, places in other.places.items():
            held = self.places.setdefault(reason, [])
            held += places[: _SHOWN - len(held)]

    def as_dict(self) -> dict[str, Any]:
        return {
            "spans": self.spans,
            "rows": self.rows,
            "left_out": dict(self.left_out),
            "malformed": {
                reason: {"count": count, "first": self.places[reason]}
                for reason, count in self.malformed.most_common()
            },
            "redacted": dict(self.redacted),
        }
