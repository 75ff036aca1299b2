"""What is held back until a person accepts it, and what happens then."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.commands import BUCKET, CommandResult, picture, run
from support.sites import Blog, Silent

from mirror.engine import Threads
from mirror.host import ImageHost, Request, Response
from mirror.model import Rule
from mirror.pipeline.report import make_report

DAMAGED = picture(1)[:-20]
Answer = Callable[[Request], Response]


class ScriptedHost(ImageHost):
    """A host whose objects may be functions of the request."""

    def __init__(self) -> None:
        super().__init__({})
        self.answers: dict[str, Answer] = {}

    def answer(self, request: Request) -> Response:
        answer = self.answers.get(request.key)
        return super().answer(request) if answer is None else answer(request)


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[tuple[Blog, dict[str, Answer]]]:
    with ScriptedHost() as host:
        blog = Blog(tmp_path, host)
        blog.configure()
        yield blog, host.answers


@pytest.fixture
def changed(blog: Blog) -> Blog:
    """A mirrored and repointed post, and a host that serves another picture by now."""
    blog.host.put("a.png", picture(1))
    blog.write("post.md", f"![]({BUCKET}a.png)\n")
    assert run(blog, "sync").code == 0
    assert run(blog, "rewrite").code == 0
    blog.host.put("a.png", picture(2))
    return blog


def findings_of(blog: Blog) -> list[tuple[str, str]]:
    """Return the place and the message of what `mirror report` shows as held back."""
    report = make_report(blog.site, Threads(), (), Silent(), datetime.now(UTC))
    rules = (Rule.REDIRECTED_TOGETHER, Rule.SOURCE_CHANGED)
    return [(found.place, found.message) for found in report.findings if found.rule in rules]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_source_that_serves_another_picture_changes_nothing(changed: Blog) -> None:
    manifest = (changed.root / "manifests" / "images.jsonl").read_bytes()
    post = (changed.root / "posts" / "post.md").read_bytes()
    refreshed = run(changed, "sync", "--refresh")
    assert refreshed.code == 3
    assert "M203" in refreshed.out
    assert f"mirror accept {BUCKET}a.png" in refreshed.out
    assert [message in refreshed.out for _, message in findings_of(changed)] == [True]
    changed.write("more.md", f"![]({BUCKET}a.png)\n")
    later = run(changed, "sync")
    assert later.code == 3
    assert "held back since an earlier run" in later.out
    assert run(changed, "rewrite").code == 0
    assert (changed.root / "manifests" / "images.jsonl").read_bytes() == manifest
    assert (changed.root / "posts" / "post.md").read_bytes() == post
    assert (changed.root / "posts" / "more.md").read_bytes() == post


def test_a_picture_that_is_accepted_again_is_not_written_again(changed: Blog) -> None:
    run(changed, "sync", "--refresh")
    spellings = [f"{BUCKET}a.png", f"{BUCKET}a.png".replace("https:", "http:")]
    assert run(changed, "accept", *spellings, f"{BUCKET}a.png").code == 0
    assert run(changed, "accept", spellings[1]).code == 0
    assert len((changed.root / "manifests/reviews.txt").read_text().splitlines()) == 1


def test_an_accepted_picture_is_taken_without_asking_the_host(changed: Blog) -> None:
    run(changed, "sync", "--refresh")
    assert run(changed, "accept", f"{BUCKET}a.png").code == 0
    assert not findings_of(changed)
    changed.host.put("a.png", b"gone")
    changed.write("new.md", f"![]({BUCKET}a.png)\n")
    assert run(changed, "sync").code == 0
    lines = changed.assets
    old, new = sorted(lines, key=lambda line: "former_sources" not in line)
    assert old["former_sources"] == new["sources"] == [f"{BUCKET}a.png"]
    assert old["sources"] == []
    run(changed, "rewrite", "posts/new.md")
    assert new["sha256"] in (changed.root / "posts" / "new.md").read_text()
    assert run(changed, "verify", "--posts", "--archive").code == 0
    ended = run(changed, "restore", "out")
    assert ended.code == 0
    restored = list((changed.root / "out").rglob("*.png"))
    assert len(restored) == 2
    (plain,) = (path for path in restored if path.name == "a.png")
    assert plain.read_bytes() == picture(1)


def test_a_damaged_original_is_kept_as_it_is_on_a_persons_word(blog: Blog) -> None:
    blog.host.put("a.png", DAMAGED)
    blog.write("post.md", f"![]({BUCKET}a.png)\n")
    ended = run(blog, "sync")
    assert ended.code == 3
    assert f"mirror accept {BUCKET}a.png" in ended.out
    assert run(blog, "accept", f"{BUCKET}a.png").code == 0
    assert run(blog, "sync").code == 0
    assert run(blog, "rewrite").code == 0
    assert run(blog, "verify", "--posts", "--archive", "--deep").code == 0
    (line,) = blog.assets
    assert (blog.root / "static" / "images" / line["key"]).read_bytes() == DAMAGED
    (blog.root / "static" / "images" / line["key"]).unlink()
    assert run(blog, "repair").code == 0
    assert (blog.root / "static" / "images" / line["key"]).read_bytes() == DAMAGED


def test_a_dry_run_brings_no_accepted_picture_into_the_archive(blog: Blog) -> None:
    blog.host.put("a.png", DAMAGED)
    blog.write("post.md", f"![]({BUCKET}a.png)\n")
    run(blog, "sync")
    run(blog, "accept", f"{BUCKET}a.png")
    before = contents(blog.root / "archive")
    planned = run(blog, "sync", "--dry-run", "--json")
    assert (planned.code, planned.summary["reused"]) == (0, 1)
    assert contents(blog.root / "archive") == before
    assert run(blog, "sync").code == 0
    assert DAMAGED in contents(blog.root / "archive").values()


@pytest.mark.parametrize("count", [2, 7])
def test_addresses_that_are_redirected_to_one_picture_are_held_back(
    scripted: tuple[Blog, dict[str, Answer]], count: int
) -> None:
    blog, responses = scripted
    notice = picture(99)
    names = [f"{number}.png" for number in range(count + 3)]

    def redirect(_: Request) -> Response:
        return Response(302, {"Location": "/removed.png"})

    blog.host.put("removed.png", notice)
    for number, name in enumerate(names):
        if number < count:
            responses[name] = redirect
        else:
            blog.host.put(name, picture(number))
    blog.write("post.md", "\n\n".join(f"![]({BUCKET}{name})" for name in names))
    ended = run(blog, "sync")
    assert ended.code == 3
    assert ended.out.count("M212") == count
    assert f"{count} images wait for your decision" in ended.out
    run(blog, "rewrite")
    text = (blog.root / "posts" / "post.md").read_text()
    assert all((f"{BUCKET}{name})" in text) == (n < count) for n, name in enumerate(names))
    assert run(blog, "accept", f"{BUCKET}0.png").code == 0
    assert run(blog, "sync").out.count("M212") == count - 1
    run(blog, "rewrite")
    assert f"{BUCKET}0.png)" not in (blog.root / "posts" / "post.md").read_text()


def sync_at_once(blog: Blog) -> CommandResult:
    return run(blog, "sync")


def sync_in_parts(blog: Blog) -> CommandResult:
    """Sync in two shards, and take them together."""
    for shard in ("2/2", "1/2"):
        assert run(blog, "sync", "--shard", shard).code == 0
    return run(blog, "sync")


@pytest.mark.parametrize("sync", [sync_at_once, sync_in_parts])
@pytest.mark.parametrize("is_refreshed", [False, True])
def test_addresses_that_are_redirected_to_one_picture_in_different_runs_are_held_back(
    scripted: tuple[Blog, dict[str, Answer]],
    is_refreshed: bool,
    sync: Callable[[Blog], CommandResult],
) -> None:
    blog, answers = scripted
    blog.host.put("removed.png", picture(99))
    blog.host.put("moved/c.png", picture(3))
    for name in ("a.png", "b.png"):
        answers[name] = lambda _: Response(302, {"Location": "/removed.png"})
    answers["c.png"] = lambda _: Response(302, {"Location": "/moved/c.png"})
    blog.write("one.md", f"![]({BUCKET}a.png)\n")
    assert sync(blog).code == 0
    if is_refreshed:
        assert run(blog, "sync", "--refresh").code == 0
    blog.write("two.md", f"![]({BUCKET}b.png)\n\n![]({BUCKET}c.png)\n")
    ended = sync(blog)
    assert ended.code == 3
    assert ended.out.count("M212") == 2
    assert ended.out.count("redirects 2 addresses to one picture") == 2
    assert f"mirrored already for {BUCKET}a.png" in ended.out
    assert f"posts/one.md:1:5 {BUCKET}a.png: the host redirects" in ended.out
    named = findings_of(blog)
    assert [(place, "redirects 2 addresses" in text) for place, text in named] == [
        ("posts/one.md:1:5", True),
        ("posts/two.md:1:5", True),
    ]
    assert all(text in ended.out for _, text in named)
    shutil.rmtree(blog.root / ".mirror")  # only speed is lost
    assert named[0] in findings_of(blog)
    assert run(blog, "report").code == 0
    page = (blog.root / "mirror-report.html").read_text()
    assert "redirects 2 addresses to one picture" in page
    assert f"mirror accept {BUCKET}a.png" in page
    for _ in range(2):
        ran = run(blog, "rewrite")
        assert (ran.code, ran.out.count("M212")) == (3, 1)
        assert f"{BUCKET}a.png)" in blog.read("one.md")
        assert f"{BUCKET}b.png)" in blog.read("two.md")
        assert f"{BUCKET}c.png)" not in blog.read("two.md")
        left = [event for event in run(blog, "leftovers", "--json").events if "why" in event]
        assert [event["why"] for event in left] == ["not-mirrored"] * 2
        again = run(blog, "sync")
        assert (again.code, again.out.count("M212")) == (3, 2)
    assert run(blog, "accept", f"{BUCKET}b.png", f"{BUCKET}a.png").code == 0
    assert run(blog, "sync").code == 0
    run(blog, "rewrite")
    assert BUCKET not in blog.read("two.md")
    assert BUCKET not in blog.read("one.md")


def test_a_post_that_was_repointed_stands_when_its_address_becomes_suspect(
    scripted: tuple[Blog, dict[str, Answer]],
) -> None:
    blog, answers = scripted
    blog.host.put("removed.png", picture(99))
    for name in ("a.png", "b.png"):
        answers[name] = lambda _: Response(302, {"Location": "/removed.png"})
    blog.write("one.md", f"![]({BUCKET}a.png)\n")
    run(blog, "sync")
    run(blog, "rewrite")
    standing = blog.read("one.md")
    blog.write("two.md", f"![]({BUCKET}b.png)\n")
    ended = run(blog, "sync")
    assert ended.out.count("M212") == 1
    assert f"mirrored already for {BUCKET}a.png" in ended.out
    run(blog, "rewrite")
    assert blog.read("one.md") == standing


def test_accept_does_not_take_a_notice_for_the_picture_that_came_before_it(
    scripted: tuple[Blog, dict[str, Answer]],
) -> None:
    blog, answers = scripted
    blog.host.put("a.png", picture(1))
    blog.write("one.md", f"![]({BUCKET}a.png)\n")
    run(blog, "sync")
    blog.host.put("removed.png", picture(99))
    for name in ("a.png", "b.png"):
        answers[name] = lambda _: Response(302, {"Location": "/removed.png"})
    run(blog, "sync", "--refresh")
    blog.write("two.md", f"![]({BUCKET}b.png)\n")
    assert run(blog, "sync").code == 3
    shutil.rmtree(blog.root / ".mirror")
    assert run(blog, "accept", f"{BUCKET}a.png").code == 2
    run(blog, "rewrite")
    assert BUCKET not in blog.read("one.md")


def ignore(blog: Blog, name: str) -> None:
    blog.configure(more=f'[[ignore]]\nurl = "{BUCKET}{name}"\nreason = "the old one stays"\n')


@pytest.mark.parametrize("shows_source", [False, True])
def test_a_person_who_wants_to_keep_the_old_picture_is_asked_no_more(
    changed: Blog, shows_source: bool
) -> None:
    if shows_source:
        changed.write("more.md", f"![]({BUCKET}a.png)\n")
    refreshed = run(changed, "sync", "--refresh")
    assert "to keep the old one and be asked no more, list the address under [[ignore]]" in (
        refreshed.out
    )
    assert run(changed, "sync").code == 3
    ignore(changed, "a.png")
    manifest = (changed.root / "manifests" / "images.jsonl").read_bytes()
    for arguments in (["sync"], ["sync", "--refresh"], ["sync"]):
        ended = run(changed, *arguments)
        assert ended.code == 0
        assert not {"M203", "M117"} & {*ended.out.replace("[", " ").replace("]", " ").split()}
        assert "under [[ignore]]" not in ended.out  # it is mirrored, so nothing is lost
    assert not findings_of(changed)
    assert (changed.root / "manifests" / "images.jsonl").read_bytes() == manifest
    assert run(changed, "rewrite").code == 0
    assert run(changed, "verify", "--posts", "--archive").code == 0


def test_an_entry_that_was_for_a_held_picture_can_be_taken_out_again(changed: Blog) -> None:
    run(changed, "sync", "--refresh")
    ignore(changed, "a*")
    assert run(changed, "sync").code == 0
    changed.configure()
    assert run(changed, "sync").code == 3
    assert run(changed, "accept", f"{BUCKET}a.png").code == 0
    assert run(changed, "sync").code == 0


def test_a_notice_that_a_person_does_not_want_is_asked_about_no_more(
    scripted: tuple[Blog, dict[str, Answer]],
) -> None:
    blog, answers = scripted
    blog.host.put("removed.png", picture(99))
    for name in ("a.png", "b.png"):
        answers[name] = lambda _: Response(302, {"Location": "/removed.png"})
    blog.write("one.md", f"![]({BUCKET}a.png)\n")
    run(blog, "sync")
    blog.write("two.md", f"![]({BUCKET}b.png)\n")
    assert run(blog, "sync").out.count("M212") == 2
    ignore(blog, "?.png")
    assert run(blog, "sync").code == 0
    assert not findings_of(blog)
    assert run(blog, "rewrite").code == 0
    assert f"{BUCKET}a.png)" in blog.read("one.md")
    assert f"{BUCKET}b.png)" in blog.read("two.md")


def test_where_nothing_was_held_back_accept_is_a_usage_error(blog: Blog) -> None:
    blog.host.put("a.png", picture(1))
    blog.write("post.md", f"![]({BUCKET}a.png)\n")
    run(blog, "sync")
    ended = run(blog, "accept", f"{BUCKET}a.png")
    assert ended.code == 2
    assert "no picture was held back" in ended.err
    assert not (blog.root / "manifests" / "reviews.txt").exists()


def test_an_expired_signature_is_followed_by_a_fresh_one(
    scripted: tuple[Blog, dict[str, Answer]],
) -> None:
    blog, responses = scripted

    def signed(request: Request) -> Response:
        if "Expires=1&" in request.target:
            return Response(403, {}, b"expired")
        return Response(200, {}, picture(1))

    responses["a.png"] = signed
    query = "OSSAccessKeyId=k&Signature=planted"
    blog.write("old.md", f"![]({BUCKET}a.png?Expires=1&{query})\n")
    blog.write("new.md", f"![]({BUCKET}a.png?Expires=2&{query})\n")
    ended = run(blog, "sync")
    assert ended.code == 0
    assert len(blog.assets) == 1


def test_pictures_behind_tokens_stay_apart_and_keep_their_tokens(
    scripted: tuple[Blog, dict[str, Answer]],
) -> None:
    blog, responses = scripted

    def behind_token(request: Request) -> Response:
        return Response(200, {}, picture(ord(request.target[-1])))

    responses["show"] = behind_token
    text = "".join(f"![]({BUCKET}show?token=planted-{name})\n" for name in "ABC")
    blog.write("post.md", text)
    assert run(blog, "sync").code == 0
    assert len(blog.assets) == 3
    ended = run(blog, "rewrite")
    assert ended.code == 3
    assert ended.out.count("M115") == 3
    assert (blog.root / "posts" / "post.md").read_text() == text
    assert run(blog, "rewrite", "--drop-secrets").code == 0
    rewritten = (blog.root / "posts" / "post.md").read_text()
    assert all(line["sha256"] in rewritten for line in blog.assets)
    assert "planted" not in rewritten
    reverted = run(blog, "rewrite", "--revert")
    assert reverted.code == 3
    assert reverted.out.count("M107") == 3
    assert (blog.root / "posts" / "post.md").read_text() == rewritten


@pytest.mark.parametrize("later", [picture(2), DAMAGED], ids=["another picture", "a damaged one"])
def test_a_picture_that_its_host_took_back_is_held_back_no_more(blog: Blog, later: bytes) -> None:
    """Behind a damaged picture, the host is asked about the version before it: not modified."""
    blog.host.put("a.png", picture(1))
    blog.write("post.md", f"![]({BUCKET}a.png)\n")
    run(blog, "sync")
    run(blog, "rewrite")
    blog.host.put("a.png", later)
    assert run(blog, "sync", "--refresh").code == 3
    blog.host.put("a.png", picture(1))
    assert run(blog, "sync", "--refresh").code == 0
    assert not findings_of(blog)
    ended = run(blog, "accept", f"{BUCKET}a.png")
    assert ended.code == 2
    assert "nothing is held back" in ended.err


def test_a_whole_picture_takes_the_place_of_a_damaged_one_that_was_held_back(blog: Blog) -> None:
    blog.host.put("a.png", DAMAGED)
    blog.write("post.md", f"![]({BUCKET}a.png)\n")
    assert run(blog, "sync").code == 3
    blog.host.put("a.png", picture(1))
    assert run(blog, "sync").code == 0
    assert run(blog, "accept", f"{BUCKET}a.png").code == 2


def test_every_sync_names_what_is_held_back_for_a_repointed_post(changed: Blog) -> None:
    assert BUCKET not in changed.read("post.md")
    assert run(changed, "sync", "--refresh").code == 3
    for _ in range(2):
        ended = run(changed, "sync")
        assert ended.code == 3
        assert ended.out.count("M203") == 1
        assert f"posts/post.md:1:5 {BUCKET}a.png: another picture" in ended.out
        assert f"mirror accept {BUCKET}a.png" in ended.out
        assert len(findings_of(changed)) == 1
    (changed.root / ".mirror" / "last-sync.jsonl").unlink()
    assert len(findings_of(changed)) == 1
    assert run(changed, "accept", f"{BUCKET}a.png").code == 0
    assert run(changed, "sync").code == 0
    assert not findings_of(changed)


def test_a_picture_that_is_held_back_is_named_while_its_host_sends_nothing(changed: Blog) -> None:
    run(changed, "sync", "--refresh")
    changed.host.put("a.png", b"gone")
    ended = run(changed, "sync", "--refresh")
    assert ended.code == 3
    assert ended.out.count("[M202]") == ended.out.count("[M203]") == 1
    assert run(changed, "accept", f"{BUCKET}a.png").code == 0


def test_what_is_held_back_for_no_post_is_named_once_and_forgotten(changed: Blog) -> None:
    """A post may hide where it cannot be read, or where only some of them are looked at."""
    changed.host.put("c.png", DAMAGED)
    changed.write("damaged.md", f"![]({BUCKET}c.png)\n")
    changed.write("other.md", "text\n")
    assert run(changed, "sync", "--refresh").code == 3
    link = changed.root / "posts" / "link.md"
    link.symlink_to("/etc/hostname")
    moved = {name: changed.read(name) for name in ("post.md", "damaged.md")}
    for name in moved:
        (changed.root / "posts" / name).unlink()
    assert "M222" not in run(changed, "sync").out
    link.unlink()
    assert "M222" not in run(changed, "sync", "posts/other.md").out
    for name, text in moved.items():
        changed.write(name, text)
    assert run(changed, "sync").out.count("`mirror accept") == 3
    for name in moved:
        (changed.root / "posts" / name).unlink()
    ended = run(changed, "sync")
    assert (ended.code, ended.out.count("M222")) == (0, 2)
    assert f"{BUCKET}a.png: no post shows it any more" in ended.out
    assert "`mirror sync --refresh` asks its host" in ended.out
    assert run(changed, "sync").out.count("M222") == 0
    assert run(changed, "accept", f"{BUCKET}a.png").code == 2


def test_every_sync_names_the_original_that_is_held_back_behind_a_rendition(
    scripted: tuple[Blog, dict[str, Answer]],
) -> None:
    blog, answers = scripted
    pictures = {"whole": picture(1), "small": picture(2)}

    def answer(request: Request) -> Response:
        return Response(200, {}, pictures["small" if "?" in request.target else "whole"])

    answers["a.png"] = answer
    blog.write("post.md", f"![]({BUCKET}a.png?x-oss-process=image/resize,w_20)\n")
    assert run(blog, "sync").code == 0
    pictures["whole"] = picture(3)
    assert run(blog, "sync", "--refresh").code == 3
    for command in (["sync"], ["rewrite"], ["sync"]):
        ended = run(blog, *command)
        assert (ended.code, ended.out.count("M203")) == ((3, 1) if command == ["sync"] else (0, 0))
    assert f"mirror accept {BUCKET}a.png`" in ended.out
    assert BUCKET not in blog.read("post.md")
    assert run(blog, "accept", f"{BUCKET}a.png").code == 0
    assert run(blog, "sync").code == 0


def test_what_is_held_back_for_one_of_two_addresses_of_a_picture_is_named(blog: Blog) -> None:
    blog.host.put("a.png", picture(1))
    blog.host.put("b.png", picture(1))
    blog.write("post.md", f"![]({BUCKET}a.png)\n\n![]({BUCKET}b.png)\n")
    run(blog, "sync")
    run(blog, "rewrite")
    blog.host.put("b.png", picture(2))
    assert run(blog, "sync", "--refresh").code == 3
    ended = run(blog, "sync")
    assert (ended.code, ended.out.count("M203")) == (3, 1)
    assert f"{BUCKET}b.png: another picture" in ended.out
