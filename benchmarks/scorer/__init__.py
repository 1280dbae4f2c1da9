"""The scorer beside its raw limit and its peers, in one go. See `__main__.py`."""
