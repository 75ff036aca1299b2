"""TODO page of repeats."""
