"""Generated from protos/gnomon/v1 by tools/protos.py: never edit."""
