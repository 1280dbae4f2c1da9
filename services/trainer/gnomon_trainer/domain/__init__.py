"""Entities, rules, use cases and ports of the service. Pure Python."""
