"""The client without `await`, made from `gnomon._async` by `tools/unasync.py`.

`concurrency.py` alone is written twice, by hand.
"""
