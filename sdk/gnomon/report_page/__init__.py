"""An evaluation report as one HTML page: plots inside, nothing to fetch, no script.

It is made from the message, so that of every run and version there is one.
"""

from collections.abc import Mapping, Sequence

from gnomon.report_page import decisions, parts
from gnomon.report_page.markup import Html, joined, tag
from gnomon.report_page.style import CSS
from gnomon.v1 import resources_pb2 as pb

__all__ = ["render"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # whatever a text holds, nothing is run or fetched


def render(
    report: pb.EvaluationReport,
    title: str,
    facts: Sequence[str] = (),
    texts: Mapping[int, str] | None = None,
) -> str:
    """Return the page.

    Args:
        report: what a run or a version carries.
        title: what it is of, such as a version's name.
        facts: lines below the title, such as the test set.
        texts: of the worst rows, by their numbers; without them the page holds
            no text of users.
    """
    body = joined(
        [
            tag("h1", title),
            *(tag("p", fact, class_="faint") for fact in facts),
            parts.notes(report),
            parts.results(report),
            parts.pairs(report),
            parts.classes(report),
            parts.confusion(report),
            parts.curves(report),
            decisions.decisions(report),
            parts.slices(report),
            parts.worst_rows(report, texts or {}),
            parts.formats(report),
        ]
    )
    head = joined(
        [
            Html('<meta charset="utf-8">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            tag("title", title),
            tag("style", Html(CSS)),
        ]
    )
    return f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'
