"""The diff of a post that changes is one that `git apply` takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.growth import assert_linear

from mirror.pipeline.post_diff import diff
from mirror.pipeline.post_edit import Edit, PostEdit, edit_post
from mirror.pipeline.scan import scan
from mirror.posts import Post

SOURCE = "https://h.example/a.png"
NEW = "https://img.example/a.png"


def edited(path: Path, count: int) -> PostEdit:
    text = f"![]({SOURCE})\ntext\n" * count + f'<img src="{SOURCE}">\n![]({SOURCE})'
    path.write_text(text)
    (scanned,) = scan([Post("post.md", path)]).posts
    edit = edit_post(scanned, text.encode(), [Edit(ref, NEW, NEW) for ref in scanned.references])
    assert isinstance(edit, PostEdit)
    return edit


def test_a_diff_of_many_lines_can_be_applied(tmp_path: Path) -> None:
    path = tmp_path / "post.md"
    patch = "".join(diff(edited(path, 6_000)))
    before = path.read_text()
    subprocess.run(["git", "apply", "-"], input=patch, text=True, cwd=tmp_path, check=True)
    assert path.read_text() == before.replace(SOURCE, NEW)


def test_a_diff_takes_time_in_proportion_to_the_post(tmp_path: Path) -> None:
    assert_linear(lambda count: list(diff(edited(tmp_path / "post.md", count))), 1_000)


def test_a_url_that_cannot_be_spelled_without_its_secret_is_shown_as_it_is_printed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "post.md"
    signed = "https://h.example/a\x07.png?OSSAccessKeyId=k&Expires=1&Signature=hush"
    text = f"![](<{signed}>)\n\n![]({SOURCE})\n"
    path.write_text(text)
    (scanned,) = scan([Post("post.md", path)]).posts
    edit = edit_post(scanned, text.encode(), [Edit(scanned.references[-1], NEW, NEW)])
    assert isinstance(edit, PostEdit)
    lines = list(diff(edit))
    assert "hush" not in "".join(lines)
    assert f"+![]({NEW})\n" in lines
