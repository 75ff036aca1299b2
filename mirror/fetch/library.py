"""httpx without its command line, which imports as much again: rich, Pygments and click."""

import sys

# The documented way to make an import fail; httpx goes without the module then.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

import httpx  # noqa: E402  (behind the line above)

__all__ = ["httpx"]
