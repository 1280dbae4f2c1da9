"""What the domain's ports are made of: SQLAlchemy, files, torch, the registry."""
