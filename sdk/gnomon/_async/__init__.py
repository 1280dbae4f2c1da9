"""The client. `gnomon._sync` is made from this package by `tools/unasync.py`.

`concurrency.py` alone is written twice, by hand.
"""
