"""Traces that LLM applications exported, as rows of a dataset or as instances to score.

from gnomon import traffic

for row in traffic.read("traces.jsonl.gz", wanted=traffic.Wanted(tags=("support",), sample=0.1)):
    ...

Read are OTLP (JSON and protobuf) with OpenTelemetry's GenAI conventions or
OpenInference's, and the exports of Phoenix, Langfuse and LangSmith. E-mail
addresses, phone numbers, payment cards and keys are replaced before anything is
stored. It needs `pip install 'gnomon[traffic]'`.
"""

from gnomon.traffic.detecting import Source
from gnomon.traffic.filters import Wanted
from gnomon.traffic.importing import Import, Into, read
from gnomon.traffic.redaction import Redaction
from gnomon.traffic.rows import Row
from gnomon.traffic.tally import Tally

__all__ = ["Import", "Into", "Redaction", "Row", "Source", "Tally", "Wanted", "read"]
