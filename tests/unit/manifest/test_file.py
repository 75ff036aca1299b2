"""The files of a manifest: one or 256, changed so that a kill leaves it whole."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from support import forkserver

from mirror.files import Checksum, is_temporary
from mirror.manifest import (
    FILE_NAME,
    HEADER,
    PARTS,
    LateKeyError,
    Manifest,
    ManifestError,
    ManifestFile,
    dump_line,
    dumps,
)
from mirror.manifest.layout import PENDING, dump_pending, load_pending, part_of
from mirror.model import Asset, Blob, Digest, Key
from mirror.records import StateError
from mirror.urls.address import Address, identity

SMALL = 2_000  # bytes: some six lines
FILES = {FILE_NAME, PENDING, *PARTS}


def asset(number: int, **changes: object) -> Asset:
    digest = sha256(str(number).encode()).hexdigest()
    blob = Blob(Digest(digest), digest[:32], 10, "image/png", 2, 3, None)
    plain = Asset(blob, (Address(f"https://pics.example/{number}.png"),), Key(f"{digest}.png"))
    return replace(plain, **changes)


def of(*assets: Asset) -> Manifest:
    return Manifest({each.digest: each for each in assets})


FEW = of(*map(asset, range(2)))
MANY = of(*map(asset, range(40)))
# A repeat whose picture comes anew in another part, and an address that moves to another picture:
# no single part may be old while another one is new.
CHANGED = MANY.replacing(
    {
        each.digest: each
        for each in (
            asset(90),
            asset(1, alias_of=asset(90).digest),
            asset(2, sources=asset(3).sources),
            asset(3, sources=asset(2).sources),
        )
    }
)


def stored(folder: Path, manifest: Manifest) -> ManifestFile:
    file = ManifestFile(folder, SMALL)
    file.save(manifest, file.load()[1])
    return file


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not is_temporary(path.name))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def add_line(path: Path, each: Asset) -> None:
    with path.open("a") as file:
        file.write(dump_line(each) + "\n")


# --- One file, parts, and back --------------------------------------------------------------------


def test_a_manifest_gets_parts_and_becomes_one_file_again(tmp_path: Path) -> None:
    file = stored(tmp_path, FEW)
    assert files(tmp_path) == {FILE_NAME: dumps(FEW).encode()}
    (note,) = file.save(MANY, file.load()[1])
    assert "images/00.jsonl to ff.jsonl" in note.message
    assert files(tmp_path).keys() == set(PARTS)
    assert file.load()[0] == MANY
    for name, data in files(tmp_path).items():
        header, *lines = data.decode().splitlines()
        assert json.loads(header) == HEADER
        assert lines == sorted(lines)
        assert all(part_of(json.loads(line)["sha256"]) == name for line in lines)
    between = of(*map(asset, range(5)))
    assert SMALL // 2 < len(dumps(between)) < SMALL
    assert file.save(between, file.load()[1]) == []
    assert files(tmp_path).keys() == set(PARTS)
    (note,) = file.save(FEW, file.load()[1])
    assert "images.jsonl" in note.message
    assert files(tmp_path) == {FILE_NAME: dumps(FEW).encode()}
    assert not (tmp_path / "images").exists()


def test_equal_manifests_are_equal_files_however_they_came(tmp_path: Path) -> None:
    stored(tmp_path / "at once", CHANGED)
    file = stored(tmp_path / "by and by", FEW)
    for manifest in (MANY, CHANGED):
        file.save(manifest, file.load()[1])
    assert files(tmp_path / "at once") == files(tmp_path / "by and by")


def test_only_the_parts_that_changed_are_written(tmp_path: Path) -> None:
    file = stored(tmp_path, MANY)
    before = {name: (tmp_path / name).stat().st_ino for name in PARTS}
    more = MANY.replacing({asset(90).digest: asset(90)})
    file.save(more, file.load()[1])
    changed = {name for name in PARTS if (tmp_path / name).stat().st_ino != before[name]}
    assert changed == {part_of(asset(90).digest.hex)}
    assert file.load()[0] == more


def test_every_way_to_read_gives_the_same_from_parts(tmp_path: Path) -> None:
    one, parts = ManifestFile(tmp_path / "one"), stored(tmp_path / "parts", CHANGED)
    one.save(CHANGED, {})
    assert list(parts.stream_assets()) == list(one.stream_assets())
    assert dict(parts.load_objects()) == dict(one.load_objects())
    wanted = [*map(identity, asset(1).sources)]
    assert parts.select((), wanted) == one.select((), wanted)
    assert {each.digest for each in parts.select((), wanted).assets.values()} == {
        asset(1).digest,
        asset(90).digest,
    }
    for (name, number), each in parts.numbered():
        line = Path(name).read_text().split("\n")[number - 1]
        assert json.loads(line)["sha256"] == each.digest.hex


# --- Others write too -----------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["in a part that changes", "in another part", "a new file"])
def test_a_part_that_somebody_wrote_meanwhile_is_not_replaced(tmp_path: Path, other: str) -> None:
    file = stored(tmp_path, MANY)
    _, old = file.load()
    changed = part_of(asset(90).digest.hex)
    name = {
        "in a part that changes": changed,
        "in another part": next(part for part in PARTS if part != changed),
        "a new file": FILE_NAME,
    }[other]
    path = tmp_path / name
    path.write_bytes((path.read_bytes() if path.exists() else b"") + b"\n")
    before = files(tmp_path)
    with pytest.raises(StateError, match=rf"{name}: was changed by someone else"):
        file.save(MANY.replacing({asset(90).digest: asset(90)}), old)
    assert files(tmp_path) == before


def test_lines_that_a_merge_left_in_both_places_count(tmp_path: Path) -> None:
    file = stored(tmp_path, MANY)
    elsewhere = of(*map(asset, range(3)), asset(90))
    (tmp_path / FILE_NAME).write_text(dumps(elsewhere))
    everything = MANY.replacing({asset(90).digest: asset(90)})
    manifest, old = file.load()
    assert manifest == everything
    with pytest.raises(LateKeyError):
        len(file.stream_objects())
    assert len(file.load_objects()) == 41
    file.save(manifest, old)
    assert files(tmp_path).keys() == set(PARTS)
    assert file.load()[0] == everything


def test_lines_in_both_places_that_contradict_are_named_with_their_files(tmp_path: Path) -> None:
    file = stored(tmp_path, MANY)
    (tmp_path / FILE_NAME).write_text(dumps(of(asset(1, key=Key("other.png")))))
    part = tmp_path / part_of(asset(1).digest.hex)
    with pytest.raises(ManifestError) as raised:
        file.load()
    assert str(raised.value).startswith(f"{part}: line ")
    assert f"line 2 of {tmp_path / FILE_NAME}" in str(raised.value)


# --- Bad input ------------------------------------------------------------------------------------


def test_a_part_that_is_lost_is_named(tmp_path: Path) -> None:
    file = stored(tmp_path, MANY)
    (tmp_path / "images" / "3f.jsonl").unlink()
    with pytest.raises(ManifestError, match=r"images/3f.jsonl: this part .* is missing; bring"):
        file.load()
    with pytest.raises(ManifestError, match="missing"):
        list(file.stream_assets())


def test_a_line_in_the_wrong_part_is_named(tmp_path: Path) -> None:
    file = stored(tmp_path, MANY)
    right = part_of(asset(90).digest.hex)
    wrong = tmp_path / next(part for part in PARTS if part != right)
    number = len(wrong.read_text().splitlines()) + 1
    add_line(wrong, asset(90))
    with pytest.raises(ManifestError, match=rf"{wrong}: line {number}: .* belongs in {right}"):
        file.load()


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
@pytest.mark.parametrize("name", ["images/3f.jsonl", PENDING])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    file = stored(tmp_path, MANY)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    path = tmp_path / name
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(ManifestError, match=rf"{path}: cannot be read: ") as raised:
        file.load()
    assert "secret" not in str(raised.value)


def test_a_folder_of_parts_that_is_a_link_is_refused(tmp_path: Path) -> None:
    file = stored(tmp_path / "site", MANY)
    (tmp_path / "site" / "images").rename(tmp_path / "elsewhere")
    (tmp_path / "site" / "images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ManifestError, match="symbolic link"):
        file.load()


def test_files_of_others_in_the_folder_stay(tmp_path: Path) -> None:
    file = stored(tmp_path, MANY)
    for name in (".DS_Store", "3f.jsonl.orig", "picture.png", "FF.jsonl"):
        (tmp_path / "images" / name).write_text("of others")
    assert file.load()[0] == MANY
    file.save(FEW, file.load()[1])
    assert len(list((tmp_path / "images").iterdir())) == 4
    assert file.load()[0] == FEW


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        json.dumps(HEADER),
        dump_pending({}).replace("1", "2"),
        dump_pending({"../posts/a.md": (None, None)}),
        dump_pending({FILE_NAME: (None, None)}).replace("null, null", '"00", null'),
        dump_pending({FILE_NAME: (None, None)}).replace("null, null", "null"),
        "[" * 100_000,
    ],
)
def test_a_pending_file_that_mirror_did_not_write_is_named(tmp_path: Path, text: str) -> None:
    file = stored(tmp_path, MANY)
    (tmp_path / PENDING).write_text(text)
    with pytest.raises(ManifestError, match=rf"{tmp_path / PENDING}: line 1: expected "):
        file.load()


def test_pending_changes_are_read_as_they_were_written() -> None:
    changes = {FILE_NAME: (Checksum.of([b"a"]), None), PARTS[3]: (None, Checksum.of([b"b"]))}
    assert load_pending(dump_pending(changes)) == changes


# --- Kills ----------------------------------------------------------------------------------------

_SAVE = """
import os, pickle, signal, sys
steps = 0
def strike(event, args):
    global steps
    if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link"):
        steps += 1
        if steps == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
from pathlib import Path
from mirror.manifest import ManifestFile, loads
file = ManifestFile(Path(sys.argv[2]), int(sys.argv[4]))
manifest = loads(Path(sys.argv[3]).read_text())
old = file.load()[1]
sys.addaudithook(strike)
file.save(manifest, old)
print(steps)
"""


def save_killed_at(step: int, folder: Path, text: Path) -> tuple[int, str]:
    """Return the exit code of a save that is killed at a step, and what it printed."""
    command = ["-c", str(step), str(folder), str(text), str(SMALL)]
    with TemporaryFile("w+") as out:
        files = (0, out.fileno(), out.fileno())
        code = forkserver.start(_SAVE, command, folder, os.environ, files).wait()
        out.seek(0)
        return code, out.read()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(FEW, CHANGED, id="gets parts"),
        pytest.param(MANY, CHANGED, id="parts change"),
        pytest.param(CHANGED, FEW, id="becomes one file"),
        pytest.param(Manifest(), MANY, id="new"),
    ],
)
def test_a_save_killed_at_any_step_leaves_the_manifest_of_before_or_after(
    tmp_path: Path, before: Manifest, after: Manifest
) -> None:
    text = tmp_path / "after.jsonl"
    text.write_text(dumps(after))
    site = tmp_path / "whole"
    site.mkdir()
    if before.assets:
        stored(site, before)
    code, printed = save_killed_at(0, site, text)
    assert code == 0, printed
    last, whole = int(printed), files(site)
    few = {1, 2, 3, last // 2, last - 1, last}
    outcomes = []
    for step in sorted(few & {*range(1, last + 1)}):
        site = tmp_path / f"killed at {step}"
        site.mkdir()
        if before.assets:
            stored(site, before)
        assert save_killed_at(step, site, text) == (-signal.SIGKILL, "")
        file = ManifestFile(site, SMALL)
        manifest, old = file.load()
        assert manifest in (before, after)
        streamed = {each.digest: each for each in file.stream_assets()}
        assert Manifest(streamed) == manifest
        assert len(file.load_objects()) == len(manifest.by_key)
        outcomes.append(manifest == after)
        file.save(after, old)
        assert {name: data for name, data in files(site).items() if name in FILES} == whole
    assert outcomes == sorted(outcomes)
    assert {*outcomes} == {False, True}


def killed_midway(tmp_path: Path) -> ManifestFile:
    """A manifest of parts that were half written when the run was killed."""
    text = tmp_path / "after.jsonl"
    text.write_text(dumps(CHANGED))
    site = tmp_path / "site"
    file = stored(site, MANY)
    assert save_killed_at(3, site, text) == (-signal.SIGKILL, "")
    assert (site / PENDING).exists()
    return file


def test_another_change_after_a_kill_is_saved_whole(tmp_path: Path) -> None:
    file = killed_midway(tmp_path)
    manifest, old = file.load()
    assert manifest == CHANGED
    more = manifest.replacing({asset(91).digest: asset(91), asset(90).digest: asset(90)})
    file.save(more, old)
    assert file.load()[0] == more
    assert files(file.folder).keys() == set(PARTS)


def test_files_that_changed_after_a_kill_are_not_overruled(tmp_path: Path) -> None:
    file = killed_midway(tmp_path)
    part = part_of(asset(2).digest.hex)
    (file.folder / part).write_text(dumps(of(asset(2, sources=()))))
    with pytest.raises(ManifestError, match=rf"{part} was changed since; delete {PENDING}"):
        file.load()
