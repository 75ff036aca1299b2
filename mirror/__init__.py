"""mirror: back up, deduplicate and mirror the images of Markdown posts."""

__version__ = "0.1.0"
