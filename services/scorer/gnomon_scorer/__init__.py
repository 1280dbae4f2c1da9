"""The scorer: batched low-latency inference of registered evaluators."""
