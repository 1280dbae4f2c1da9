"""Gnomon: small calibrated evaluators for LLM applications."""
