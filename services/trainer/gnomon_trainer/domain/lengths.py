"""Which rows are longer than an evaluator reads at once, and what becomes of them. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from gnomon.bundle import Windows
from gnomon.rendering import Rendered, render, shortens, template_for
from gnomon.tokens import Reading
from gnomon_trainer.domain.findings import Finding, finding
from gnomon_trainer.domain.recipes import fitting_stride
from gnomon_trainer.domain.training import MetricDefinition, Parameters, Row

_AT_ONCE = 256
_MOST_READ = 10_000  # rows of a set that are tokenized: some seconds
_SPECIAL = 8  # at least so many tokens are kept for special ones and those that no byte stands for


class TokenReaders(Protocol):
    """Reads texts with a base model's tokenizer."""

    def read(
        self, base_model: str, texts: Sequence[Rendered], max_tokens: int, windows: Windows | None
    ) -> Sequence[Reading]:
        """Return what an evaluator would read.

        Raises:
            BaseModelMissingError: the base model has no tokenizer that can be read.
        """
        ...


def length_findings(
    which: str,
    rows: Iterable[Row],
    metric: MetricDefinition,
    *,
    readers: TokenReaders,
    base_model: str,
    parameters: Parameters,
) -> Iterator[Finding]:
    """Say how many rows of the `which` set are read in windows, and how many not to their ends.

    Raises:
        BaseModelMissingError: see `TokenReaders`.
    """
    most, windows = parameters.max_tokens, windows_of(parameters)
    template = template_for(metric.input_shape)
    rendered = ((row.number, render(row.instance, template, metric.step)) for row in rows)
    # A token stands for a byte or more, so most rows of most sets need not be tokenized.
    left = islice((row for row in rendered if _bytes(row[1]) > most - _SPECIAL), _MOST_READ)
    long: list[int] = []
    cut: list[int] = []
    while batch := list(islice(left, _AT_ONCE)):
        readings = readers.read(base_model, [text for _, text in batch], most, windows)
        for (number, _), reading in zip(batch, readings, strict=True):
            if reading.truncated or len(reading.windows) > 1:
                long.append(number)
            if reading.truncated:
                cut.append(number)
    if len(long) > len(cut) and windows:
        yield finding(
            "LONG_ROWS",
            f"{len(long)} rows of the {which} set are longer than {most} tokens and are read in windows, "
            f"{windows.stride} tokens apart.",
            long,
        )
    if cut and shortens(template):
        yield finding(
            "CUT_ROWS",
            f"{len(cut)} rows of the {which} set are longer than {most} tokens and are shortened: system "
            "messages and results first, the first request and the last turns last. Raise max_tokens if "
            "that matters.",
            cut,
        )
    elif cut:
        reach = f"{windows.most} windows of {most} tokens reach" if windows else f"{most} tokens"
        yield finding(
            "CUT_ROWS",
            f"{len(cut)} rows of the {which} set are longer than {reach}: what lies beyond is not read. "
            f"Raise {'max_windows' if windows else 'max_tokens or set window_stride'} if that matters.",
            cut,
        )


def windows_of(parameters: Parameters) -> Windows | None:
    if not parameters.window_stride:
        return None
    stride = fitting_stride(parameters.window_stride, parameters.max_tokens)
    return Windows(stride, parameters.max_windows, parameters.window_reducer)


def _bytes(rendered: Rendered) -> int:
    return len(rendered.text.encode()) + len((rendered.pair or "").encode())
