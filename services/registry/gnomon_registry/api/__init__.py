"""The registry's RPCs: from messages to use cases and back, and nothing else."""
