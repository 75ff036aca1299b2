"""The diff of a post that changes is one that `git apply` takes."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from mirror.pipeline.post_diff import diff
from mirror.pipeline.post_edit import Edit, PostEdit, edit_post
from mirror.pipeline.scan import scan
from mirror.posts import Post

SOURCE = "https://h.example/a.png"


def test_a_diff_of_many_lines_takes_linear_time_and_can_be_applied(tmp_path: Path) -> None:
    path = tmp_path / "post.md"
    text = f"![]({SOURCE})\ntext\n" * 6_000 + f'<img src="{SOURCE}">\n![]({SOURCE})'
    path.write_text(text)
    (scanned,) = scan([Post("post.md", path)]).posts
    new = "https://img.example/a.png"
    edit = edit_post(scanned, text.encode(), [Edit(ref, new, new) for ref in scanned.references])
    assert isinstance(edit, PostEdit)
    start = time.process_time()
    patch = diff(edit)
    assert time.process_time() - start < 5
    subprocess.run(["git", "apply", "-"], input=patch, text=True, cwd=tmp_path, check=True)
    assert path.read_text() == text.replace(SOURCE, new)
