"""The catalog's schema, step by step. Applied at start-up by `Database.migrate`.

A new step is a file in `versions`, written by hand, whose `down_revision` is
the newest one's `revision`. Steps that were released never change.
"""
