"""How every Gnomon service speaks gRPC: life cycle, errors, checks, pages, logs."""
