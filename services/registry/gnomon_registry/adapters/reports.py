"""Reads the report that a bundle carries."""

import json
from collections.abc import Sequence

from google.protobuf import json_format

from gnomon.bundle import REPORT_FILE
from gnomon.errors import BundleInvalidError, Violation
from gnomon.v1 import resources_pb2 as pb


def parse_report(content: bytes, warnings: Sequence[str] = ()) -> bytes:
    """Implements `ReportParser`. Fields that this release does not know are left out."""
    try:
        values = json.loads(content)
        if not isinstance(values, dict):
            raise TypeError
        json.dumps(values, ensure_ascii=False).encode()  # JSON can escape what UTF-8 cannot hold
        report = json_format.ParseDict(values, pb.EvaluationReport(), ignore_unknown_fields=True)
        report.warnings[:] = [*warnings, *report.warnings]
        return report.SerializeToString(deterministic=True)
    except (json_format.ParseError, ValueError, TypeError, RecursionError) as error:
        what = "it is not an EvaluationReport in JSON"
        raise BundleInvalidError(
            f"{REPORT_FILE} cannot be read: {what}.", violations=[Violation(REPORT_FILE, what)]
        ) from error
