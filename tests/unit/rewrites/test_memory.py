"""The memory of all posts, and the manifest where no line tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import md5, sha256
from tracemalloc import get_traced_memory, start, stop

import pytest

from mirror.manifest import Manifest
from mirror.markdown import find_references
from mirror.model import Asset, Blob, Digest, Key, Rule
from mirror.rewrites import Memory, PostSnapshot, Rewrite, Rewrites
from mirror.urls.address import Address, Url


def asset(name: str, *sources: str, alias_of: Asset | None = None) -> Asset:
    data = name.encode()
    checksum = md5(data, usedforsecurity=False).hexdigest()
    blob = Blob(Digest(sha256(data).hexdigest()), checksum, len(data), "image/png", 1, 1, None)
    shown = alias_of.digest if alias_of is not None else None
    return Asset(blob, tuple(map(Address, sources)), Key(name), shown)


class CountedAssets(Mapping[Digest, Asset]):
    """The assets of a manifest; `walks` counts how often all of them were gone through."""

    def __init__(self, *assets: Asset) -> None:
        self.walks = 0
        self._assets = {asset.digest: asset for asset in assets}

    def __getitem__(self, digest: Digest) -> Asset:
        return self._assets[digest]

    def __len__(self) -> int:
        return len(self._assets)

    def __iter__(self) -> Iterator[Digest]:
        self.walks += 1
        return iter(self._assets)


def memory_of(
    *lines: Rewrite, assets: Mapping[Digest, Asset], posts: tuple[str, ...] = ()
) -> Memory:
    """A memory of a site whose mirrored URLs are `/m/` and the key."""
    by_key = {f"/m/{asset.key}": asset for asset in assets.values()}
    return Memory(
        lines,
        Manifest(assets),
        lambda url: by_key.get(url.raw.partition("#")[0]),
        posts.__contains__,
        lambda _: None,
    )


def snapshot(text: str, name: str = "a.md") -> PostSnapshot:
    return PostSnapshot(name, text.encode(), find_references(text.encode(), name).references)


def recalled(memory: Memory, post: PostSnapshot) -> list[str | None]:
    """What stood at each reference of a post, in order."""
    lines = memory.recall(post)
    return [lines[ref].source if ref in lines else None for ref in post.references]


@pytest.mark.parametrize("count", [10, 1000])
def test_without_lines_the_manifest_is_gone_through_as_often_for_many_references_as_for_few(
    count: int,
) -> None:
    assets = CountedAssets(*(asset(f"{n}.png", f"https://h.example/{n}.png") for n in range(count)))
    memory = memory_of(assets=assets)
    assets.walks = 0
    for number in range(count):
        post = snapshot(f"![](/m/{number}.png#f)\n", f"{number}.md")
        assert recalled(memory, post) == [f"https://h.example/{number}.png#f"]
        assert not list(memory.unknown(post, memory.recall(post), lambda _: False))
    assert assets.walks <= 2  # the assets a picture is shown for, and the sources of each


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param(["https://h.example/a.png"], "https://h.example/a.png", id="lines of its own"),
        pytest.param([], None, id="none, as a merge left it"),
    ],
)
def test_what_stands_in_another_post_is_no_proof_where_the_manifest_knows_more(
    own: list[str], expected: str | None
) -> None:
    """A branch that reverted the post took its lines out, and another one kept it rewritten."""
    one = asset("a.png", "https://h.example/a.png", "https://h.example/b.png")
    lines = [Rewrite("a.md", "/m/a.png", source, "0" * 12, "1" * 12) for source in own]
    other = own or ["https://h.example/b.png"]
    lines += [Rewrite("b.md", "/m/a.png", source, "2" * 12, "3" * 12) for source in other]
    memory = memory_of(*lines, assets={one.digest: one}, posts=("a.md", "b.md"))
    post = snapshot("![](/m/a.png) and ![](/m/a.png)\n")
    assert recalled(memory, post) == [expected] * 2
    told = [str(finding) for finding in memory.unknown(post, memory.recall(post), lambda _: False)]
    assert len(told) == (0 if expected else 2)
    assert all("a.png" in each and "b.png" in each for each in told)


def test_one_address_that_a_post_spelled_otherwise_is_the_one_of_the_manifest() -> None:
    one = asset("a.png", "https://h.example/a.png")
    line = Rewrite("b.md", "/m/a.png", "http://H.example:80/%61.png", "2" * 12, "3" * 12)
    memory = memory_of(line, assets={one.digest: one}, posts=("a.md", "b.md"))
    assert recalled(memory, snapshot("![](/m/a.png)\n")) == ["http://H.example:80/%61.png"]


def test_lines_of_all_posts_are_gone_through_once_for_all_changes() -> None:
    """So many posts were rewritten before that a walk through all for each of them would show."""
    compared = 0

    class CountedName(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    count = 300
    a = asset("a.png", "https://h.example/a.png")
    lines = [
        Rewrite(CountedName(f"{n}.md"), "/m/a.png", "https://h.example/a.png", "b", "c")
        for n in range(count)
    ]
    memory = memory_of(*lines, assets={a.digest: a}, posts=tuple(f"{n}.md" for n in range(count)))
    before = [snapshot("![](https://h.example/a.png)\n", f"new-{n}.md") for n in range(count)]
    after = [snapshot("![](/m/a.png)\n", f"new-{n}.md") for n in range(count)]
    kept = memory.after_rewrite(zip(before, after, strict=True))
    assert len(kept) == 2 * count
    assert compared < 20 * count


def test_a_picture_that_stands_for_another_has_the_sources_of_both() -> None:
    shown = asset("a.png", "https://h.example/a.png")
    other = asset("b.png", "https://h.example/b.png", alias_of=shown)
    memory = memory_of(assets={asset.digest: asset for asset in (shown, other)})
    post = snapshot("![](/m/a.png)\n")
    assert recalled(memory, post) == [None]
    (finding,) = memory.unknown(post, {}, lambda _: False)
    assert finding.rule is Rule.NOT_REVERTED
    assert "one of https://h.example/a.png, https://h.example/b.png" in finding.message


def test_what_a_rewrite_leaves_is_what_the_next_run_recalls() -> None:
    a = asset("a.png", "https://h.example/a.png", "https://g.example/a.png")
    memory = memory_of(assets={a.digest: a})
    before = snapshot("one ![](https://h.example/a.png) two ![](<//g.example/a.png>) ![](x.png)\n")
    after = snapshot("one ![](/m/a.png) two ![](</m/a.png>) ![](x.png)\n")
    lines = memory.after_rewrite([(before, after)])
    again = memory_of(*lines, assets={a.digest: a}, posts=("a.md",))
    assert recalled(again, after) == ["https://h.example/a.png", "//g.example/a.png", None]
    assert again.after_revert([(after, before)]) == []
    assert not again.is_empty
    assert memory.is_empty


def test_what_a_revert_leaves_keeps_its_line() -> None:
    a = asset("a.png", "https://h.example/a.png", "https://g.example/a.png")
    memory = memory_of(assets={a.digest: a})
    before = snapshot("one ![](https://h.example/a.png) two ![](<//g.example/a.png>)\n")
    after = snapshot("one ![](/m/a.png) two ![](</m/a.png>)\n")
    partly = snapshot("one ![](https://h.example/a.png) two ![](</m/a.png>)\n")
    lines = memory.after_rewrite([(before, after)])
    again = memory_of(*lines, assets={a.digest: a}, posts=("a.md",))
    (line,) = again.after_revert([(after, partly)])
    once_more = memory_of(line, assets={a.digest: a}, posts=("a.md",))
    assert recalled(once_more, partly) == [None, "//g.example/a.png"]


def test_a_source_without_its_secret_is_kept_as_its_syntax_spells_it() -> None:
    a = asset("a.png", "https://h.example/a.png")
    before = snapshot(
        "![](https://h.example/a[1].png?OSSAccessKeyId=k&Signature=planted&Expires=1)\n"
    )
    (line,) = memory_of(assets={a.digest: a}).after_rewrite([(before, snapshot("![](/m/a.png)\n"))])
    assert line.source == Url(before.references[0].url.raw).public
    assert "planted" not in line.source + line.spelling
    assert line.spelling == "https://h.example/a&#91;1&#93;.png"


def test_a_place_takes_less_than_150_bytes() -> None:
    """Also where all posts show one picture, and looking it up does not go through them."""
    count = 20_000
    lines = (
        Rewrite(
            f"posts/{n // 100:06}.md",
            f"/m/{n % 2 * n:064x}.png",
            f"{n % 2 * n}.png",
            f"{n:012x}",
            "",
        )
        for n in range(count)
    )
    start()
    memory = Memory(Rewrites(lines), Manifest({}), lambda _: None, lambda _: True, lambda _: None)
    text = f"![](/m/{0:064x}.png)\n"
    recalled = memory.recall(snapshot(text, "posts/new.md"))
    held, _ = get_traced_memory()
    stop()
    assert [line.source for line in recalled.values()] == ["0.png"]
    assert held < 150 * count
