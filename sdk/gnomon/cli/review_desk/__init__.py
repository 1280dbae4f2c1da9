"""Where one person labels rows: `desk` knows what a decision does, `screen` is the terminal."""
