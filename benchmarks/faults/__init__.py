"""What is left of Gnomon's promises when its processes are killed, stopped, starved and lied to."""
