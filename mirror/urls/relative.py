"""Relative URLs of posts, as paths from the folder of `mirror.toml`, and back. Pure.

Such a path is percent-encoded and has no `/` in front: `docs/mirror/a%20b.png`. A fragment and a
query stay behind it.
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import quote, unquote_to_bytes

_NOT_RELATIVE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:|[/\\#?]|\Z")


def encoded(path: str) -> str:
    """Return a path percent-encoded: ASCII, the same spelling in every syntax of a post."""
    return quote(path.encode("utf-8", "surrogateescape"), safe="/-._~=,")


def from_root(url: str, post: str) -> str:
    """Return the path that a relative URL in `post` means; any other URL as it is.

    `post` is the name of the post, which counts from the folder of `mirror.toml`.
    """
    if _NOT_RELATIVE.match(url):
        return url
    end = min(at for at in (url.find("?"), url.find("#"), len(url)) if at >= 0)
    segments = (
        quote(unquote_to_bytes(segment.encode("utf-8", "surrogatepass")), safe="-._~=,")
        for segment in url[:end].split("/")
    )
    path = posixpath.join(_folder(post), *segments)
    return posixpath.normpath(path) + url[end:]


def is_path_from_root(url: str) -> bool:
    """Return True for a path that counts from the folder of `mirror.toml`, or leads out of it."""
    return not _NOT_RELATIVE.match(url)


def from_post(path: str, post: str) -> str:
    """Return the relative URL by which `post` reaches a path: the inverse of `from_root`.

    It begins with a dot, which some generators need to take it for a file beside the post.
    """
    folder = _folder(post)
    # Behind a `/`, so that the current directory of the process does not count.
    relative = posixpath.relpath(f"/{path}", f"/{folder}")
    return relative if relative.startswith("../") else f"./{relative}"


def _folder(post: str) -> str:
    return encoded(posixpath.dirname(post))
