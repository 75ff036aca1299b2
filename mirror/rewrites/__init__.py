"""The memory of rewritten posts: which URL stood where, as far as it can still be told.

`manifests/rewrites.jsonl` has one line for each rewritten reference. Others use these names:

- `Rewrite` is one line. `read_lines` and `dump_lines` read and write the file, `loads` and `dumps`
  its text. `is_source` tells what may stand in it as the URL of an image.
- `Memory` answers which URL stood at each reference of a post, and returns the lines to keep
  after posts were rewritten or reverted. `PostSnapshot` is a post as it asks for it.

Read the files in this order:

1. `lines`: one line as text, and back.
2. `recall`: the lines of one post matched with its references, which may have been edited.
3. `memory`: all posts, those that were renamed or copied included.
"""

from mirror.rewrites.lines import (
    FILE_NAME,
    HEADER,
    Rewrite,
    Rewrites,
    RewritesError,
    dump_lines,
    dumps,
    is_source,
    loads,
    read_lines,
)
from mirror.rewrites.memory import Memory, PostSnapshot
from mirror.rewrites.recall import Occurrence, recall

__all__ = [
    "FILE_NAME",
    "HEADER",
    "Memory",
    "Occurrence",
    "PostSnapshot",
    "Rewrite",
    "Rewrites",
    "RewritesError",
    "dump_lines",
    "dumps",
    "is_source",
    "loads",
    "read_lines",
    "recall",
]
