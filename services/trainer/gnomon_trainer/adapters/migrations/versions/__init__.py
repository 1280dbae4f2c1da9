"""Alembic migrations of the trainer's database."""
