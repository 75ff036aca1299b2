"""`links = "relative"`: each post gets the path from its own folder to the mirrored file."""

from __future__ import annotations

import itertools
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.commands import BUCKET, CommandResult, picture, run
from support.sites import Blog

from mirror.config import ConfigError, load_config


def configured(blog: Blog, folder: str = "docs/mirror", extra: str = "") -> None:
    path = blog.root / "mirror.toml"
    blog.configure(destination=extra)
    text = path.read_text(encoding="utf-8").replace('paths = ["posts"]', 'paths = ["docs"]')
    text = text.replace("file:static/images", f"file:{folder}")
    path.write_text(text.replace('public_url = "/images"', 'links = "relative"'), encoding="utf-8")


@pytest.fixture
def docs(blog: Blog) -> Blog:
    """A site whose posts are at two depths below `docs`."""
    for seed, name in enumerate(("a.png", "b.png")):
        blog.host.put(name, picture(seed))
    configured(blog)
    return blog


def write(blog: Blog, name: str, text: str) -> Path:
    path = blog.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.replace("BUCKET/", BUCKET).encode())
    return path


def mirrored(blog: Blog) -> None:
    assert run(blog, "sync").code == 0
    ran = run(blog, "rewrite")
    assert ran.code == 0, ran.out + ran.err


def keys(blog: Blog) -> dict[str, str]:
    lines = (blog.root / "manifests/images.jsonl").read_text(encoding="utf-8").splitlines()[1:]
    assets = [json.loads(line) for line in lines]
    return {source.rpartition("/")[2]: one["key"] for one in assets for source in one["sources"]}


POST = (
    "# T\n\n![one](BUCKET/a.png#x) and ![two][b], [the file](<BUCKET/a.png>)\n\n[b]: BUCKET/b.png\n"
)


def test_each_post_gets_its_own_path_and_its_sources_back(docs: Blog) -> None:
    posts = {name: write(docs, name, POST) for name in ("docs/index.md", "docs/x/ü y/deep.md")}
    before = {name: path.read_bytes() for name, path in posts.items()}
    mirrored(docs)
    key = keys(docs)
    for name, way in (("docs/index.md", "./mirror/"), ("docs/x/ü y/deep.md", "../../mirror/")):
        text = posts[name].read_text(encoding="utf-8")
        expected = before[name].decode().replace(f"{BUCKET}a.png", way + key["a.png"])
        assert text == expected.replace(f"{BUCKET}b.png", way + key["b.png"])
    assert run(docs, "rewrite", "--check").code == 0
    verified = run(docs, "verify", "--posts", "--offline")
    assert verified.code == 0, verified.out
    assert run(docs, "leftovers").code == 0
    assert run(docs, "sync").code == 0
    assert run(docs, "rewrite", "--revert").code == 0
    assert {name: path.read_bytes() for name, path in posts.items()} == before


def test_a_moved_post_with_new_links_gets_its_own_sources_back(docs: Blog) -> None:
    docs.host.put("again.png", picture(0))  # one object for two sources
    text = "# T\n\n![](BUCKET/a.png)\n\nmiddle of the text\n\n![](BUCKET/again.png)\n"
    post = write(docs, "docs/a.md", text)
    mirrored(docs)
    moved = docs.root / "docs/deeper/still/b.md"
    moved.parent.mkdir(parents=True)
    moved.write_text(post.read_text().replace("(./mirror/", "(../../mirror/"))
    post.unlink()
    assert run(docs, "verify", "--posts").code == 0
    assert run(docs, "rewrite", "--revert").code == 0
    assert moved.read_text() == text.replace("BUCKET/", BUCKET)


def test_verify_names_the_links_of_a_post_that_was_moved_without_them(docs: Blog) -> None:
    post = write(docs, "docs/a.md", "![](BUCKET/a.png)\n")
    mirrored(docs)
    moved = docs.root / "docs/deeper/a.md"
    moved.parent.mkdir()
    post.rename(moved)
    ran = run(docs, "verify", "--posts", "--offline")
    assert ran.code == 1
    assert "docs/deeper/a.md:1" in ran.out
    assert f"../mirror/{keys(docs)['a.png']}" in ran.out
    assert "`mirror rewrite` corrects it" in ran.out


def moved(docs: Blog, post: Path, name: str) -> Path:
    target = docs.root / name
    target.parent.mkdir(parents=True, exist_ok=True)
    return post.rename(target)


@pytest.mark.parametrize("key", ["{sha256:.2}/{sha256}{ext}", "{path}"])
def test_rewrite_corrects_the_links_of_a_post_that_was_moved(docs: Blog, key: str) -> None:
    configured(docs, extra=f'key = "{key}"')
    docs.host.put("again.png", picture(0))  # one object for two sources
    text = f"{POST}\n\n![](BUCKET/again.png) `./mirror/no/link` <!-- ./mirror/x.png -->\r\n"
    source = text.replace("BUCKET/", BUCKET).encode()
    post = write(docs, "docs/x/a.md", text)
    mirrored(docs)
    there = post.read_bytes()
    assert there.count(b"../mirror/") == 4
    post = moved(docs, post, "docs/b.md")
    assert run(docs, "rewrite", "--check").code == 1
    for name, way in (("docs/b.md", b"./mirror/"), ("docs/y/ü y/c.md", b"../../mirror/")):
        post = moved(docs, post, name)
        assert run(docs, "verify", "--posts", "--offline").code == 1
        ran = run(docs, "rewrite")
        assert (ran.code, "M110" in ran.out) == (0, False), ran.out
        assert post.read_bytes() == there.replace(b"../mirror/", way)
        assert run(docs, "verify", "--posts", "--offline").code == 0
    assert run(docs, "rewrite", "--revert").code == 0
    assert post.read_bytes() == source


_ASIDE = st.text(st.sampled_from("ab図 \t.*_`|#-\r\n[](){}<>!/\\"), max_size=30)
_FOLDERS = st.lists(st.sampled_from(["x", "ü y", "mirrors", "50%"]), max_size=3).map("/".join)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(_ASIDE, min_size=3, max_size=5), _FOLDERS, _FOLDERS)
def test_nothing_but_links_changes_when_a_moved_post_is_corrected(
    docs: Blog, asides: list[str], here: str, there: str
) -> None:
    for name in ("docs", "manifests"):
        shutil.rmtree(docs.root / name, ignore_errors=True)
    names = itertools.cycle(["a.png", "b.png"])
    text = asides[0] + "".join(f"![]({BUCKET}{next(names)}){aside}" for aside in asides[1:])
    post = write(docs, posixpath.join("docs", here, "first.md"), text)
    source = post.read_bytes()
    run(docs, "sync")
    run(docs, "rewrite")
    before = post.read_bytes()
    post = moved(docs, post, posixpath.join("docs", there, "second.md"))
    run(docs, "rewrite")
    way = "../" * len(there.split("/")) if there else "./"
    link = re.compile(rb"(?:\./|(?:\.\./)+)mirror/")
    assert post.read_bytes() == link.sub(f"{way}mirror/".encode(), before)
    run(docs, "rewrite", "--revert")
    assert post.read_bytes() == source


def test_revert_gives_the_links_of_a_moved_post_their_sources_back(docs: Blog) -> None:
    post = write(docs, "docs/a.md", POST)
    before = post.read_bytes()
    mirrored(docs)
    post = moved(docs, post, "docs/deeper/a.md")
    assert run(docs, "rewrite", "--revert").code == 0
    assert post.read_bytes() == before


def test_a_copy_of_a_post_in_another_folder_gets_links_of_its_own(docs: Blog) -> None:
    post = write(docs, "docs/a.md", POST)
    mirrored(docs)
    copy = docs.root / "docs/deeper/a.md"
    copy.parent.mkdir()
    copy.write_bytes(post.read_bytes())
    standing = post.read_bytes()
    assert run(docs, "rewrite").code == 0
    assert post.read_bytes() == standing
    assert copy.read_bytes() == standing.replace(b"./mirror/", b"../mirror/")


def test_a_link_that_was_edited_in_place_stays_and_is_named(docs: Blog) -> None:
    post = write(docs, "docs/parts/a.md", "![](BUCKET/a.png)\n")  # included by docs/index.md
    mirrored(docs)
    post.write_bytes(post.read_bytes().replace(b"../mirror/", b"./mirror/"))
    edited = post.read_bytes()
    for arguments in (("rewrite",), ("rewrite", "--revert")):
        ran = run(docs, *arguments)
        assert "docs/parts/a.md:1:5" in ran.out
        assert "stays as it is" in ran.out
        assert post.read_bytes() == edited


def test_what_leads_to_a_file_or_to_another_host_is_no_link_of_a_moved_post(docs: Blog) -> None:
    post = write(docs, "docs/a.md", "![](BUCKET/a.png)\n")
    mirrored(docs)
    key = keys(docs)["a.png"]
    post = moved(docs, post, "docs/deeper/a.md")
    write(docs, f"docs/deeper/mirror/{key}", "a picture that somebody copied")
    write(docs, "docs/b.md", f"![](https://raw.example/me/docs/mirror/{key})\n")
    before = {path: path.read_bytes() for path in (post, docs.root / "docs/b.md")}
    assert run(docs, "verify", "--posts", "--offline").code == 0
    assert run(docs, "rewrite").out.count("nothing to change") == 1
    assert {path: path.read_bytes() for path in before} == before


def test_a_link_that_may_mean_two_objects_stays_and_is_named(docs: Blog) -> None:
    configured(docs, extra='key = "{path}"')
    docs.host.put("x/mirror/a.png", picture(7))
    post = write(docs, "docs/a.md", "![](BUCKET/x/mirror/a.png)\n")
    write(docs, "docs/b.md", "![](BUCKET/a.png)\n")
    mirrored(docs)
    post = moved(docs, post, "docs/deeper/a.md")
    before = post.read_bytes()
    for arguments in (("verify", "--posts", "--offline"), ("rewrite",)):
        ran = run(docs, *arguments)
        assert "../mirror/x/mirror/a.png or ../mirror/a.png" in ran.out
        assert post.read_bytes() == before


def test_a_destination_that_moves_takes_the_posts_along(docs: Blog) -> None:
    post = write(docs, "docs/p/a.md", "![](BUCKET/a.png)\n")
    mirrored(docs)
    configured(docs, "docs/pictures")
    assert run(docs, "sync").code == 0
    ran = run(docs, "verify", "--posts", "--offline")
    assert "[M118]" in ran.out, ran.out
    assert run(docs, "rewrite").code == 0
    assert post.read_text() == f"![](../pictures/{keys(docs)['a.png']})\n"
    assert run(docs, "verify", "--posts").code == 0


def test_a_post_at_an_absolute_path_changes_to_a_relative_link(docs: Blog) -> None:
    post = write(docs, "docs/p/a.md", "![](BUCKET/a.png)\n")
    relative = (docs.root / "mirror.toml").read_text()
    absolute = relative.replace('links = "relative"', 'public_url = "/images"')
    (docs.root / "mirror.toml").write_text(absolute)
    mirrored(docs)
    assert post.read_text() == f"![](/images/{keys(docs)['a.png']})\n"
    (docs.root / "mirror.toml").write_text(relative)
    assert run(docs, "rewrite").code == 0
    assert post.read_text() == f"![](../mirror/{keys(docs)['a.png']})\n"
    (docs.root / "mirror.toml").write_text(absolute)
    assert run(docs, "rewrite").code == 0
    assert run(docs, "rewrite", "--revert").code == 0
    assert post.read_text() == f"![]({BUCKET}a.png)\n"


def test_names_are_percent_encoded(docs: Blog) -> None:
    configured(docs, "docs/图 #1", 'key = "{path}"')
    name = "n%C3%B6%20%25%23(1).png"
    docs.host.put("nö %#(1).png", picture(3))
    post = write(docs, "docs/p/a.md", f"![](BUCKET/{name})\n")
    mirrored(docs)
    assert post.read_text() == f"![](../%E5%9B%BE%20%231/{name.replace('(1)', '%281%29')})\n"
    assert (docs.root / "docs/图 #1/nö %#(1).png").is_file()
    assert run(docs, "verify", "--posts").code == 0


def test_what_a_browser_counts_from_the_page_stays_and_is_named(docs: Blog) -> None:
    text = (
        "---\ncover: BUCKET/b.png\n---\n"
        '![](BUCKET/a.png)\n\n<img src="BUCKET/a.png">\n\n{{< figure src="BUCKET/b.png" >}}\n'
    )
    post = write(docs, "docs/a.md", text)
    assert run(docs, "sync").code == 0
    ran = run(docs, "rewrite", "--json")
    expected = text.replace("![](BUCKET/a.png)", f"![](./mirror/{keys(docs)['a.png']})")
    assert post.read_text() == expected.replace("BUCKET/", BUCKET)
    assert ran.rules == ["M110"] * 3
    assert [event["line"] for event in ran.events if event["type"] == "finding"] == [2, 6, 8]
    left = [event for event in run(docs, "leftovers", "--json").events if "why" in event]
    assert [(event["line"], event["why"]) for event in left] == [
        (line, "unknown-form") for line in (2, 6, 8)
    ]


def test_prune_keeps_what_a_post_links_to(docs: Blog) -> None:
    write(docs, "docs/p/a.md", "![](BUCKET/a.png) ![](BUCKET/b.png)\n")
    mirrored(docs)
    manifest = docs.root / "manifests/images.jsonl"
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join(line for line in lines if "/a.png" not in line) + "\n")
    ran = run(docs, "prune", "--yes", "--max-delete", "100%")
    assert (docs.root / "docs/mirror" / find(lines, "/a.png")).is_file(), ran.out


def find(lines: list[str], name: str) -> str:
    (line,) = [line for line in lines if name in line]
    key = json.loads(line)["key"]
    assert isinstance(key, str)
    return key


def test_a_generator_that_serves_posts_at_another_depth_is_refused(docs: Blog) -> None:
    write(docs, "hugo.toml", 'baseURL = "https://me.example/"\n')
    post = write(docs, "docs/a.md", "![](BUCKET/a.png)\n")
    assert run(docs, "sync").code == 0
    ran = run(docs, "rewrite")
    assert ran.code == 2
    assert "Hugo" in ran.err
    assert "public_url" in ran.err
    assert BUCKET in post.read_text()
    advised = run(docs, "doctor")
    assert advised.code == 1
    assert "Hugo does not follow relative links" in advised.out


@pytest.mark.parametrize(
    ("url", "more", "message"),
    [
        pytest.param("s3://bucket", "", "file:", id="a bucket"),
        pytest.param("file:../mirror", "", "below", id="out of the folder"),
        pytest.param("file:docs/mirror", 'public_url = "/m"', "public_url", id="two addresses"),
    ],
)
def test_a_destination_without_relative_paths_is_refused(
    docs: Blog, url: str, more: str, message: str
) -> None:
    configured(docs, extra=more)
    path = docs.root / "mirror.toml"
    path.write_text(path.read_text().replace("file:docs/mirror", url))
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_posts_outside_of_the_folder_are_refused(docs: Blog) -> None:
    path = docs.root / "mirror.toml"
    path.write_text(path.read_text().replace('paths = ["docs"]', 'paths = ["../docs"]'))
    with pytest.raises(ConfigError, match="outside"):
        load_config(path)


@pytest.mark.parametrize("directories", ["true", "false"])
def test_mkdocs_follows_the_links(docs: Blog, directories: str) -> None:
    pytest.importorskip("mkdocs")
    write(docs, "mkdocs.yml", f"site_name: x\nuse_directory_urls: {directories}\n")
    write(docs, "docs/index.md", POST)
    write(docs, "docs/x/y/deep.md", POST)
    mirrored(docs)
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    program = [sys.executable, "-m", "mkdocs", "build", "-q", "--strict"]
    subprocess.run(program, cwd=docs.root, env=environment, check=True)
    ran: CommandResult = run(docs, "verify", "--posts", "--site", "site")
    assert ran.code == 0, ran.out
    (docs.root / "site/mirror" / keys(docs)["b.png"]).unlink()
    ran = run(docs, "verify", "--posts", "--site", "site", "--json")
    assert set(ran.rules) == {"M603"}
