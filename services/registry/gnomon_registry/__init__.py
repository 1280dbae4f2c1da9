"""The registry: the catalog of metrics, their versions, aliases and artifacts."""
