"""The formats that traces are exported in, each a function from a file's record to its spans."""
