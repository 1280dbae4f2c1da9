"""What fills the ports: databases, file systems, model runtimes, other services."""
