"""What `.mirror/` holds."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from support.commands import BUCKET, filled, picture, run
from support.sites import Blog

from mirror.model import Blob, Digest, HeldImage
from mirror.state import HeldImages
from mirror.urls.address import Address


def held_image(name: str, data: bytes = b"x") -> HeldImage:
    digest = Digest(sha256(data).hexdigest())
    blob = Blob(digest, "0" * 32, len(data), "image/png", None, None, None)
    return HeldImage(Address(f"https://h.example/{name}"), blob)


def test_held_images_are_kept_by_address(tmp_path: Path) -> None:
    held = HeldImages(tmp_path / "held")
    assert held.load() == {}
    first, second = held_image("a.png"), held_image("a.png", b"y")
    held.save([first, second, held_image("b.png")])
    assert held.load() == {"h.example/a.png": second, "h.example/b.png": held_image("b.png")}
    held.path.write_bytes(held.path.read_bytes() + b'not json\n{"source": "a.png"}\n[]\n')
    assert len(held.load()) == 2
    held.save([])
    assert held.load() == {}


def test_a_list_of_held_images_without_end_is_not_read(tmp_path: Path) -> None:
    held = HeldImages(tmp_path / "held")
    held.save([held_image("a.png")])
    with held.path.open("ab") as file:
        file.truncate(1 << 40)
    assert held.load() == {}


def test_damaged_bytes_are_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    held = HeldImages(tmp_path / "held")
    digest = held_image("a.png", b"damaged").blob.digest
    assert held.get_bytes(digest) is None
    held.keep_bytes(digest, b"damaged")
    assert held.get_bytes(digest) == b"damaged"
    (tmp_path / "held" / digest.hex).write_bytes(b"other bytes")
    assert held.get_bytes(digest) is None


def test_a_folder_in_the_place_of_the_journal_is_named(blog: Blog) -> None:
    filled(blog, "a.png")
    (blog.root / ".mirror" / "journal.jsonl").mkdir()
    for name in ("a.png", "b.png"):  # nothing to fetch, then something
        blog.host.put(name, picture(len(name)))
        blog.write("more.md", f"![]({BUCKET}{name})\n")
        ran = run(blog, "sync")
        assert ran.code == 2
        assert "journal.jsonl: cannot be written" in ran.err
