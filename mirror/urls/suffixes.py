"""The ends of the names of pictures."""

from __future__ import annotations

IMAGE_SUFFIXES = "png|jpe?g|jpe|jfif|gif|webp|avif|bmp|tiff?|ico|svg|apng|heic"
"""Alternatives of a regular expression, without the dot."""
