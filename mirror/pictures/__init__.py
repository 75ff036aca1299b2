"""TODO page of pictures."""
