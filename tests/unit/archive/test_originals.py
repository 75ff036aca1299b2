from __future__ import annotations

import os
import subprocess
from hashlib import md5, sha256
from pathlib import Path
from random import Random

import bagit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.archive import Archive, ArchiveError
from mirror.model import EXTENSIONS, Blob, Digest
from mirror.store import DirectoryStore
from mirror.urls.address import Address

TAGS = ["bag-info.txt", "bagit.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"]


def blob_of(data: bytes, media_type: str = "image/png") -> Blob:
    digest = Digest(sha256(data).hexdigest())
    check = md5(data, usedforsecurity=False).hexdigest()
    return Blob(digest, check, len(data), media_type, 1, 1, None)


def folder_archive(root: Path, state: Path | None = None) -> Archive:
    return Archive(DirectoryStore("archive", root), state)


def fill(archive: Archive, bodies: list[bytes]) -> None:
    for number, data in enumerate(bodies):
        archive.put(blob_of(data, list(EXTENSIONS)[number % len(EXTENSIONS)]), data)


def sha256sum(archive: Archive) -> int:
    """Return the exit code of `sha256sum`, which checks the folder without this program."""
    command = ["sha256sum", "--check", "--strict", "--quiet", "manifest-sha256.txt"]
    done = subprocess.run(command, cwd=archive.root, check=False, capture_output=True)
    return done.returncode


def is_valid(archive: Archive) -> bool:
    return bagit.Bag(str(archive.root)).is_valid()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return folder_archive(tmp_path / "archive")


@pytest.fixture
def picture(archive: Archive) -> Path:
    """The file of an original, `b"picture"`."""
    archive.put(blob_of(b"picture"), b"picture")
    return next(archive.root.rglob("*.png"))


# --- Originals ----------------------------------------------------------------------------------


@given(bodies=st.lists(st.binary(max_size=50), max_size=6))
def test_what_was_put_is_there_under_its_digest(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]
) -> None:
    archive = folder_archive(tmp_path_factory.mktemp("d") / "archive")
    blobs = {blob_of(data): data for data in bodies}
    for blob, data in blobs.items():
        assert not archive.has(blob)
        archive.put(blob, data)
        archive.put(blob, data)
    for blob, data in blobs.items():
        assert archive.has(blob)
        assert archive.get(blob.digest, blob.media_type) == data
    assert list(archive.digests()) == sorted(blob.digest for blob in blobs)


@pytest.mark.parametrize(("media_type", "extension"), EXTENSIONS.items())
def test_an_original_is_named_by_digest_and_type(
    archive: Archive, media_type: str, extension: str
) -> None:
    blob = blob_of(b"picture", media_type)
    archive.put(blob, b"picture")
    name = f"data/{blob.digest.hex[:2]}/{blob.digest}{extension}"
    assert (archive.root / name).read_bytes() == b"picture"


def test_bytes_with_another_digest_are_refused(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match="another SHA-256"):
        archive.put(blob_of(b"picture"), b"error page")
    assert not archive.root.exists()


def test_damage_is_never_handed_out_and_the_right_bytes_heal_it(
    archive: Archive, picture: Path
) -> None:
    blob = blob_of(b"picture")
    picture.write_bytes(b"picTure")
    with pytest.raises(ArchiveError, match="is damaged"):
        archive.get(blob.digest, blob.media_type)
    archive.put(blob, b"picture")
    assert archive.get(blob.digest, blob.media_type) == b"picture"
    picture.write_bytes(b"pict")
    assert not archive.has(blob)


def test_a_missing_original_is_said(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match=r"\.png is missing"):
        archive.get(blob_of(b"picture").digest, "image/png")


def test_links_are_not_followed(archive: Archive, picture: Path) -> None:
    blob = blob_of(b"picture")
    elsewhere = archive.root.parent / "elsewhere.png"
    picture.rename(elsewhere)
    picture.symlink_to(elsewhere)
    assert not archive.has(blob)
    with pytest.raises(ArchiveError, match="symbolic link"):
        archive.get(blob.digest, blob.media_type)
    with pytest.raises(ArchiveError, match="symbolic link"):
        archive.put(blob, b"picture")
    with pytest.raises(ArchiveError, match="not a plain file; move it elsewhere"):
        archive.seal()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    root = tmp_path / "fixed"
    root.mkdir()
    root.chmod(0o500)
    if os.geteuid() == 0:  # who may write everywhere, but not here
        root = Path("/sys/kernel")
    with pytest.raises(ArchiveError, match="make the folder"):
        folder_archive(root).put(blob_of(b"1"), b"1")


# --- The bag ------------------------------------------------------------------------------------


def test_a_sealed_archive_is_a_valid_bag(archive: Archive) -> None:
    archive.seal()
    assert is_valid(archive)
    bodies = [Random(number).randbytes(100 * number) for number in range(20)]
    fill(archive, bodies)
    archive.seal()
    assert is_valid(archive)
    assert sha256sum(archive) == 0
    bag = bagit.Bag(str(archive.root))
    assert bag.info == {"Payload-Oxum": f"{sum(map(len, bodies))}.{len(bodies)}"}
    assert len(bag.payload_entries()) == len(bodies)


def test_damage_and_loss_show_in_a_sealed_archive(archive: Archive, picture: Path) -> None:
    archive.seal()
    picture.write_bytes(b"picTure")
    archive.seal()
    assert not is_valid(archive)
    assert sha256sum(archive) == 1
    picture.unlink()
    assert not is_valid(archive)


@pytest.mark.parametrize("torn", [b"\xff\xfe\0<html>", b"aa  https://host.example/1.p"])
def test_a_line_of_the_sources_that_was_cut_off_spoils_no_other(
    archive: Archive, torn: bytes
) -> None:
    first, second = Address("https://host.example/1.png"), Address("https://host.example/2.png")
    digest = Digest("a" * 64)
    archive.add_sources([(first, digest)])
    assert archive.root
    with (archive.root / "sources.txt").open("ab") as file:
        file.write(torn)
    archive.add_sources([(second, digest)])
    assert (archive.root / "sources.txt").read_text() == f"{digest}  {first}\n{digest}  {second}\n"


def test_equal_contents_are_equal_bytes_and_stay_untouched(tmp_path: Path) -> None:
    bodies = [bytes([number]) for number in range(9)]
    archives = [folder_archive(tmp_path / name) for name in ("first", "second")]
    for archive, order in zip(archives, (1, -1), strict=True):
        for data in bodies[::order]:
            archive.put(blob_of(data), data)
        archive.seal()
    first, second = archives
    assert sorted(path.name for path in first.root.iterdir()) == sorted([*TAGS, "data"])
    before = [_version(first.root / tag) for tag in TAGS]
    first.seal()
    assert [_version(first.root / tag) for tag in TAGS] == before
    for tag in TAGS:
        assert (first.root / tag).read_bytes() == (second.root / tag).read_bytes()


def test_the_run_after_a_killed_one_makes_the_bag_valid(archive: Archive, picture: Path) -> None:
    archive.seal()
    archive.put(blob_of(b"second"), b"second")
    (picture.parent / ".mirror-0123456789abcdef.tmp").write_bytes(b"half")
    (archive.root / "tagmanifest-sha256.txt").unlink()
    assert not is_valid(archive)
    archive.seal()
    assert is_valid(archive)


def test_what_somebody_else_put_there_is_listed_as_it_is(archive: Archive, picture: Path) -> None:
    (archive.root / "data/notes").mkdir()
    (archive.root / "data/notes/截图 list.txt").write_bytes(b"theirs")
    (picture.parent / f"{'0' * 64}.png").write_bytes(b"only looks like ours")
    archive.seal()
    assert is_valid(archive)
    assert sha256sum(archive) == 0
    assert list(archive.digests()) == [blob_of(b"picture").digest]


@pytest.mark.parametrize("name", ["50%.png", "a\nb.png", "a\rb.png", "\udcff.png"])
def test_a_name_that_readers_of_bags_dispute_is_refused(archive: Archive, name: str) -> None:
    archive.seal()
    (archive.root / "data" / name).write_bytes(b"1")
    with pytest.raises(ArchiveError, match="rename it"):
        archive.seal()


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns
