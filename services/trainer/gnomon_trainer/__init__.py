"""The trainer: datasets in, fine-tuned and registered evaluators out."""
