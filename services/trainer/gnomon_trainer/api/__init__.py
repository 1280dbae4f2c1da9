"""The trainer's servicers: proto → domain → proto."""
