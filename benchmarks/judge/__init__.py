"""What a judge's work costs beside what the endpoint takes for it."""
