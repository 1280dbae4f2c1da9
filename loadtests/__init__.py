"""Load tests of a scorer, judged by service objectives. See README.md."""
