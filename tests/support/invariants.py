"""The invariants of a site, checked on its files alone. Shares no code with the program.

`at_rest` holds after a command that ran to its end, `at_any_instant` also after a kill. Both
return what is wrong, one sentence each; an empty list is a site that is whole.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_STRAY = ".mirror-*.tmp"
_INDEX = re.compile(r"\.mirror/sites/[0-9a-f]{32}\.txt\.gz")
_URL = re.compile(rb"https?://[A-Za-z0-9.:-]+/[A-Za-z0-9._/~%=,-]*")


@dataclass(frozen=True)
class Truth:
    """What nobody may change: the posts as written and the pictures as served.

    `pictures` are the bytes behind each URL; `places` maps the folder of each destination to the
    URL that it is reached by, or to nothing.
    """

    root: Path
    posts: Mapping[str, bytes]
    pictures: Mapping[str, bytes]
    places: Mapping[Path, str]
    archive: str = "archive"
    others: frozenset[str] = field(default_factory=frozenset)  # other sites' objects in the bucket


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_manifest(root: Path) -> dict[str, dict[str, object]]:
    """Assets by SHA-256; empty where there is no manifest yet."""
    path = root / "manifests" / "images.jsonl"
    if not path.exists():
        return {}
    header, *lines = path.read_text("utf-8").removesuffix("\n").split("\n")
    assert json.loads(header) == {"format": "mirror-manifest", "version": 1}
    assets = [json.loads(line) for line in lines]
    digests = [asset["sha256"] for asset in assets]
    assert digests == sorted(set(digests)), "the manifest is not sorted"
    return dict(zip(digests, assets, strict=True))


def at_rest(truth: Truth, *, repointed: bool | None = None) -> list[str]:
    """Everything agrees and is complete. `repointed`: whether all posts were rewritten, or none."""
    problems = list(at_any_instant(truth))
    if problems:
        return problems
    assets = read_manifest(truth.root)
    problems += _bag(truth.root / truth.archive)
    problems += [f"stray {path}" for path in truth.root.rglob(_STRAY)]
    known = {url for asset in assets.values() for url in sources_of(asset)}
    problems += [f"lost: {url} is in no line" for url in truth.pictures if url not in known]
    keys = {str(asset["key"]) for asset in assets.values() if "key" in asset}
    for folder in truth.places:
        files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        problems += [f"lost: {folder} has no {key}" for key in sorted(keys - files)]
        stray = {key for key in files - keys - truth.others if not _INDEX.fullmatch(key)}
        problems += [f"{folder} has a stray {key}" for key in stray]
    if repointed is not None:
        problems += _all_repointed(truth, repointed)
    return problems


def at_any_instant(truth: Truth) -> Iterator[str]:
    """Every file is whole, and nothing that was promised is missing."""
    try:
        assets = read_manifest(truth.root)
    except (ValueError, KeyError, AssertionError) as error:
        yield f"the manifest is torn: {error!r}"
        return
    yield from _manifest(truth, assets)
    yield from _whole(truth, assets)
    for name, before in truth.posts.items():
        yield from _post(truth, assets, name, before)
    rewrites = truth.root / "manifests" / "rewrites.jsonl"
    if rewrites.exists():
        for line in rewrites.read_text("utf-8").removesuffix("\n").split("\n"):
            json.loads(line)


def sources_of(asset: Mapping[str, object]) -> list[str]:
    sources = asset["sources"]
    assert isinstance(sources, list)
    return sources


def _manifest(truth: Truth, assets: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    for digest, asset in assets.items():
        stands = assets.get(str(asset.get("alias_of", digest)))
        if stands is None or "key" not in stands:
            yield f"wrong: {digest} leads to no object"
        if not list((truth.root / truth.archive).glob(f"data/{digest[:2]}/{digest}.*")):
            yield f"lost: {digest} is in the manifest, but not in the archive"
        for url in sources_of(asset):
            if url in truth.pictures and _sha256(truth.pictures[url]) != digest:
                yield f"wrong: {url} is recorded as {digest}"


def _whole(truth: Truth, assets: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    """Files named by their digest hold what their name says; keys hold what the manifest says."""
    for path in (truth.root / truth.archive / "data").rglob("*.*"):
        if not path.match(_STRAY) and path.is_file() and _sha256(path.read_bytes()) != path.stem:
            yield f"wrong: {path} does not hold what its name says"
    for digest, asset in assets.items():
        for folder in truth.places:
            path = folder / str(asset.get("key", ""))
            if "key" in asset and path.is_file() and _sha256(path.read_bytes()) != digest:
                yield f"wrong: {path} holds other bytes"


def _post(
    truth: Truth, assets: Mapping[str, Mapping[str, object]], name: str, before: bytes
) -> Iterator[str]:
    """Outside of URLs nothing changed, and each URL is the old one or leads to the same picture."""
    now = (truth.root / name).read_bytes()
    if _URL.sub(b"\0", now) != _URL.sub(b"\0", before):
        yield f"wrong: {name} changed outside of its URLs"
        return
    by_source = {url: asset for asset in assets.values() for url in sources_of(asset)}
    folder, base = next(iter(truth.places.items()))
    for old, new in zip(_URL.findall(before), _URL.findall(now), strict=True):
        if old == new:
            continue
        asset = by_source.get(old.decode())
        if asset is None:
            yield f"wrong: {name}: {old!r} is in no line, and became {new!r}"
            continue
        shown = assets[str(asset.get("alias_of", asset["sha256"]))]
        if new.decode() != f"{base}/{shown['key']}":
            yield f"wrong: {name}: {old!r} became {new!r}"
        elif not (folder / str(shown["key"])).is_file():
            yield f"wrong: {name} shows {new!r}, which is not there"


def _all_repointed(truth: Truth, repointed: bool) -> Iterator[str]:
    for name, before in truth.posts.items():
        now = (truth.root / name).read_bytes()
        if not repointed and now != before:
            yield f"wrong: {name} is not as it was written"
        left = [
            url for url in truth.pictures if re.search(rf"{re.escape(url)}(?![\w.])".encode(), now)
        ]
        if repointed and left:
            yield f"{name} still shows {left[0]}"


def _bag(folder: Path) -> Iterator[str]:
    """The archive is a valid BagIt bag."""
    data = {
        path.relative_to(folder).as_posix(): _sha256(path.read_bytes())
        for path in (folder / "data").rglob("*")
        if path.is_file()
    }
    for name, actual in (
        ("manifest-sha256.txt", data),
        (
            "tagmanifest-sha256.txt",
            {
                name: _sha256((folder / name).read_bytes())
                for name in ("bag-info.txt", "bagit.txt", "manifest-sha256.txt")
                if (folder / name).is_file()
            },
        ),
    ):
        path = folder / name
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        listed = {line.partition("  ")[2]: line.partition("  ")[0] for line in lines}
        if listed != actual:
            yield f"the bag's {name} does not say what is there"
