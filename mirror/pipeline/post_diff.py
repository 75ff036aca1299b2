"""An edit of a post -> its unified diff, as `git apply` takes it. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Literal

from mirror.markdown import spell, splice
from mirror.model import Reference, Span
from mirror.pipeline.post_edit import PostEdit
from mirror.urls.redact import hide_secrets


def diff(edit: PostEdit) -> Iterator[str]:
    """Yield the lines of a unified diff of the post, without the secrets that stand in it.

    Encoded as `diff_encoding` says, `git apply` takes it from the folder of the configuration, but
    not for a post with secrets or in UTF-16.
    """
    encoding = edit.scanned_post.encoding
    old = {
        ref.span: _without_secret(ref)
        for ref in edit.before.references
        if ref.url.raw != ref.url.public
    }
    new = old | {each.reference.span: each.text for each in edit.edits}
    before, after = (
        # What is no reference, such as a link to a file, may be signed as well.
        _lines(
            hide_secrets(splice(edit.before.data, encoding, sorted(texts.items())).decode(encoding))
        )
        for texts in (old, new)
    )
    blocks = list(_edited_lines(edit.before.data, encoding, old, new))
    name = edit.before.name
    yield f"--- {_git_name(f'a/{name}')}\n"
    yield f"+++ {_git_name(f'b/{name}')}\n"
    for group in _KnownMatcher(_opcodes(before, after, blocks)).get_grouped_opcodes():
        yield from _hunk(group, before, after)


def _without_secret(reference: Reference) -> str:
    """Return the URL without its secret, as the post spells it; where that cannot be, printed."""
    try:
        return spell(reference.url.public, reference.quoting)
    except ValueError:
        return str(reference.url)


_Block = tuple[int, int, int, int]
"""Lines of a post before and after: start, stop, start, stop."""
_Opcode = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]
"""A step of a diff, as `difflib` has it: a tag and a block."""


class _KnownMatcher(SequenceMatcher[str]):
    """Groups the steps of a diff. To search for them would take the square of the lines."""

    def __init__(self, opcodes: Iterable[_Opcode]) -> None:
        super().__init__()
        self._opcodes = list(opcodes)

    def get_opcodes(self) -> list[_Opcode]:
        return self._opcodes


def _edited_lines(
    data: bytes, encoding: str, old: Mapping[Span, str], new: Mapping[Span, str]
) -> Iterator[_Block]:
    """Yield the lines that the texts of `old` and of `new` stand on, in order.

    Each span of `old` is one of `new` too.
    """
    done = line = new_line = 0
    block: _Block | None = None
    for span in sorted(new):
        gap = data[done : span.start].decode(encoding).count("\n")
        if block is None or gap:
            if block is not None:
                yield block
            line, new_line = line + gap, new_line + gap
            block = (line, line + 1, new_line, new_line + 1)
        before = old[span] if span in old else data[span.start : span.stop].decode(encoding)
        line, new_line = line + before.count("\n"), new_line + new[span].count("\n")
        block = (block[0], line + 1, block[2], new_line + 1)
        done = span.stop
    if block is not None:
        yield block


def _opcodes(
    before: Sequence[str], after: Sequence[str], blocks: Iterable[_Block]
) -> Iterator[_Opcode]:
    """Yield the steps of a diff: lines outside of `blocks` are equal."""
    changes: list[_Block] = []
    for block in blocks:
        start, stop, new_start, new_stop = block
        if before[start:stop] == after[new_start:new_stop]:
            continue
        if changes and changes[-1][1] == start:
            first, _, new_first, _ = changes.pop()
            block = first, stop, new_first, new_stop
        changes.append(block)
    done = new_done = 0
    for start, stop, new_start, new_stop in changes:
        if start > done:
            yield "equal", done, start, new_done, new_start
        yield "replace", start, stop, new_start, new_stop
        done, new_done = stop, new_stop
    if done < len(before):
        yield "equal", done, len(before), new_done, len(after)


def _hunk(
    group: Sequence[tuple[str, int, int, int, int]], before: Sequence[str], after: Sequence[str]
) -> Iterator[str]:
    """Yield the lines of one hunk of a unified diff."""
    start, stop, new_start, new_stop = group[0][1], group[-1][2], group[0][3], group[-1][4]
    yield f"@@ -{_range(start, stop)} +{_range(new_start, new_stop)} @@\n"
    for tag, start, stop, new_start, new_stop in group:
        sides = [(" ", before[start:stop])]
        if tag == "replace":
            sides = [("-", before[start:stop]), ("+", after[new_start:new_stop])]
        for sign, lines in sides:
            for line in lines:
                if line.endswith("\n"):
                    yield sign + line
                else:
                    yield f"{sign}{line}\n"
                    yield "\\ No newline at end of file\n"


def _range(start: int, stop: int) -> str:
    """Return the first line, from 1, and the number of lines if it is not one."""
    return f"{start + 1}" if stop - start == 1 else f"{start + 1},{stop - start}"


def diff_encoding(edit: PostEdit) -> str:
    """Return the encoding in which the lines of a diff are those of the post.

    A patch of UTF-16 would have no line ends that `git` finds, so its diff is in UTF-8.
    """
    return "gb18030" if edit.scanned_post.encoding == "gb18030" else "utf-8"


_GIT_ESCAPES = {
    ord(char): f"\\{letter}" for char, letter in zip('"\\\a\b\t\n\v\f\r', '"\\abtnvfr', strict=True)
}


def _git_name(name: str) -> str:
    """Return a path as `git diff` spells it: quoted, or with a tab behind a name with blanks.

    https://git-scm.com/docs/git-config#Documentation/git-config.txt-corequotePath
    """
    quoted = "".join(
        _GIT_ESCAPES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}")
        for byte in os.fsencode(name)
    )
    if quoted != name:
        return f'"{quoted}"'
    return f"{name}\t" if " " in name else name


def _lines(text: str) -> list[str]:
    """Split behind line feeds only, as `diff` and `git` do: a CR belongs to its line."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
