"""Types of columns that are alike in every database."""

from sqlalchemy import BigInteger
from sqlalchemy import Integer as ShortInteger

# SQLite's INTEGER has 64 bits, and only what is called so counts by itself.
Integer = BigInteger().with_variant(ShortInteger, "sqlite")
