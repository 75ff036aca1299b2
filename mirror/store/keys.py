"""The keys that every store can hold."""

from __future__ import annotations

import re
import unicodedata

from mirror.files import is_temporary
from mirror.model import Key
from mirror.store.errors import StoreError
from mirror.urls.redact import printable

# A folder may hold the objects, and NAME_MAX of Linux is 255; S3 takes keys of 1024 bytes.
_MAX_PART_BYTES, _MAX_KEY_BYTES = 255, 1024
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")  # the categories Cc and Cs


def check_key(key: str) -> Key:
    """Return `key` if every store can hold it under exactly this name.

    Raise `StoreError` otherwise. Servers and file systems treat other keys differently: some
    refuse them, some store two of them as one object, some cannot list them.
    """
    if problem := _problem(key):
        raise StoreError(f"key {printable(key)!r} {problem}; choose another `key` pattern")
    return Key(key)


def _problem(key: str) -> str | None:
    parts = key.split("/")
    if "" in parts:
        return "is empty, or has an empty part: no leading, trailing or double `/`"
    if not {".", ".."}.isdisjoint(parts):
        return "has a part `.` or `..`"
    if "\\" in key:
        return "has a backslash"
    if _CONTROL.search(key):
        return "has a control character"
    if not unicodedata.is_normalized("NFC", key):
        return "is not in Unicode normal form C"
    if any(map(is_temporary, parts)):
        return "has a part that looks like one of our unfinished files"
    if any(len(part.encode()) > _MAX_PART_BYTES for part in parts):
        return f"has a part longer than {_MAX_PART_BYTES} bytes"
    if len(key.encode()) > _MAX_KEY_BYTES:
        return f"is longer than {_MAX_KEY_BYTES} bytes"
    return None
