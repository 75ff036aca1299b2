"""What stood where before posts were rewritten, as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from mirror.records import RecordError

HEADER = {"format": "mirror-rewrites", "version": 1}
FILE_NAME = "rewrites.jsonl"


class RewritesError(RecordError):
    """The file cannot be used: the line, what was expected, what was found."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One rewritten occurrence: `source` is the URL that stood where `target` stands now.

    `before` and `after` are short digests of the text around it in the rewritten post;
    `spelling` is how the post wrote `source`, when that is not the URL itself.
    """

    post: str
    target: str
    source: str
    before: str
    after: str
    spelling: str = ""


_REQUIRED = {"post", "target", "source", "before", "after"}


def dumps(rewrites: Iterable[Rewrite]) -> str:
    """One line an occurrence, by post; within a post the order given, which is the post's."""
    lines = [json.dumps(HEADER)]
    lines += (_dump(one) for one in sorted(rewrites, key=lambda one: one.post))
    return "\n".join(lines) + "\n"


def _dump(one: Rewrite) -> str:
    members = {name: value for name, value in asdict(one).items() if value}
    return json.dumps(members, ensure_ascii=not _is_text(one.post))


def loads(text: str) -> list[Rewrite]:
    """Inverse of `dumps`; raise `RewritesError` that names the line."""
    rewrites = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
        except (ValueError, RecursionError) as error:
            hint = "; a merge left its markers here: delete them" if line[:7] in _MARKERS else ""
            raise RewritesError(f"line {number}: expected JSON, got {line[:60]!r}{hint}") from error
        if number == 1:
            if raw != HEADER:
                raise RewritesError(f"line 1: expected {json.dumps(HEADER)}, got {line[:60]!r}")
        elif not _is_rewrite(raw):
            expected = ", ".join(sorted(_REQUIRED))
            raise RewritesError(
                f"line {number}: expected the strings {expected}, got {line[:60]!r}"
            )
        else:
            rewrites.append(Rewrite(**raw))
    return rewrites


_MARKERS = ("<<<<<<<", "=======", ">>>>>>>")


def _is_rewrite(raw: object) -> bool:
    return (
        isinstance(raw, dict)
        and _REQUIRED <= raw.keys() <= _REQUIRED | {"spelling"}
        and all(isinstance(value, str) for value in raw.values())
        and all(_is_text(value) for name, value in raw.items() if name != "post")
        and not _NO_NAME.search(raw["post"])
    )


# Bytes of a name that are no UTF-8 are half characters of this kind; no other is ever written.
_NO_NAME = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def _is_text(value: str) -> bool:
    """Whether it can be written; JSON can spell half a character."""
    return not any("\ud800" <= char <= "\udfff" for char in value)
