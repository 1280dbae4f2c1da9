"""Datasets and runs: the rules, in pure Python."""
