"""Gnomon: small calibrated evaluators for LLM applications.

import gnomon

with gnomon.Client() as client:
    client.score("toxicity", output="…").flagged
"""

from gnomon import errors, webhooks
from gnomon._async.client import AsyncClient
from gnomon._sync.client import Client
from gnomon._trace_context import trace_context
from gnomon.instances import Document, Message, Session, Span, Tool, ToolCall, Trace

__all__ = [
    "AsyncClient",
    "Client",
    "Document",
    "Message",
    "Session",
    "Span",
    "Tool",
    "ToolCall",
    "Trace",
    "errors",
    "trace_context",
    "webhooks",
]
