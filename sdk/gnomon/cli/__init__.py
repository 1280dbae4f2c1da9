"""The command line: a client like any other, and `gnomon up`, which runs the services.

One file a group of commands. `session` gives each command its options and its
client, `output` prints, `problems` turns errors into sentences and exit statuses.
"""
