"""Which format a record is of, and its spans. Pure."""

from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias, get_args

from gnomon.traffic.formats import langfuse, langsmith, otlp, otlp_protobuf, phoenix
from gnomon.traffic.frames import Encoded
from gnomon.traffic.traced import Malformed, TracedSpan

Source = Literal["auto", "otlp", "openinference", "phoenix", "langfuse", "langsmith"]
SOURCES: tuple[str, ...] = get_args(Source)

Spans: TypeAlias = Iterator[TracedSpan | Malformed]
_Is: TypeAlias = Callable[[Any], bool]
_Read: TypeAlias = Callable[[Any], Spans]

_OTLP: tuple[_Is, _Read] = (otlp.is_ours, otlp.spans)
_PHOENIX: tuple[_Is, _Read] = (phoenix.is_ours, phoenix.spans)
_LANGSMITH: tuple[_Is, _Read] = (langsmith.is_ours, langsmith.spans)
_LANGFUSE: tuple[_Is, _Read] = (langfuse.is_ours, langfuse.spans)
# OpenInference is what attributes say, wherever the spans that carry them come from.
_READERS: dict[str, tuple[tuple[_Is, _Read], ...]] = {
    "auto": (_OTLP, _PHOENIX, _LANGSMITH, _LANGFUSE),
    "otlp": (_OTLP,),
    "openinference": (_OTLP, _PHOENIX),
    "phoenix": (_PHOENIX, _OTLP),
    "langfuse": (_LANGFUSE,),
    "langsmith": (_LANGSMITH,),
}
# Answers of an API, and files that hold everything in one object.
_CONTAINERS = ("data", "runs", "spans", "observations", "traces")


def reader_of(source: Source) -> _Read:
    """Return what reads the spans of a file's record."""
    readers = _READERS[source]
    unknown = Malformed(
        "is of no format that is known" if source == "auto" else f"is not what {source} exports"
    )

    def spans(record: Any, depth: int = 0) -> Spans:
        for is_ours, read in readers:
            if is_ours(record):
                return read(record)
        if isinstance(record, Malformed):
            return iter((record,))
        if isinstance(record, Encoded):
            return otlp_protobuf.spans(record)
        if isinstance(record, dict):
            record = next((record[key] for key in _CONTAINERS if isinstance(record.get(key), list)), None)
        if isinstance(record, list) and depth < 3:
            return _entries(record, depth)
        return iter((unknown,))

    def _entries(entries: list[Any], depth: int) -> Spans:
        for number, entry in enumerate(entries, 1):
            for found in spans(entry, depth + 1):
                yield otlp.within(found, f"entry {number}")

    return spans
