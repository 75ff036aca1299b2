"""A folder where the journal belongs: named, and no bug."""

from __future__ import annotations

from care import BUCKET, filled, picture, run
from sites import Blog


def test_a_folder_in_the_place_of_the_journal_is_named(blog: Blog) -> None:
    filled(blog, "a.png")
    (blog.root / ".mirror" / "journal.jsonl").mkdir()
    for name in ("a.png", "b.png"):  # nothing to fetch, then something
        blog.host.put(name, picture(len(name)))
        blog.write("more.md", f"![]({BUCKET}{name})\n")
        ran = run(blog, "sync")
        assert ran.code == 3
        assert "journal.jsonl: cannot be written" in ran.err
