"""Repointing posts and pointing them back, on a site in a folder."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess

import pytest
from support import commands, slides
from support.faults import MIRROR, small_disk
from support.sites import BUCKET
from typer.testing import CliRunner

from mirror.cli import app
from mirror.engine import Serial
from mirror.markdown import find_references
from mirror.model import Rule
from mirror.pipeline.post_diff import diff
from mirror.pipeline.verify import VerifyOptions, verify
from mirror.rewrites import loads

DECK = [slides.encode(page.draw()) for page in slides.deck(4)]


@pytest.fixture
def mirrored(blog):
    """Four pictures on the host, `a.png` and `again.png` the same, and a post of each kind."""
    for name, data in zip(("a.png", "b.png", "c.png", "d.png"), DECK, strict=True):
        blog.host.put(name, data)
    blog.host.put("again.png", DECK[0])
    return blog


def rules(result):
    return [finding.rule for finding in result.findings]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"![x]({BUCKET}a.png)", id="no final newline"),
        pytest.param(f"a\r\n![x]({BUCKET}a.png 't')  \r\n\nmixed ends\n", id="line ends"),
        pytest.param(f"\ufeff![x]({BUCKET}a.png)\n", id="byte order mark"),
        pytest.param(f"![x][1]\n\n[1]:{BUCKET}a.png\n", id="reference"),
        pytest.param(f"<img src='{BUCKET}a.png'\n  width=3>\n", id="html"),
        pytest.param(f"---\ncover: {BUCKET}a.png\n---\n", id="front matter"),
        pytest.param(f"[![]({BUCKET}a.png)]({BUCKET}b.png)\n", id="linked image"),
        pytest.param(f"![]({BUCKET}a.png#pic_center)\n", id="fragment"),
        pytest.param(f"![]({BUCKET}%61.png) ![](HTTP{BUCKET[5:]}a.png)\n", id="spellings"),
        pytest.param(f"<img src='{BUCKET[:-1]}\\a.png'>\n", id="backslash"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_only_urls_change_and_all_of_it_can_be_undone(mirrored, text, encoding):
    if encoding == "gb18030":
        text = "旧文：" + text.replace("\ufeff", "") if text[0] != "-" else text + "正文"
    data = text.encode(encoding)
    path = mirrored.write("post.md", data)
    path.chmod(0o640)
    mirrored.sync()
    result = mirrored.rewrite()
    assert not result.findings
    after = path.read_bytes()
    assert BUCKET.encode() not in after
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    outside = after.decode(encoding)
    for asset in mirrored.assets:
        outside = outside.replace("/images/" + asset.get("key", "-"), "@")
    text = text.replace(f"{BUCKET[:-1]}\\a.png", "@")
    for name in ("a.png", "b.png", "%61.png"):
        text = text.replace(BUCKET + name, "@").replace("HTTP" + BUCKET[5:] + name, "@")
    assert outside == text
    assert mirrored.rewrite().changed == []
    assert not mirrored.revert().findings
    assert path.read_bytes() == data


def test_code_comments_and_visible_text_stay(mirrored):
    text = (
        f"`![]({BUCKET}a.png)`\n\n    ![]({BUCKET}a.png)\n\n```\n![]({BUCKET}a.png)\n```\n\n"
        f"<!-- ![]({BUCKET}a.png) -->\n\n<{BUCKET}a.png> {BUCKET}a.png\n"
    )
    mirrored.write("post.md", text)
    mirrored.write("shown.md", f"![]({BUCKET}a.png)")
    mirrored.sync()
    mirrored.rewrite()
    assert mirrored.read("post.md") == text


def test_sources_of_one_target_are_told_apart_when_the_post_was_edited_in_between(mirrored):
    text = f"one\n\n![]({BUCKET}a.png)\n\ntwo\n\n![]({BUCKET}again.png)\n\nthree\n"
    path = mirrored.write("post.md", text)
    mirrored.sync()
    mirrored.rewrite()
    shown = mirrored.read("post.md")
    assert shown.count(mirrored.asset("a.png")["key"]) == 2
    path.write_text("# New title\n\n" + shown.replace("\ntwo", "\nnew paragraph\n\ntwo"))
    assert not mirrored.revert().findings
    expected = "# New title\n\n" + text.replace("\ntwo", "\nnew paragraph\n\ntwo")
    assert mirrored.read("post.md") == expected


def test_a_post_whose_name_is_no_utf_8_is_remembered(mirrored):
    text = f"![]({BUCKET}a.png) ![]({BUCKET}again.png)\n"
    name = os.fsdecode(b"\xb2\xe2.md")
    try:
        mirrored.write(name, text)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    mirrored.write("post.md", text)
    mirrored.sync()
    mirrored.rewrite()
    assert len(loads((mirrored.root / "manifests" / "rewrites.jsonl").read_text())) == 4
    mirrored.write("post.md", mirrored.read("post.md") + "more\n")
    mirrored.rewrite()
    assert not mirrored.revert().findings
    assert mirrored.read(name) == text
    assert mirrored.read("post.md") == text + "more\n"


def test_what_cannot_be_told_apart_is_left_and_said(mirrored):
    lines = [f"![]({BUCKET}a.png)\n\n![]({BUCKET}again.png)\n"]
    path = mirrored.write("post.md", lines[0])
    mirrored.sync()
    mirrored.rewrite()
    line = mirrored.read("post.md").split("\n")[0]
    path.write_text(f"all new words around {line} that nobody has seen\n")
    result = mirrored.revert()
    assert rules(result) == [Rule.NOT_REVERTED]
    assert "a.png" in result.findings[0].message
    assert line in mirrored.read("post.md")


def test_a_renamed_post_is_reverted_by_what_is_known_of_its_targets(mirrored):
    path = mirrored.write("post.md", f"![]({BUCKET}b.png)\n")
    mirrored.sync()
    mirrored.rewrite()
    path.rename(path.with_name("renamed.md"))
    assert not mirrored.revert().findings
    assert mirrored.read("renamed.md") == f"![]({BUCKET}b.png)\n"


def test_a_moved_post_is_told_by_what_surrounds_its_images(mirrored):
    """Two posts spell one address in two ways; only what stands around tells which was which."""
    texts = {
        "a.md": f"first ![]({BUCKET}a.png)\n",
        "b.md": f"second ![]({BUCKET.replace('https', 'http')}a.png)\n",
    }
    for name, text in texts.items():
        mirrored.write(name, text)
    mirrored.sync()
    for _ in range(2):
        mirrored.rewrite()
        folder = mirrored.root / "posts"
        (folder / "b").mkdir(exist_ok=True)
        (folder / "b.md").rename(folder / "b" / "index.md")
        assert not mirrored.revert().findings
        assert mirrored.read("a.md") == texts["a.md"]
        assert mirrored.read("b/index.md") == texts["b.md"]
        memory = (mirrored.root / "manifests" / "rewrites.jsonl").read_text()
        assert len(memory.splitlines()) == 1, "nothing is left of what was put back"
        (folder / "b" / "index.md").rename(folder / "b.md")


def test_new_images_of_a_rewritten_post_join_what_is_remembered(mirrored):
    path = mirrored.write("post.md", f"![]({BUCKET}a.png)\n")
    mirrored.sync()
    mirrored.rewrite()
    with path.open("a") as file:
        file.write(f"\n![]({BUCKET}again.png)\n\n![]({BUCKET}b.png)\n")
    mirrored.sync()
    mirrored.rewrite()
    mirrored.revert()
    expected = "\n\n".join(f"![]({BUCKET}{name})" for name in ("a.png", "again.png", "b.png"))
    assert mirrored.read("post.md") == expected + "\n"


def test_a_run_killed_before_the_posts_were_written_leaves_nothing_to_mend(mirrored, monkeypatch):
    path = mirrored.write("post.md", f"![]({BUCKET}a.png)\n")
    mirrored.sync()
    with monkeypatch.context() as patch:
        patch.setattr("mirror.pipeline.rewrite.write_post", lambda edit, **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            mirrored.rewrite()
    assert path.read_text() == f"![]({BUCKET}a.png)\n"
    mirrored.rewrite()
    mirrored.revert()
    assert path.read_text() == f"![]({BUCKET}a.png)\n"
    remembered = (mirrored.root / "manifests" / "rewrites.jsonl").read_text()
    assert loads(remembered) == []


def test_a_post_that_changed_since_it_was_read_is_not_written(mirrored, monkeypatch):
    path = mirrored.write("post.md", f"![]({BUCKET}a.png)\n")
    mirrored.sync()
    from mirror.pipeline import rewrite

    real = rewrite.write_post

    def edited_meanwhile(edit, **options):
        path.write_text("an editor saved this\n")
        return real(edit, **options)

    monkeypatch.setattr("mirror.pipeline.rewrite.write_post", edited_meanwhile)
    result = mirrored.rewrite()
    assert rules(result) == [Rule.POST_CHANGED]
    assert path.read_text() == "an editor saved this\n"


def test_posts_keep_their_modification_time_if_asked_to(mirrored):
    path = mirrored.write("post.md", f"![]({BUCKET}a.png)\n")
    mirrored.sync()
    for options in (["--keep-times"], ["--revert", "--keep-times"]):
        before = path.read_bytes()
        os.utime(path, ns=(10**18, 10**18 + 1))
        assert commands.run(mirrored, "rewrite", *options).code == 0
        assert path.read_bytes() != before
        assert path.stat().st_mtime_ns == 10**18 + 1
    commands.run(mirrored, "rewrite")
    assert path.stat().st_mtime_ns != 10**18 + 1


def test_a_read_only_folder_is_said_and_the_post_is_as_it_was(mirrored):
    path = mirrored.write("deep/post.md", f"![]({BUCKET}a.png)\n")
    mirrored.sync()
    path.parent.chmod(0o500)
    try:
        if os.access(path.parent, os.W_OK):
            pytest.skip("this user may write anywhere")
        result = mirrored.rewrite()
    finally:
        path.parent.chmod(0o700)
    assert rules(result) == [Rule.POST_NOT_WRITTEN]
    assert path.read_text() == f"![]({BUCKET}a.png)\n"


@pytest.mark.parametrize("damage", ["missing", "different"])
def test_a_post_is_only_pointed_at_an_object_that_was_seen_with_the_right_bytes(mirrored, damage):
    mirrored.write("post.md", f"![]({BUCKET}a.png)\n")
    mirrored.sync()
    (path,) = (mirrored.root / "static").rglob("*.png")
    path.unlink() if damage == "missing" else path.write_bytes(DECK[1])
    result = mirrored.rewrite()
    assert rules(result) == [Rule.OBJECT_NOT_PROVEN]
    assert mirrored.read("post.md") == f"![]({BUCKET}a.png)\n"


def test_an_image_that_is_not_mirrored_stays_and_is_named(mirrored):
    mirrored.write("post.md", f"![]({BUCKET}lost.png) ![]({BUCKET}a.png)\n")
    mirrored.sync()
    result = mirrored.rewrite()
    assert rules(result) == [Rule.NOT_REPOINTED]
    assert mirrored.read("post.md").startswith(f"![]({BUCKET}lost.png) ![](/images/")


@pytest.mark.parametrize("command", [["rewrite"], ["verify", "--posts"]])
def test_the_remedy_for_an_image_is_that_of_the_reason_the_last_sync_met(mirrored, command):
    mirrored.write("post.md", f"![]({BUCKET}lost.png)\n\n![]({BUCKET}lost.png)\n")
    commands.run(mirrored, "sync")
    mirrored.write("new.md", f"![]({BUCKET}a.png)\n")
    (known,) = {line for line in _messages(mirrored, command) if "lost.png" in line[0]}
    assert "HTTP 404" in known[1]
    assert known[1].endswith("if it is known to be gone, list it under [[ignore]]")
    assert "`mirror sync`" not in known[1]
    (unknown,) = {line for line in _messages(mirrored, command) if "a.png" in line[0]}
    assert "`mirror sync`" in unknown[1]


def test_the_remedy_for_a_host_that_did_not_answer_is_to_ask_again(mirrored):
    mirrored.configure(more="[fetch]\nretries = 0")
    text = (mirrored.root / "mirror.toml").read_text()
    text = text.replace(mirrored.host.base_url, "http://127.0.0.1:9/")
    (mirrored.root / "mirror.toml").write_text(text)
    mirrored.write("post.md", f"![]({BUCKET}a.png)\n")
    assert commands.run(mirrored, "sync").code == 3
    ((_, message),) = _messages(mirrored, ["rewrite"])
    assert "the last sync says: no connection to 127.0.0.1:9" in message
    assert message.endswith("; `mirror sync` asks again")


def _messages(blog, command):
    events = commands.run(blog, *command, "--json").events
    return [(event["subject"], event["message"]) for event in events if event["type"] == "finding"]


def test_an_image_that_is_in_no_destination_is_not_mirrored(mirrored):
    mirrored.configure(destination='key = "{name}"')
    mirrored.host.put("other/a.png", DECK[1])
    mirrored.write("post.md", f"![]({BUCKET}a.png) ![]({BUCKET}other/a.png)\n")
    assert rules(mirrored.sync()) == [Rule.KEY_TAKEN]
    assert rules(mirrored.rewrite()) == [Rule.NOT_REPOINTED]
    assert mirrored.read("post.md") == f"![](/images/a.png) ![]({BUCKET}other/a.png)\n"
    result = verify(mirrored.site, Serial(), VerifyOptions(posts=True), mirrored.progress)
    (finding,) = result.findings
    assert finding.rule is Rule.NOT_MIRRORED
    assert finding.place == "posts/post.md:1:24"


def test_a_map_speaks_of_its_keys_and_of_no_way_back(mirrored):
    signed = f"{BUCKET}a.png?AWSAccessKeyId=A&Signature=planted&Expires=1"
    mirrored.write("post.md", f"![]({signed})\n")
    unmet = f"{BUCKET}b.png?AWSAccessKeyId=A&Signature=hidden&Expires=1"
    urls = {signed: "https://cdn.example/a.png", unmet: "https://cdn.example/b.png"}
    (mirrored.root / "map.json").write_text(json.dumps(urls))
    done = commands.run(mirrored, "rewrite", "--map", "map.json")
    assert done.code == 0
    assert mirrored.read("post.md") == "![](https://cdn.example/a.png)\n"
    assert "M505" not in done.out
    (line,) = [line for line in done.out.splitlines() if "[M117]" in line]
    assert f"{BUCKET}b.png" in line
    assert "hidden" not in done.out


def test_a_dry_run_shows_the_change_without_the_signatures_in_it(mirrored):
    text = f"before\n![]({BUCKET}a.png?AWSAccessKeyId=A&Signature=planted&Expires=1)\n"
    mirrored.write("post.md", text)
    mirrored.sync()
    result = mirrored.rewrite(write=False)
    assert rules(result) == [Rule.SECRET_IN_POST]
    assert "gives it back without" in result.findings[0].message
    shown = "".join(diff(result.changed[0]))
    assert shown.startswith("--- a/posts/post.md\n+++ b/posts/post.md\n@@ -1,2 +1,2 @@\n before\n")
    assert f"-![]({BUCKET}a.png)\n" in shown
    assert "planted" not in shown
    assert mirrored.read("post.md") == text


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_long_line_of_a_diff_is_cut_where_people_read_it(mirrored, end):
    mirrored.write("post.md", f"![]({BUCKET}a.png)" + "x" * 60_000 + end)
    mirrored.sync()
    shown = commands.run(mirrored, "rewrite", "--dry-run", "--quiet").out
    old, new = (line for line in shown.splitlines() if line[:3] in ("-![", "+!["))
    for line, image in ((old, f"{BUCKET}a.png"), (new, mirrored.asset("a.png")["key"])):
        assert image in line
        assert re.search(r"x… \(5\d,\d{3} more characters\)$", line)
        assert len(line) < 10_100
    assert shown.endswith(f"{new}\n" if end else f"{new}\n\\ No newline at end of file\n")


@pytest.mark.parametrize(
    "text",
    [
        "a\n\n![a](@)\n",
        "![a](@)",
        "\n![a](@)\n\n\n",
        "one\r\n![a](@)\r\ntwo\r\n",
        "one\r![a](@)\rtwo",
        "\ufeffbom\n![图](@)\n",
        "first ![](@)\n" + "between\n" * 20 + "last ![](@)",
        "form\x0cfeed \u2028 \x85\n![](@)\n\x0b\n",
    ],
)
def test_git_applies_the_diff_of_a_dry_run(mirrored, text):
    before = text.replace("@", f"{BUCKET}a.png").encode()
    path = mirrored.write("my post, 一.md", "")
    path.write_bytes(before)
    mirrored.sync()
    shown = "".join(diff(mirrored.rewrite(write=False).changed[0]))
    git = ["git", "-C", str(mirrored.root), "apply"]
    subprocess.run([*git, "-"], input=shown.encode(), check=True)
    by_git = path.read_bytes()
    assert by_git != before
    path.write_bytes(before)
    mirrored.rewrite()
    assert path.read_bytes() == by_git


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("my post.md", b"--- a/posts/my post.md\t\n+++ b/posts/my post.md\t\n"),
        ("一.md", rb'--- "a/posts/\344\270\200.md"'),
        ('a"b\\ c.md', rb'--- "a/posts/a\"b\\ c.md"'),
        ("plain.md", b"--- a/posts/plain.md\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_git_applies_what_a_dry_run_prints_in_any_encoding(
    mirrored, monkeypatch, encoding, name, header
):
    monkeypatch.delenv("CI", raising=False)
    before = f"旧文\n\n![图]({BUCKET}a.png)\n".encode(encoding)
    path = mirrored.write(name, before)
    mirrored.sync()
    command = [MIRROR, "rewrite", "--dry-run", "--quiet"]
    done = subprocess.run(command, cwd=mirrored.root, capture_output=True, check=True)
    assert done.stdout.startswith(header)
    git = ["git", "-C", str(mirrored.root), "apply", "-"]
    subprocess.run(git, input=done.stdout, check=True)
    by_git = path.read_bytes()
    assert by_git != before
    path.write_bytes(before)
    mirrored.rewrite()
    assert path.read_bytes() == by_git


def test_a_split_picture_gets_its_own_object_and_its_posts_move_back_to_it(mirrored):
    page = slides.deck(1)[0].draw()
    mirrored.host.put("copy.jpg", slides.encode(page, "JPEG", quality=75))
    mirrored.write("post.md", f"![]({BUCKET}a.png)\n\n![]({BUCKET}copy.jpg)\n")
    mirrored.sync()
    mirrored.rewrite()
    copy = mirrored.asset("copy.jpg")
    assert copy["alias_of"] == mirrored.asset("a.png")["sha256"]
    (mirrored.root / "manifests" / "reviews.txt").write_text(f"split {copy['sha256']}\n")
    mirrored.sync()
    copy = mirrored.asset("copy.jpg")
    assert "alias_of" not in copy
    mirrored.rewrite()
    assert copy["key"] in mirrored.read("post.md").split("\n")[2]
    mirrored.revert()
    assert mirrored.read("post.md") == f"![]({BUCKET}a.png)\n\n![]({BUCKET}copy.jpg)\n"


# --- Posts that were edited, renamed or copied -----------------------------------------------

LIST = [f"- ![s]({BUCKET}{name}.png)\n" for name in ("a", "again", "third")]
BLOCKS = [f"X\n![]({BUCKET}{name}.png)\nY\n\n" for name in ("a", "again")]
ON_ONE_LINE = [f"![z]({BUCKET}{name}.png) " for name in ("a", "again")]


@pytest.mark.parametrize("pieces", [LIST, BLOCKS, ON_ONE_LINE, LIST[:2]])
def test_of_images_that_look_the_same_nobody_knows_which_was_deleted(mirrored, pieces):
    mirrored.host.put("third.png", DECK[0])
    path = mirrored.write("post.md", "".join(pieces))
    mirrored.sync()
    mirrored.rewrite()
    shown = mirrored.read("post.md")
    size = len(shown) // len(pieces)
    path.write_text(shown[size:])
    assert rules(mirrored.revert()) == [Rule.NOT_REVERTED] * (len(pieces) - 1)
    assert mirrored.read("post.md") == shown[size:]
    path.write_text(shown)
    assert not mirrored.revert().findings
    assert mirrored.read("post.md") == "".join(pieces)


def test_a_copy_of_one_post_is_not_taken_for_another_that_is_gone(mirrored):
    old = mirrored.write("old.md", f"![p]({BUCKET}a.png)")
    kept = mirrored.write("kept.md", f"![p]({BUCKET}again.png)")
    other = mirrored.write("other.md", f"other words ![p]({BUCKET}again.png) all around")
    mirrored.sync()
    mirrored.rewrite()
    old.unlink()
    for path in (kept, other):
        path.with_stem(f"{path.stem}-copy").write_bytes(path.read_bytes())
    result = mirrored.revert()
    assert rules(result) == [Rule.NOT_REVERTED]
    assert result.findings[0].post == "posts/kept-copy.md"
    assert mirrored.read("other-copy.md") == mirrored.read("other.md")
    assert "again.png" in mirrored.read("other.md")


@pytest.mark.parametrize("is_swap", [False, True])
def test_a_post_that_took_anothers_name_is_told_by_its_text(mirrored, is_swap):
    texts = {
        "a.md": f"alpha ![]({BUCKET}a.png) beta\n",
        "b.md": f"gamma ![]({BUCKET}again.png) delta\n",
    }
    first, second = (mirrored.write(name, text) for name, text in texts.items())
    mirrored.sync()
    mirrored.rewrite()
    moved = first.rename(first.with_name("away"))
    second.rename(first)
    if is_swap:
        moved.rename(second)
    assert not mirrored.revert().findings
    assert mirrored.read("a.md") == texts["b.md"]
    if is_swap:
        assert mirrored.read("b.md") == texts["a.md"]


def test_what_is_left_of_a_list_is_not_taken_for_another_posts_image(mirrored):
    mirrored.host.put("third.png", DECK[0])
    path = mirrored.write("a.md", "".join(LIST))
    mirrored.write("b.md", f"- ![s]({BUCKET}%2e/again.png)\n")
    mirrored.sync()
    mirrored.rewrite()
    line = mirrored.read("a.md").split("\n")[1] + "\n"
    path.write_text(line)
    result = mirrored.revert()
    assert rules(result) == [Rule.NOT_REVERTED]
    assert path.read_text() == line


def test_what_is_copied_from_a_post_is_told_by_its_text(mirrored):
    mirrored.write("a.md", f"alpha ![]({BUCKET}a.png) beta\n")
    long = "a paragraph that speaks of something else, " * 4
    there = f"{long}\n\nwith ![this]({BUCKET}again.png) in it, and more\n"
    mirrored.write("b.md", there)
    mirrored.sync()
    mirrored.rewrite()
    path = mirrored.write("a.md", mirrored.read("a.md") + "\n" + mirrored.read("b.md"))
    assert not mirrored.revert().findings
    assert path.read_text() == f"alpha ![]({BUCKET}a.png) beta\n\n{there}"


def test_an_anchor_that_moves_with_its_heading_is_said_only_when_it_does(mirrored):
    mirrored.write("post.md", f"# ![]({BUCKET}a.png)\n")
    assert rules(mirrored.sync()) == []
    assert rules(mirrored.rewrite()) == [Rule.HEADING_ANCHOR]
    assert rules(mirrored.rewrite()) == []


def test_a_check_that_would_change_a_post_exits_1_whatever_else_it_met(mirrored, monkeypatch):
    mirrored.write("post.md", f"![]({BUCKET}a.png) ![]({BUCKET}b.png)\n")
    mirrored.sync()
    next((mirrored.root / "static").rglob("*.png")).unlink()
    monkeypatch.chdir(mirrored.root)
    runner = CliRunner()
    assert runner.invoke(app, ["rewrite", "--check"]).exit_code == 1
    assert runner.invoke(app, ["rewrite"]).exit_code == 3
    assert runner.invoke(app, ["rewrite", "--check"]).exit_code == 3


# --- A memory that somebody edited ------------------------------------------------------------


def edit_memory(mirrored, **changes):
    """Change the one line of the memory, as a pull request may."""
    path = mirrored.root / "manifests" / "rewrites.jsonl"
    header, line = path.read_text().splitlines()
    path.write_text(f"{header}\n{json.dumps(json.loads(line) | changes)}\n")
    return path


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"source": "javascript:alert(1)"}, id="javascript"),
        pytest.param({"source": "data:text/html,x"}, id="data"),
        pytest.param({"source": f"{BUCKET}a.png\n<script>alert(1)</script>"}, id="a line end"),
        pytest.param(
            {"spelling": f"{BUCKET}a.png) <script>alert(1)</script> ("}, id="markup in the spelling"
        ),
        pytest.param({"spelling": "https://evil.example/b.png"}, id="another address"),
    ],
)
@pytest.mark.parametrize("command", [["rewrite", "--revert"], ["rewrite"], ["verify", "--posts"]])
def test_a_crafted_line_of_the_memory_is_an_error_and_nothing_is_written(
    mirrored, changes, command
):
    path = mirrored.write("post.md", f"[![x]({BUCKET}a.png)](https://h.example/)\n")
    mirrored.sync()
    mirrored.rewrite()
    before = path.read_bytes()
    memory = edit_memory(mirrored, **changes)
    edited = memory.read_bytes()
    ran = commands.run(mirrored, *command)
    assert ran.code == 2
    assert "rewrites.jsonl: line 2: " in ran.err
    assert path.read_bytes() == before
    assert memory.read_bytes() == edited


@pytest.mark.parametrize(
    "changes",
    [
        {"source": f"{BUCKET}a.png) <script>alert(1)</script> ("},
        {"source": f"{BUCKET}a.png <script>alert(1)</script> <!-- ![](x) -->"},
        {"source": f"{BUCKET}a.png 't') <b>bold</b> <!-- ![](<b> \"-->"},
        {"source": "https://evil.example/<script>alert(1)</script>"},
    ],
)
def test_a_crafted_source_is_one_address_in_the_post_or_stays_out_of_it(mirrored, changes):
    path = mirrored.write("post.md", f"before ![x]({BUCKET}a.png) after\n")
    mirrored.sync()
    mirrored.rewrite()
    before = path.read_text()
    edit_memory(mirrored, **changes)
    mirrored.revert()
    after = path.read_text()
    assert "<script" not in after
    assert "<b>" not in after
    (ref,) = find_references(after.encode(), "post.md").references
    assert ref.url.raw == changes["source"] or after == before


def test_an_image_whose_url_the_memory_cannot_keep_stays_and_is_named(mirrored):
    """A control character in a URL: the memory refuses such a line, so none is written."""
    mirrored.host.put("x\x07y.png", DECK[1])
    text = f'<img src="{BUCKET}x\x07y.png">\n\n![]({BUCKET}a.png)\n'
    path = mirrored.write("post.md", text)
    mirrored.sync()
    result = mirrored.rewrite()
    assert rules(result) == [Rule.NOT_REPOINTED]
    assert "--revert" in result.findings[0].message
    assert "x\x07y.png" in path.read_text()
    assert "/images/" in path.read_text()
    assert not mirrored.revert().findings
    assert path.read_text() == text


def test_a_memory_that_cannot_be_written_says_what_became_of_the_posts(mirrored):
    text = f"![]({BUCKET}a.png)\n"
    path = mirrored.write("post.md", text)
    try:
        with small_disk(mirrored.root / "manifests", 1024) as change:
            mirrored.sync()
            change("ro")
            ran = commands.run(mirrored, "rewrite")
            assert (ran.code, ran.out, path.read_text()) == (3, "", text)
            assert "rewrites.jsonl: cannot be written: Read-only" in ran.err
            assert ran.err.endswith("; no post was changed before that\n")
            change("rw")
            assert not mirrored.rewrite().findings
            change("ro")
            ran = commands.run(mirrored, "rewrite", "--revert")
            assert (ran.code, path.read_text()) == (3, text)
            assert "; 1 post was changed before that; the lines about what was changed" in ran.err
            change("rw")
            assert not mirrored.rewrite().findings
            assert not mirrored.revert().findings
            assert path.read_text() == text
    except PermissionError as error:
        pytest.skip(str(error))


def test_a_line_break_in_the_name_of_a_post_begins_no_line(blog):
    blog.host.put("a.png", slides.encode(slides.deck(1)[0].draw()))
    blog.write("one\nerror two.md", f"![]({BUCKET}a.png)\n")
    blog.sync()
    for command in (("scan",), ("rewrite", "--check"), ("rewrite",), ("verify", "--posts")):
        said = commands.run(blog, *command)
        assert "\nerror two" not in said.out + said.err, command
