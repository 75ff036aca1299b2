"""TODO page of urls."""
