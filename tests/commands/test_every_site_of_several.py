"""Two sites that share one destination and its prefix: neither touches what the other uses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from gzip import compress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from conftest import use
from support import commands
from support.commands import BUCKET, CommandResult, picture, run
from support.servers import Server, Servers
from support.sites import Blog

from mirror.engine import Threads
from mirror.host import ImageHost
from mirror.manifest import ManifestFile
from mirror.model import Digest, Key, is_reserved
from mirror.pipeline.sync import SyncOptions, sync
from mirror.site_index import dumps, index_key, loads, site_name
from mirror.store import Store
from mirror.store.s3 import S3Store

STRANGER = index_key("f" * 32)
STRAY = Key("stray.png")
HEADER = b"mirror-site-index 1\n"
BY_PATH = 'key = "{path}"'


@dataclass
class Pair:
    """Two blogs with one image host. The second destination of both is one and the same."""

    one: Blog
    two: Blog
    shared: Store

    @property
    def keys(self) -> set[str]:
        return {info.key for info in self.shared.list() if not is_reserved(info.key)}

    def index(self, blog: Blog) -> dict[Key, Digest]:
        """Return what the index of a blog names in the shared destination."""
        name = site_name(blog.root / "manifests")
        assert name is not None
        return loads(self.shared.get(index_key(name)))


def show_pictures(blog: Blog, **seeds: int) -> None:
    """Let the only post show `NAME.png` for each name; the picture depends on the seed."""
    for name, seed in seeds.items():
        blog.host.put(f"{name}.png", picture(seed))
    blog.write("post.md", "".join(f"![]({BUCKET}{name}.png)\n\n" for name in seeds))


def forget(blog: Blog, *names: str) -> None:
    """Take images out of the manifest; the post shows them no more."""
    path = blog.root / "manifests" / "images.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(ln for ln in lines if not any(f"/{name}.png" in ln for name in names)))
    blog.write("post.md", "nothing\n")


def key(blog: Blog, name: str) -> Key:
    return Key(blog.asset(f"{name}.png")["key"])


def configure(
    pair_root: Path, host: Any, destination: str, key_line: str = ""
) -> tuple[Blog, Blog]:
    blogs = Blog(pair_root / "one", host), Blog(pair_root / "two", host)
    for blog in blogs:
        blog.root.mkdir(exist_ok=True)
        blog.configure(destination=key_line, more=f"{destination}{key_line}\n")
    return blogs


@pytest.fixture(params=["directory", "rclone", "moto"])
def destination(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """The settings of the shared destination."""
    if request.param == "directory":
        return f'[[destination]]\nname = "shared"\nurl = "file:{tmp_path / "shared"}"\n'
    return commands.s3_destination(use(servers[request.param], monkeypatch), "shared")


@pytest.fixture
def sites(blog: Blog, destination: str) -> Pair:
    one, two = configure(blog.root, blog.host, destination)
    return Pair(one, two, one.site.destinations[-1].store)


@pytest.fixture
def stored(sites: Pair) -> Pair:
    """The first site uses `a` and `b`, the second `b` and `c`."""
    show_pictures(sites.one, a=1, b=2)
    show_pictures(sites.two, b=2, c=3)
    assert not sites.one.sync().findings
    assert not sites.two.sync().findings
    return sites


@pytest.fixture
def folders(blog: Blog, tmp_path: Path) -> Pair:
    """Two sites that share a folder, for what no kind of destination decides."""
    text = f'[[destination]]\nname = "shared"\nurl = "file:{tmp_path / "shared"}"\n'
    one, two = configure(blog.root, blog.host, text)
    return Pair(one, two, one.site.destinations[-1].store)


def prune(blog: Blog) -> CommandResult:
    return run(blog, "prune", "--yes", "--max-delete", "100%", "--json")


# --- What is the other's ----------------------------------------------------------------------


def test_each_names_what_it_uses(stored: Pair) -> None:
    assert set(stored.index(stored.one)) == {key(stored.one, "a"), key(stored.one, "b")}
    assert set(stored.index(stored.two)) == {key(stored.two, "b"), key(stored.two, "c")}
    assert len(stored.keys) == 3


def test_neither_reports_repairs_or_prunes_what_the_other_uses(stored: Pair) -> None:
    before = {info.key: info for info in stored.shared.list()}
    for blog in (stored.one, stored.two):
        for arguments in (
            ["verify", "--deep", "--posts", "--archive"],
            ["repair", "--deep"],
            ["sync"],
            ["prune"],
            ["prune", "--yes", "--max-delete", "0"],
            ["restore", "restored"],
            ["report"],
        ):
            ran = run(blog, *arguments)
            assert ran.code == 0, ran.out + ran.err
            if arguments[0] == "prune":
                assert "1 object of other sites: not counted, and left alone" in ran.out
    assert {info.key: info for info in stored.shared.list()} == before


def test_doctor_is_content_with_a_shared_destination(stored: Pair) -> None:
    ran = run(stored.one, "doctor")
    assert ".mirror/" not in ran.out + ran.err
    assert run(stored.two, "verify").code == 0


def test_what_one_drops_goes_when_no_other_uses_it(stored: Pair) -> None:
    b, c = key(stored.one, "b"), key(stored.two, "c")
    forget(stored.one, "a")
    assert prune(stored.one).summary["deleted"] == 2  # in its own folder, and in the shared one
    assert stored.keys == {b, c}
    assert set(stored.index(stored.one)) == {b}
    forget(stored.two, "b")
    ran = prune(stored.two)
    assert (ran.code, ran.summary["deleted"], ran.summary["in_use"]) == (0, 1, 1)
    assert stored.keys == {b, c}
    assert set(stored.index(stored.two)) == {c}
    for blog in (stored.one, stored.two):
        assert run(blog, "verify").code == 0


def test_an_object_that_a_post_still_shows_keeps_its_name_in_the_index(folders: Pair) -> None:
    show_pictures(folders.one, a=1, b=2)
    assert not folders.one.sync().findings
    a = key(folders.one, "a")
    forget(folders.one, "a")
    folders.one.write("post.md", f"![](/images/{a})\n")
    assert prune(folders.one).summary["kept"] == 2
    assert a in folders.index(folders.one)


def test_a_left_over_of_doctor_is_not_extra(stored: Pair) -> None:
    left = Key(".mirror-probe/0123456789abcdef")
    stored.shared.put(left, b"left over")
    assert run(stored.one, "verify").code == 0
    assert prune(stored.one).summary["deleted"] == 0
    assert stored.shared.get(left) == b"left over"


def test_the_site_that_is_gone_is_removed_with_its_index(stored: Pair) -> None:
    name = site_name(stored.two.root / "manifests")
    assert name is not None
    stored.shared.delete(index_key(name))
    ran = run(stored.one, "verify", "--json")
    assert (ran.code, ran.rules) == (1, ["M303"])
    assert prune(stored.one).summary["deleted"] == 1
    assert stored.keys == {key(stored.one, "a"), key(stored.one, "b")}


# --- One key, two pictures --------------------------------------------------------------------


@pytest.fixture
def clash(blog: Blog, destination: str) -> Pair:
    """Each site has another picture at `a.png`. That of the first is stored."""
    one, two = configure(blog.root, blog.host, destination, BY_PATH)
    pair = Pair(one, two, one.site.destinations[-1].store)
    show_pictures(one, a=1)
    assert not one.sync().findings
    show_pictures(two, a=2, b=3)
    two.host.put("a.png", picture(2, "GIF"))
    return pair


def only_shared(blog: Blog) -> None:
    """Point the posts of a blog at the shared destination, and at no other."""
    path = blog.root / "mirror.toml"
    head, _, shared = path.read_text().split("[[destination]]")
    path.write_text(f'{head}[[destination]]{shared}public_url = "/shared"\n')


@pytest.mark.parametrize("is_stored", [True, False])
def test_rewrite_does_not_advise_to_repair_what_the_other_uses(
    clash: Pair, is_stored: bool
) -> None:
    only_shared(clash.two)
    clash.two.sync()
    if not is_stored:
        clash.shared.delete(Key("a.png"))
    ran = run(clash.two, "rewrite", "--json")
    assert ran.rules == ["M111"]
    (finding,) = [event for event in ran.events if event["type"] == "finding"]
    assert "another site uses this key for another picture" in finding["message"]
    assert "`mirror " not in finding["message"]
    assert "![](/shared/b.png)" in clash.two.read("post.md")


def test_rewrite_names_an_index_that_cannot_be_read(clash: Pair) -> None:
    only_shared(clash.two)
    clash.two.sync()
    clash.shared.put(STRANGER, b"damaged")
    ran = run(clash.two, "rewrite")
    assert ran.code == 3
    assert "it is not known whether another site uses this key" in ran.out
    assert STRANGER in ran.out


def test_a_key_that_the_other_uses_stays_the_others(clash: Pair) -> None:
    (finding,) = clash.two.sync().findings
    assert (finding.rule.id, finding.subject) == ("M302", "a.png")
    assert "another site uses this key for another picture" in finding.message
    assert set(clash.index(clash.two)) == {"b.png"}
    ran = run(clash.two, "verify", "--json")
    assert (ran.code, ran.rules) == (1, ["M302"])
    assert "another site uses this key" in ran.out
    ran = run(clash.two, "repair", "--json")
    assert (ran.code, ran.rules) == (3, ["M307"])
    assert "another site uses this key" in ran.out
    assert clash.shared.get(Key("a.png")) == picture(1)
    assert prune(clash.two).code == 0
    assert set(clash.index(clash.two)) == {"b.png"}
    assert run(clash.one, "verify", "--deep").code == 0


def test_its_owner_can_repair_it_all_the_same(clash: Pair) -> None:
    clash.two.sync()
    clash.shared.replace(Key("a.png"), b"damaged")
    assert run(clash.one, "repair").code == 0
    assert clash.shared.get(Key("a.png")) == picture(1)


def test_a_key_is_the_others_before_its_object_is_there(clash: Pair) -> None:
    clash.shared.delete(Key("a.png"))
    (finding,) = clash.two.sync().findings
    assert (finding.rule.id, finding.subject) == ("M305", "a.png")
    ran = run(clash.two, "repair", "--json")
    assert (ran.code, ran.rules) == (3, ["M307"])
    assert clash.keys == {"b.png"}
    assert not clash.one.sync().findings
    assert clash.shared.get(Key("a.png")) == picture(1)


def test_no_image_gets_a_key_among_the_files_of_mirror(folders: Pair) -> None:
    folders.one.configure(destination=BY_PATH)
    show_pictures(folders.one, **{".mirror/sites/x": 1, ".Mirror/y": 2, "z": 3})
    result = folders.one.sync()
    assert [finding.rule.id for finding in result.findings] == ["M208", "M208"]
    assert not folders.one.sync(refresh=True).summary["fetched"] or folders.one.assets
    path = folders.one.root / "manifests" / "images.jsonl"
    path.write_text(path.read_text().replace('"key": "z.png"', '"key": ".mirror/sites/z.png"'))
    ran = run(folders.one, "repair")
    assert ran.code == 2
    assert "expected none below `.mirror/`" in ran.err


# --- Kills ------------------------------------------------------------------------------------


def test_a_sync_killed_before_it_stores_has_named_its_objects(
    sites: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    show_pictures(sites.one, a=1)
    with monkeypatch.context() as patch:
        patch.setattr("mirror.pipeline.store.store_missing", killed)
        with pytest.raises(KeyboardInterrupt):
            sites.one.sync()
    name = site_name(sites.one.root / "manifests")
    assert name is not None
    assert not sites.keys
    assert not sites.one.sync().findings
    assert set(sites.index(sites.one)) == sites.keys == {key(sites.one, "a")}


def test_what_a_killed_sync_stored_is_not_extra_for_the_other(
    sites: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    show_pictures(sites.two, b=2)
    assert not sites.two.sync().findings
    show_pictures(sites.one, a=1)
    with monkeypatch.context() as patch:
        patch.setattr(ManifestFile, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            sites.one.sync()
    assert len(sites.keys) == 2
    assert run(sites.two, "verify").code == 0
    assert prune(sites.two).summary["deleted"] == 0
    assert not sites.one.sync().findings
    assert run(sites.one, "verify").code == 0


def test_an_object_stored_during_the_listing_is_not_pruned(
    folders: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index of the new site was not there when the listing began."""
    show_pictures(folders.one, a=1)
    assert not folders.one.sync().findings
    show_pictures(folders.two, b=2)
    store_class = type(folders.shared)
    listed = store_class.list
    second = iter([folders.two])

    def list_slowly(store: Any, prefix: str = "") -> Any:
        infos = list(listed(store, prefix))
        if store.name == "shared" and (two := next(second, None)) is not None:
            assert not two.sync().findings
            infos += [info for info in listed(store) if not is_reserved(info.key)]
        return iter({info.key: info for info in infos}.values())

    monkeypatch.setattr(store_class, "list", list_slowly)
    ran = prune(folders.one)
    assert (ran.summary["deleted"], ran.summary["in_use"]) == (0, 1)
    assert key(folders.two, "b") in folders.keys


# --- An index that cannot be read -------------------------------------------------------------

DIGEST = b"a" * 64


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: b"garbage", id="garbage"),
        pytest.param(lambda: dumps({Key("a.png"): Digest("a" * 64)})[:-9], id="cut short"),
        pytest.param(lambda: compress(HEADER + b"\0" * (64 << 20)), id="a bomb"),
        pytest.param(lambda: compress(HEADER + b"\n" * (64 << 20)), id="a bomb of lines"),
        pytest.param(
            lambda: compress(HEADER + DIGEST + b" ../../posts/post.md\n"), id="a path out"
        ),
        pytest.param(
            lambda: compress(HEADER + DIGEST + b" /etc/passwd\n"), id="a path from the root"
        ),
        pytest.param(lambda: compress(b"mirror-site-index 2\n"), id="a later version"),
    ],
)
def test_an_index_that_cannot_be_read_is_a_doubt(folders: Pair, make: Callable[[], bytes]) -> None:
    one, shared = folders.one, folders.shared
    show_pictures(one, a=1, b=2)
    assert not one.sync().findings
    shared.put(STRANGER, make())
    assert run(one, "verify").code == 0  # nothing is extra, so it is not read
    shared.put(STRAY, b"stray")
    shared.replace(key(one, "b"), b"damaged")

    ran = run(one, "verify", "--json")
    assert (ran.code, sorted(ran.rules)) == (1, ["M302", "M304"])
    assert STRANGER in ran.out
    assert "delete the file if that site is gone" in ran.out
    ran = run(one, "repair", "--json")
    assert (ran.code, ran.rules) == (3, ["M307"])
    assert STRANGER in ran.out
    ran = run(one, "prune", "--max-delete", "100%")
    assert ran.code == 0
    assert "--yes would be refused" in ran.out
    ran = prune(one)
    assert (ran.code, ran.rules) == (4, ["M506"])
    assert shared.get(STRAY) == b"stray"
    assert shared.get(key(one, "b")) == b"damaged"

    shared.delete(STRANGER)
    assert run(one, "repair").code == 0
    assert prune(one).summary["deleted"] == 1
    assert run(one, "verify", "--deep").code == 0


def test_only_an_extra_object_makes_a_damaged_index_matter(stored: Pair) -> None:
    stored.shared.put(STRANGER, b"garbage")
    ran = run(stored.one, "verify", "--json")
    assert (ran.code, ran.rules) == (3, ["M304"])
    stored.shared.delete(STRANGER)
    assert run(stored.one, "verify").code == 0


def test_the_site_that_wrote_a_damaged_index_puts_it_right(stored: Pair) -> None:
    name = site_name(stored.two.root / "manifests")
    assert name is not None
    stored.shared.replace(index_key(name), b"garbage")
    assert run(stored.one, "verify").code == 3
    assert not stored.two.sync().findings
    assert run(stored.one, "verify").code == 0


def test_an_index_may_name_what_is_not_there(folders: Pair) -> None:
    show_pictures(folders.one, a=1)
    assert not folders.one.sync().findings
    folders.shared.put(STRANGER, dumps({Key("x.png"): Digest("a" * 64)}))
    assert run(folders.one, "verify").code == 0
    folders.shared.put(Key("x.png"), b"x")
    assert run(folders.one, "verify").code == 0
    assert prune(folders.one).summary["in_use"] == 1


def test_an_index_that_names_other_bytes_stops_a_repair(folders: Pair) -> None:
    show_pictures(folders.one, a=1)
    assert not folders.one.sync().findings
    a = key(folders.one, "a")
    folders.shared.put(STRANGER, dumps({a: Digest(sha256(b"theirs").hexdigest())}))
    folders.shared.replace(a, b"theirs")
    assert run(folders.one, "repair", "--json").rules == ["M307"]
    assert folders.shared.get(a) == b"theirs"


# --- One site on two machines -----------------------------------------------------------------


def test_an_older_clone_of_a_site_drops_no_names(stored: Pair) -> None:
    clone = Blog(stored.one.root.parent / "clone", stored.one.host)
    shutil.copytree(stored.one.root, clone.root)
    show_pictures(stored.one, a=1, b=2, d=4)
    assert not stored.one.sync().findings
    names = stored.index(stored.one)
    assert len(names) == 3
    show_pictures(clone, a=1, e=5)
    assert not clone.sync().findings
    assert set(stored.index(stored.one)) == {*names, key(clone, "e")}
    assert prune(stored.two).summary["deleted"] == 0
    assert {key(stored.one, "d"), key(clone, "e")} <= stored.keys


# --- What it costs, and what it leaves --------------------------------------------------------


def test_nothing_is_written_while_there_is_nothing_to_name(folders: Pair) -> None:
    folders.one.write("post.md", "no picture\n")
    assert not folders.one.sync().findings
    assert not (folders.one.root / "manifests" / "site.txt").exists()
    assert list(folders.shared.list()) == []


def test_one_more_request_when_nothing_changed(blog: Blog, rclone: Server) -> None:
    blog.configure(more=commands.s3_destination(rclone))
    commands.filled(blog, "a.png", "b.png")
    parts = blog.site
    store = parts.destinations[-1].store
    assert isinstance(store, S3Store)
    assert not sync(parts, Threads(), SyncOptions(), blog.progress).findings
    assert store.requests == {"ListObjectsV2": 1, "GetObject": 1}


def test_a_folder_that_takes_no_index_gets_no_objects(folders: Pair) -> None:
    show_pictures(folders.one, a=1)
    folders.shared.put(Key(".mirror"), b"a file where a folder is needed")
    ran = run(folders.one, "sync", "--json")
    assert (ran.code, ran.rules) == (3, ["M305"])
    assert "1 object was not stored there" in ran.out
    assert folders.keys == {".mirror"}


@pytest.mark.parametrize("text", ["", "no name\n", "<<<<<<< HEAD\n"])
def test_a_name_that_is_none_is_said(
    folders: Pair, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_pictures(folders.one, a=1)
    path = folders.one.root / "manifests" / "site.txt"
    path.parent.mkdir()
    path.write_text(text)
    ran = run(folders.one, "sync")
    assert ran.code == 3
    assert "site.txt: expected a file with 32 hexadecimal digits" in ran.err
    path.unlink()
    assert run(folders.one, "sync").code == 0


def test_a_destination_below_another_one_is_left_alone(tmp_path: Path) -> None:
    with ImageHost({"a.png": picture(1), "b.png": picture(2)}) as host:
        blogs = []
        for name, place in (("outer", "nest"), ("inner", "nest/sub")):
            site = Blog(tmp_path / name, host)
            site.root.mkdir()
            site.configure()
            text = (site.root / "mirror.toml").read_text()
            text = text.replace('url = "file:static/images"', f'url = "file:../{place}"')
            (site.root / "mirror.toml").write_text(text)
            site.write("post.md", f"![]({BUCKET}{(name[0] == 'o' and 'a') or 'b'}.png)\n")
            blogs.append(site)
        outer, inner = blogs
        assert run(inner, "sync").code == run(outer, "sync").code == 0
        assert run(outer, "verify").code == 0
        assert run(outer, "prune", "--yes", "--max-delete", "100%").code == 0
        assert run(inner, "verify").code == run(outer, "verify").code == 0
