"""`sync --shard n/m`: parts that run by themselves, and the sync that takes them together."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import md5, sha256
from itertools import permutations
from pathlib import Path

import pytest
from support import faults
from support.commands import picture, run
from support.sites import BUCKET, Blog
from support.slides import deck, encode

from mirror.host import ImageHost, Request, Response
from mirror.model import Rule
from mirror.pipeline.shards import Shard
from mirror.pipeline.sync import SyncResult

NAMES = [f"p/{number:02}.png" for number in range(12)]
LOST = "p/lost.png"
DAMAGED = "p/damaged.png"
STYLED = "p/00.png?x-oss-process=image/resize,w_12"


def fill(blog: Blog) -> Blog:
    """Write posts with pictures, repeats, a styled one, one that is gone and a damaged one."""
    slide = deck(1)[0].draw()
    for seed, name in enumerate(NAMES):
        blog.host.put(name, picture(seed - seed % 4 // 3))
    blog.host.put("p/slide.png", encode(slide))
    blog.host.put("p/slide.jpg", encode(slide, "JPEG", quality=80))
    blog.host.put(DAMAGED, picture(77)[:-30])
    names = [*NAMES, "p/slide.png", "p/slide.jpg", LOST, DAMAGED, STYLED]
    for number in range(0, len(names), 3):
        shown = names[number : number + 3]
        blog.write(f"{number:02}.md", "".join(f"![](<{BUCKET}{name}>)\n\n" for name in shown))
    return blog


@dataclass(frozen=True)
class SingleRun:
    records: dict[str, bytes]
    findings: list[str]


@pytest.fixture
def filled(blog: Blog) -> Blog:
    return fill(blog)


def records(blog: Blog) -> dict[str, bytes]:
    """Return what version control has, and the objects of the destination."""
    folder = blog.root / "manifests"
    files = [path for path in folder.iterdir() if path.name != "site.txt"]  # a random name
    return {path.name: path.read_bytes() for path in files} | blog.objects()


def told(result: SyncResult) -> list[str]:
    """Return the findings; the port of the image host differs from test to test."""
    return [re.sub(r"127\.0\.0\.1:\d+", "host", str(finding)) for finding in result.findings]


def forget(blog: Blog) -> None:
    for name in ("manifests", "static", "archive", ".mirror"):
        shutil.rmtree(blog.root / name, ignore_errors=True)
    blog.host.requests.clear()


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> SingleRun:
    """The records and the findings of a single run over the same posts and pictures."""
    with ImageHost({}) as host:
        blog = Blog(tmp_path_factory.mktemp("single"), host)
        blog.configure()
        findings = told(fill(blog).sync())
        return SingleRun(records(blog), findings)


def shard(blog: Blog, number: int, count: int = 3, **options: object) -> Path:
    blog.sync(shard=Shard(number, count), **options)
    return blog.root / f".mirror/shards/{number}-of-{count}.jsonl"


# --- Taken together -------------------------------------------------------------------------------


def test_shards_in_any_order_give_the_records_of_a_single_run(
    filled: Blog, single: SingleRun
) -> None:
    assert {"images.jsonl", "ledger.jsonl"} <= single.records.keys()
    for order in list(permutations((1, 2, 3)))[::2]:
        for number in order:
            shard(filled, number)
        asked = filled.asked
        assert filled.host.requests.total() == asked
        result = filled.sync()
        assert filled.asked == asked, "what shards have is not asked for again"
        assert records(filled) == single.records
        assert told(result) == single.findings
        assert result.summary["fetched"] == 0
        assert not list((filled.root / ".mirror/shards").glob("*.jsonl"))
        assert not filled.verify(deep=True).findings
        forget(filled)


def test_more_shards_than_images_and_a_single_one(filled: Blog, single: SingleRun) -> None:
    for count in (1, 18):
        for number in range(1, count + 1):
            shard(filled, number, count)
        assert filled.sync().summary["fetched"] == 0
        assert records(filled) == single.records
        forget(filled)


def test_shards_of_other_machines_bring_their_originals(
    filled: Blog, single: SingleRun, tmp_path: Path
) -> None:
    machines = []
    for number in (1, 2, 3):
        machine = copy_of(filled, tmp_path / f"machine{number}")
        shard(machine, number)
        machines.append(machine.root)
    asked = filled.asked
    for folders in (machines, machines[::-1]):
        result = filled.sync(copies=tuple(folders))
        assert filled.asked == asked
        assert records(filled) == single.records
        assert told(result) == single.findings
        assert not filled.verify(deep=True).findings
        for name in ("manifests", "static", "archive", ".mirror"):
            shutil.rmtree(filled.root / name)
    assert (machines[0] / ".mirror/shards/1-of-3.jsonl").exists(), "a copy is only read"
    # A damaged picture can be accepted where it was brought to.
    filled.sync(copies=tuple(machines))
    assert run(filled, "accept", BUCKET + DAMAGED).code == 0


def copy_of(blog: Blog, root: Path) -> Blog:
    """Return the same site on another machine: its posts and its configuration."""
    root.mkdir()
    shutil.copytree(blog.root / "posts", root / "posts")
    shutil.copy(blog.root / "mirror.toml", root)
    return Blog(root, blog.host)


def test_a_changed_picture_is_held_back_as_by_a_single_refresh(filled: Blog) -> None:
    filled.sync()
    filled.host.put(NAMES[0], picture(99))
    before = records(filled)
    one_run = filled.sync(refresh=True)
    assert records(filled) == before
    held = (filled.root / ".mirror/held/images.jsonl").read_bytes()
    (filled.root / ".mirror/held/images.jsonl").unlink()
    for number in (2, 1, 3):
        shard(filled, number, refresh=True)
    asked = filled.asked
    unfit = filled.sync()
    assert "take it with `mirror sync --refresh`" in str(unfit.findings)
    asked = filled.asked
    together = filled.sync(refresh=True)
    assert filled.asked == asked
    assert records(filled) == before
    assert (filled.root / ".mirror/held/images.jsonl").read_bytes() == held
    assert [f.rule for f in together.findings] == [f.rule for f in one_run.findings]


def test_what_is_unchanged_for_a_machine_that_knew_it_is_asked_for_where_nobody_does(
    filled: Blog, tmp_path: Path
) -> None:
    fresh = copy_of(filled, tmp_path / "fresh")
    single_run = copy_of(filled, tmp_path / "single")
    single_run.sync()
    filled.sync()
    shard(filled, 1, 1, refresh=True)
    result = fresh.sync(copies=(filled.root,), refresh=True)
    assert result.summary["fetched"]
    assert records(fresh) == records(single_run)
    assert not fresh.verify(deep=True).findings


class Redirecting(ImageHost):
    """Sends whoever asks for a picture that is gone to a notice."""

    def answer(self, request: Request) -> Response:
        if request.key.startswith("gone"):
            return Response(302, {"Location": f"{self.base_url}notice.png"})
        return super().answer(request)


def test_a_notice_behind_redirects_shows_when_shards_are_together(tmp_path: Path) -> None:
    """Shards and single runs remember where addresses led, and warn alike, run after run."""
    with Redirecting({"notice.png": picture(5), "kept.png": picture(6)}) as host:
        blog = Blog(tmp_path, host)
        blog.configure()
        single = redirected_runs(blog, lambda **options: told(blog.sync(**options)))
        assert "redirects 6 addresses to one picture" in str(single[-1][0])
        assert all("redirects.jsonl" in files for _, files in single)
        forget(blog)

        def in_shards(**options: bool) -> list[str]:
            for number in (1, 2, 3):
                shard(blog, number, **options)
            return told(blog.sync(**options))

        assert redirected_runs(blog, in_shards) == single


def redirected_runs(
    blog: Blog, sync: Callable[..., list[str]]
) -> list[tuple[list[str], dict[str, bytes]]]:
    """Return the findings and records of four runs: an address, another, a refresh, all six."""
    runs = []
    for count, is_refreshed in ((1, False), (2, False), (2, True), (6, False)):
        names = ["kept.png", *(f"gone{number}.png" for number in range(count))]
        blog.write("a.md", "".join(f"![](<{BUCKET}{name}>)\n\n" for name in names))
        findings = sync(refresh=is_refreshed)
        port = blog.host.base_url.encode()
        files = {name: data.replace(port, b"") for name, data in records(blog).items()}
        runs.append((findings, files))
    return runs


def test_a_dry_run_asks_and_writes_nothing(filled: Blog) -> None:
    def planned(*options: str) -> list[str]:
        lines = run(filled, "sync", "--dry-run", *options).out.splitlines()
        return [line for line in lines if line.startswith("would fetch")]

    parts = [planned("--shard", f"{number}/3") for number in (1, 2, 3)]
    assert sorted(line for part in parts for line in part) == sorted(planned())
    assert all(parts)
    assert not (filled.root / ".mirror").exists()
    assert filled.asked == 0


def test_posts_that_were_named_keep_what_other_posts_need(filled: Blog, single: SingleRun) -> None:
    for number in (1, 2, 3):
        shard(filled, number)
    asked = filled.asked
    filled.sync(paths=(filled.root / "posts/00.md",))
    filled.sync()
    assert filled.asked == asked
    assert records(filled) == single.records


def test_without_a_limit_of_its_own_a_sync_fetches_what_shards_left(
    filled: Blog, single: SingleRun
) -> None:
    shard(filled, 1, limit=2)
    shard(filled, 2)
    asked = filled.asked
    assert filled.sync(limit=0).summary["postponed"] > 0
    assert filled.asked == asked, "`--limit 0` asks nobody"
    filled.sync()
    assert records(filled) == single.records


def test_a_limit_also_holds_for_what_is_of_no_use_in_a_shard(filled: Blog, tmp_path: Path) -> None:
    machine = copy_of(filled, tmp_path / "machine")
    shard(machine, 1, 1)
    shutil.rmtree(machine.root / "archive")
    asked = filled.asked
    nobody = filled.sync(copies=(machine.root,), limit=0)
    assert Rule.SHARD_NOT_TAKEN in {finding.rule for finding in nobody.findings}
    assert filled.asked == asked, "`--limit 0` asks nobody"
    pictures = nobody.summary["postponed"]
    assert pictures > 2
    some = filled.sync(copies=(machine.root,), limit=2)
    assert (filled.asked - asked, some.summary["postponed"]) == (2, pictures - 2)
    assert filled.sync(copies=(machine.root,)).summary["postponed"] == 0
    assert not filled.verify(deep=True).findings


# --- What does not fit ----------------------------------------------------------------------------


def reseal(path: Path, change: Callable[[list[str]], None]) -> None:
    """Change the lines of a shard's file, and give it the seal that fits them."""
    lines = path.read_text().splitlines()[:-1]
    change(lines)
    text = "".join(f"{line}\n" for line in lines)
    seal = {"answers": len(lines) - 1, "sha256": sha256(text.encode()).hexdigest()}
    path.write_text(text + json.dumps(seal) + "\n")


def change_header(**changes: object) -> Callable[[Path], None]:
    def change(lines: list[str]) -> None:
        lines[0] = json.dumps(json.loads(lines[0]) | changes)

    return lambda path: reseal(path, change)


def change_answer(**changes: object) -> Callable[[Path], None]:
    def change(lines: list[str]) -> None:
        lines[1] = json.dumps(json.loads(lines[1]) | changes)

    return lambda path: reseal(path, change)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def cut_after_a_line(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))


def swap_digits(path: Path) -> None:
    text = path.read_text()
    digest = json.loads(text.splitlines()[1])["addresses"][0]
    path.write_text(text.replace(digest, digest.replace("p/", "q/")))


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_link(path: Path) -> None:
    moved = path.with_name("elsewhere")
    path.rename(moved)
    path.symlink_to(moved)


def as_another_part(path: Path) -> None:
    path.rename(path.with_name("3-of-3.jsonl"))


MISFITS = [
    pytest.param(change_header(mirror="0.0.1"), "comes from mirror 0.0.1, and this is", id="older"),
    pytest.param(change_header(settings="0" * 64), "another configuration", id="configuration"),
    pytest.param(change_header(version=2), "line 1: expected", id="format"),
    pytest.param(change_header(of=2, shard=3), "line 1: expected", id="no part"),
    pytest.param(change_header(of=2), "is of another part", id="part"),
    pytest.param(change_answer(rule="M999"), "line 2: rule: expected one of", id="rule"),
    pytest.param(change_answer(addresses=[]), "line 2: addresses", id="no address"),
    pytest.param(change_answer(addresses=["file:///etc/passwd"]), "line 2: addresses", id="file"),
    pytest.param(change_answer(blob={"sha256": "x"}), "line 2:", id="blob"),
    pytest.param(change_answer(more=1), "line 2: expected an answer", id="member"),
    pytest.param(cut, "was cut short or changed", id="cut"),
    pytest.param(cut_after_a_line, "was cut short or changed", id="cut after a line"),
    pytest.param(swap_digits, "was cut short or changed", id="changed"),
    pytest.param(lambda path: path.write_bytes(b""), "line 1: expected", id="empty"),
    pytest.param(lambda path: path.write_bytes(b"\xff\n"), "run the shard again", id="no text"),
    pytest.param(lambda path: path.write_text("[" * 99_999), "line 1: expected", id="brackets"),
    pytest.param(as_pipe, "is no plain file", id="pipe"),
    pytest.param(as_link, "is a symbolic link", id="link"),
    pytest.param(as_another_part, "line 1: expected the shard of the file's name", id="renamed"),
]


@pytest.mark.parametrize(("spoil", "message"), MISFITS)
def test_a_shard_that_does_not_fit_is_named_and_not_taken(
    filled: Blog, single: SingleRun, spoil: Callable[[Path], None], message: str
) -> None:
    path = shard(filled, 1, 1)
    asked = filled.asked
    spoil(path)
    result = filled.sync()
    (found,) = [f for f in result.findings if f.rule is Rule.SHARD_NOT_TAKEN]
    assert message in found.message
    assert str(path.parent) in found.subject
    assert filled.asked > asked, "the images are asked for instead"
    assert records(filled) == single.records


def test_an_answer_without_its_original_is_not_taken(
    filled: Blog, single: SingleRun, tmp_path: Path
) -> None:
    machine = copy_of(filled, tmp_path / "machine")
    shard(machine, 1, 1)
    originals = sorted((machine.root / "archive/data").rglob("*.png"))
    originals[0].unlink()
    originals[1].write_bytes(originals[2].read_bytes())
    dry = run(filled, "sync", "--dry-run", "--collect", str(machine.root))
    assert "2 originals are missing or damaged" in dry.out + dry.err
    assert sum(line.startswith("would fetch http") for line in dry.out.splitlines()) == 2
    assert not (filled.root / "archive").exists()
    result = filled.sync(copies=(machine.root,))
    (found,) = [f for f in result.findings if f.rule is Rule.SHARD_NOT_TAKEN]
    assert found.subject == str(machine.root)
    assert "2 originals are missing or damaged" in found.message
    assert records(filled) == single.records
    assert not filled.verify(deep=True).findings


def test_facts_that_are_not_those_of_the_bytes_are_not_taken(
    filled: Blog, single: SingleRun, tmp_path: Path
) -> None:
    machine = copy_of(filled, tmp_path / "machine")
    path = shard(machine, 1, 1)

    def forge(lines: list[str]) -> None:
        answers = [json.loads(line) for line in lines[1:]]
        pictures = [answer for answer in answers if "blob" in answer and "rule" not in answer]
        pictures[0]["blob"]["md5"] = "0" * 32
        pictures[1]["blob"]["size"] += 1
        pictures[2]["blob"]["media_type"] = "image/svg+xml"
        pictures[3]["blob"]["width"] += 1
        lines[1:] = map(json.dumps, answers)

    reseal(path, forge)
    filled.sync(copies=(machine.root,))
    assert records(filled) == single.records


@pytest.mark.parametrize("body", [b"<html>no such picture</html>", None], ids=["HTML", "cut short"])
def test_what_does_not_decode_is_not_taken(
    filled: Blog, single: SingleRun, tmp_path: Path, body: bytes | None
) -> None:
    """Its digests are right, and its facts are those of a whole picture."""
    machine = copy_of(filled, tmp_path / "machine")
    path = shard(machine, 1, 1)

    def forge(lines: list[str]) -> None:
        answers = [json.loads(line) for line in lines[1:]]
        blob = next(a["blob"] for a in answers if "blob" in a and "rule" not in a)
        folder = machine.root / "archive/data"
        whole = (folder / blob["sha256"][:2] / f"{blob['sha256']}.png").read_bytes()
        data = whole[: len(whole) // 2] if body is None else body
        digest = sha256(data).hexdigest()
        blob |= {
            "sha256": digest,
            "md5": md5(data, usedforsecurity=False).hexdigest(),
            "size": len(data),
        }
        place = folder / digest[:2] / f"{digest}.png"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
        lines[1:] = map(json.dumps, answers)

    reseal(path, forge)
    filled.sync(copies=(machine.root,))
    assert records(filled) == single.records


def test_a_damaged_picture_is_not_taken_for_a_whole_one(filled: Blog, single: SingleRun) -> None:
    path = shard(filled, 1, 1)
    (damaged,) = (filled.root / ".mirror/held").iterdir()
    place = filled.root / "archive/data" / damaged.name[:2] / f"{damaged.name}.png"
    place.parent.mkdir(exist_ok=True)
    damaged.rename(place)

    def forge(lines: list[str]) -> None:
        (number,) = (n for n, line in enumerate(lines) if DAMAGED in line)
        answer = json.loads(lines[number])
        del answer["rule"], answer["message"]
        lines[number] = json.dumps(answer)

    reseal(path, forge)
    result = filled.sync()
    assert [f.rule for f in result.findings].count(Rule.NOT_AN_IMAGE) == 1
    assert records(filled) == single.records


def test_a_missing_part_is_named_and_fetched(filled: Blog, single: SingleRun) -> None:
    shard(filled, 1)
    shard(filled, 3)
    result = filled.sync()
    (found,) = [f for f in result.findings if f.rule is Rule.SHARD_MISSING]
    assert found.message.startswith("part 2/3 is not there")
    assert records(filled) == single.records


def test_a_copy_without_any_part_is_named(filled: Blog, tmp_path: Path) -> None:
    """An artifact that was made without hidden files, for example."""
    machines = [copy_of(filled, tmp_path / f"machine{number}") for number in (1, 2)]
    shard(machines[0], 1, 1)
    folders = tuple(machine.root for machine in machines)
    result = filled.sync(copies=(*folders, filled.root), limit=0)
    (found,) = [f for f in result.findings if f.rule is Rule.SHARD_MISSING]
    assert found.subject == str(folders[1])
    assert found.message.startswith("has no part in .mirror/shards; this run asks the hosts")


def test_parts_of_another_division_are_named(filled: Blog, single: SingleRun) -> None:
    for number in (1, 2):
        shard(filled, number, 2)
    other = shard(filled, 2, 3)
    result = filled.sync()
    (found,) = [f for f in result.findings if f.rule is Rule.SHARD_NOT_TAKEN]
    assert found.subject == str(other)
    assert "run all as `--shard n/2`" in found.message
    assert records(filled) == single.records


def test_a_part_that_was_run_twice_is_named(
    filled: Blog, single: SingleRun, tmp_path: Path
) -> None:
    first = copy_of(filled, tmp_path / "first")
    shard(first, 1, 1)
    second = Blog(tmp_path / "second", filled.host)
    shutil.copytree(first.root, second.root)
    folders = (first.root, second.root)
    equal = filled.sync(copies=folders)
    assert [f.rule for f in equal.findings].count(Rule.SHARD_TWICE) == 1
    assert equal.summary["fetched"] == 0
    assert records(filled) == single.records
    forget(filled)
    change_answer(rule="M201", message="gone")(second.root / ".mirror/shards/1-of-1.jsonl")
    other = filled.sync(copies=folders)
    found = [f for f in other.findings if f.rule is Rule.SHARD_NOT_TAKEN]
    assert {f.subject for f in found} == {f"{f}/.mirror/shards/1-of-1.jsonl" for f in folders}
    assert other.summary["collected"] == 0
    assert records(filled) == single.records


def test_a_comment_changes_no_configuration_and_a_setting_does(filled: Blog) -> None:
    shard(filled, 1, 1)
    asked = filled.asked
    text = (filled.root / "mirror.toml").read_text()
    (filled.root / "mirror.toml").write_text(f"# by hand\n{text}")
    assert filled.sync(dry_run=True).summary["fetched"] == 0
    assert not filled.sync(dry_run=True).planned
    (filled.root / "mirror.toml").write_text(f"{text}\n[fetch]\nmax_pixels = 1000\n")
    assert "another configuration" in str(filled.sync(dry_run=True).findings)
    assert filled.asked == asked


# --- One shard ------------------------------------------------------------------------------------


def test_a_killed_shard_goes_on(tmp_path: Path) -> None:
    with faults.blog(tmp_path) as site:
        site.run("sync")
        made = (site.root / "manifests/images.jsonl").read_bytes()
        site.forget()
        steps = site.steps("sync", "--shard", "1/1")
        site.forget()
        assert site.struck(2 * steps // 3, "sync", "--shard", "1/1").code < 0
        assert site.host.requests.total() > faults.IN_FLIGHT
        ended = site.run("sync", "--shard", "1/1")
        assert ended.code == 0, ended.text
        assert site.host.requests.total() - len(site.pictures) <= faults.IN_FLIGHT
        assert site.run("sync").code == 0
        assert (site.root / "manifests/images.jsonl").read_bytes() == made


def test_a_killed_shard_goes_on_behind_a_sync_that_asked_nobody(tmp_path: Path) -> None:
    with faults.blog(tmp_path) as site:
        steps = site.steps("sync", "--shard", "1/1")
        site.forget()
        assert site.struck(2 * steps // 3, "sync", "--shard", "1/1").code < 0
        assert site.host.requests.total() > faults.IN_FLIGHT
        assert site.run("sync", "--limit", "0").code == 0
        assert site.run("sync", "--shard", "1/1").code == 0
        assert site.host.requests.total() - len(site.pictures) <= faults.IN_FLIGHT


def test_a_shard_that_runs_again_asks_for_what_failed(filled: Blog) -> None:
    shard(filled, 1, 1)
    filled.host.put(LOST, picture(50))
    filled.host.requests.clear()
    shard(filled, 1, 1)
    assert {name.removeprefix("GET ") for name in filled.host.requests} == {LOST, DAMAGED}
    assert filled.sync().summary["fetched"] == 0
    assert filled.asset(LOST)


def test_each_shard_has_a_lock_of_its_own(filled: Blog) -> None:
    shards = filled.root / ".mirror/shards"
    with filled.site.lock("test", "1-of-2"):
        held = run(filled, "sync", "--shard", "1/2")
        assert held.code == 4
        assert str(shards / "1-of-2.lock") in held.err
        with filled.site.lock("a sync"):
            assert run(filled, "sync", "--shard", "2/2").code == 3  # one image is lost


@pytest.mark.parametrize(
    "text", ["", "0/3", "4/3", "1", "1/0", "a/b", "-1/3", "1/3/5", "1/1000000"]
)
def test_a_part_that_does_not_exist_is_a_usage_error(filled: Blog, text: str) -> None:
    ended = run(filled, "sync", "--shard", text)
    assert ended.code == 2
    assert "expected a part such as 2/3" in ended.err


def test_options_that_do_not_go_together_are_usage_errors(filled: Blog) -> None:
    assert run(filled, "sync", "--shard", "1/2", "--collect", ".").code == 2
    assert run(filled, "sync", "--scheduler", "tcp://127.0.0.1:1").code == 2
    missing = run(filled, "sync", "--collect", "nowhere")
    assert missing.code == 2
    assert "nowhere: no such folder" in missing.err


def test_what_a_shard_prints(filled: Blog) -> None:
    ended = run(filled, "sync", "--shard", "1/1")
    assert ended.code == 3
    assert "part 1/1 is done" in ended.out
    together = run(filled, "sync", "--json")
    assert together.summary["collected"] == 15
    assert together.summary["fetched"] == 0


def test_too_many_shards_for_the_limit_of_a_host_are_named(filled: Blog) -> None:
    filled.configure(more="[fetch]\nconcurrency = 2")
    result = filled.sync(shard=Shard(1, 3))
    (found,) = [f for f in result.findings if f.rule is Rule.HOST_LIMIT]
    assert "a host may get 3 requests at once, more than the 2" in found.message
    assert not [f for f in filled.sync(shard=Shard(1, 2)).findings if f.rule is Rule.HOST_LIMIT]
