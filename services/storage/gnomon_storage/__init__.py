"""How services keep what they know in SQL: one way to read, write and migrate, on either engine."""
