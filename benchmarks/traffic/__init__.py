"""How fast traces are imported, and in how much memory."""
