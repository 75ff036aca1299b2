"""`mirror manifest merge` as the merge driver of a real git."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mirror import manifest, redirects, rewrites
from mirror.model import Digest
from mirror.repeats.evidence import RULE
from mirror.repeats.reviews import load_reviews
from mirror.urls.address import Address

A, B, C, D = (digit * 64 for digit in "abcd")
HOST = "https://h.example/"


def line(digest: str, *names: str, **members: Any) -> dict[str, Any]:
    key = {} if members.get("key", "") is None else {"key": f"{digest[:8]}.png"}
    return {
        "sha256": digest, "md5": digest[:32], "size": 7, "media_type": "image/png", "width": 1,
        "height": 1, "fingerprint": None, **key, **members,
        "sources": [HOST + name for name in names],
    }  # fmt: skip


class Repository:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "manifests").mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        program = f"'{sys.executable}' -m mirror manifest merge %O %A %B %P"
        self.git("config", "merge.mirror.driver", program)
        (root / ".gitattributes").write_text("manifests/* merge=mirror\n")
        self.images(line(A, "a.png"), line(B, "b.png"))
        self.commit()

    def git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.example")
        environment = os.environ | {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
        }
        return subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.root, check=False, capture_output=True, text=True, env=environment,
        )  # fmt: skip

    def path(self, name: str) -> Path:
        return self.root / "manifests" / name

    def images(self, *lines: dict[str, Any]) -> None:
        text = "".join(json.dumps(each) + "\n" for each in (manifest.HEADER, *lines))
        self.path("images.jsonl").write_text(manifest.dumps(manifest.loads(text)))

    def commit(self) -> None:
        self.git("add", "--all")
        assert self.git("commit", "--quiet", "--message=x").returncode == 0

    def merge(
        self, ours: Callable[[], object], theirs: Callable[[], object]
    ) -> subprocess.CompletedProcess[str]:
        self.git("switch", "--quiet", "--create=theirs")
        theirs()
        self.commit()
        self.git("switch", "--quiet", "main")
        ours()
        self.commit()
        return self.git("merge", "--no-edit", "theirs")

    @property
    def lines(self) -> dict[str, dict[str, Any]]:
        text = self.path("images.jsonl").read_text()
        assert manifest.dumps(manifest.loads(text)) == text
        return {each["sha256"]: each for each in map(json.loads, text.splitlines()[1:])}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "site")


def test_pictures_and_sources_of_both_branches_are_united(repository: Repository) -> None:
    ended = repository.merge(
        lambda: repository.images(line(A, "a.png", "ours.png"), line(B, "b.png"), line(C, "c.png")),
        lambda: repository.images(line(A, "a.png", "t.png"), line(B, "b.png"), line(D, "d.png")),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert set(repository.lines) == {A, B, C, D}
    assert repository.lines[A]["sources"] == [f"{HOST}{n}.png" for n in ("a", "ours", "t")]


def test_one_new_picture_that_both_found_is_one_line(repository: Repository) -> None:
    ended = repository.merge(
        lambda: repository.images(line(A, "a.png"), line(B, "b.png"), line(C, "c.png")),
        lambda: repository.images(line(A, "a.png"), line(B, "b.png"), line(C, "d.png")),
    )
    assert ended.returncode == 0, ended.stderr
    assert repository.lines[C]["sources"] == [HOST + "c.png", HOST + "d.png"]


def test_a_change_of_one_side_is_taken_whole(repository: Repository) -> None:
    """A source that moved on one branch does not come back; a new repeat stays one."""
    moved = line(A, "x.png", former_sources=[HOST + "a.png"])
    ended = repository.merge(
        lambda: repository.images(moved, line(B, "b.png"), line(C, "a.png")),
        lambda: repository.images(line(A, "a.png", "t.png"), line(B, "b.png", alias_of=A)),
    )
    assert ended.returncode == 0, ended.stderr
    assert repository.lines[A]["sources"] == [HOST + "t.png", HOST + "x.png"]
    assert repository.lines[A]["former_sources"] == [HOST + "a.png"]
    assert repository.lines[B]["alias_of"] == A
    assert repository.lines[C]["sources"] == [HOST + "a.png"]


def conflict(repository: Repository, ended: subprocess.CompletedProcess[str], name: str) -> str:
    assert ended.returncode == 1
    assert name in ended.stdout + ended.stderr
    assert repository.git("diff", "--name-only", "--diff-filter=U").stdout == f"manifests/{name}\n"
    text = repository.path(name).read_text()
    assert text.count("<<<<<<< ours\n") == text.count(">>>>>>> theirs\n") == 1
    return text


def test_an_address_with_two_pictures_is_a_conflict_that_is_named(repository: Repository) -> None:
    ended = repository.merge(
        lambda: repository.images(line(A, "a.png"), line(B, "b.png"), line(C, "new.png")),
        lambda: repository.images(line(A, "a.png"), line(B, "b.png"), line(D, "new.png")),
    )
    text = conflict(repository, ended, "images.jsonl")
    assert f"source h.example/new.png is that of {C} and of {D}" in ended.stdout + ended.stderr
    before, _, rest = text.partition("<<<<<<< ours\n")
    ours, _, theirs = rest.partition("=======\n")
    assert C not in before
    assert A in before
    assert C in ours
    assert D not in ours
    assert D in theirs


def test_two_pictures_that_stand_for_one_are_a_conflict(repository: Repository) -> None:
    ended = repository.merge(
        lambda: repository.images(line(A, "a.png"), line(B, "b.png", alias_of=A)),
        lambda: repository.images(line(A, "a.png"), line(B, "b.png", alias_of=C), line(C, "c.png")),
    )
    assert f"picture {B}" in ended.stdout + ended.stderr
    conflict(repository, ended, "images.jsonl")


def test_a_repeat_of_a_picture_that_the_other_side_deleted_is_a_conflict(
    repository: Repository,
) -> None:
    ended = repository.merge(
        lambda: repository.images(line(A, "a.png"), line(B, "b.png", alias_of=A)),
        lambda: repository.images(line(B, "b.png")),
    )
    conflict(repository, ended, "images.jsonl")
    assert "alias_of" in ended.stdout + ended.stderr


def test_decisions_of_both_sides_are_kept_with_their_comments(repository: Repository) -> None:
    path = repository.path("reviews.txt")
    path.write_text(f"# first\nsplit {A}\n")
    repository.commit()
    ended = repository.merge(
        lambda: path.write_text(f"# first\nsplit {A}\n# ours\nsplit {B}\n"),
        lambda: path.write_text(f"# first\nsplit {A}\n# theirs\nmerge {C} {D}"),
    )
    assert ended.returncode == 0, ended.stderr
    assert path.read_text() == (f"# first\nsplit {A}\n# ours\nsplit {B}\n# theirs\nmerge {C} {D}\n")
    assert load_reviews(path).split == {Digest(A), Digest(B)}


def test_decisions_that_contradict_each_other_are_a_conflict(repository: Repository) -> None:
    path = repository.path("reviews.txt")
    path.write_text("# first\n")
    repository.commit()
    ended = repository.merge(
        lambda: path.write_text(f"# first\nsplit {A}\n"),
        lambda: path.write_text(f"# first\nmerge {A} {B}\n"),
    )
    text = conflict(repository, ended, "reviews.txt")
    assert f"<<<<<<< ours\nsplit {A}\n=======\nmerge {A} {B}\n>>>>>>> theirs\n" in text


def test_evidence_of_both_is_kept_and_a_mode_only_if_both_have_it(repository: Repository) -> None:
    path = repository.path("ledger.jsonl")

    def evidence(first: str, second: str) -> str:
        return json.dumps({"rule": RULE, "pair": [first, second], "distance": 3}) + "\n"

    mode = json.dumps({"rule": RULE, "mode": "exact"}) + "\n"
    path.write_text(evidence(A, B))
    repository.commit()
    ended = repository.merge(
        lambda: path.write_text(evidence(A, B) + evidence(A, C) + mode),
        lambda: path.write_text(evidence(A, B) + evidence(A, D) + evidence(A, C)),
    )
    assert ended.returncode == 0, ended.stderr
    lines = path.read_text().splitlines(keepends=True)
    assert sorted(lines) == sorted([evidence(A, B), evidence(A, C), evidence(A, D)])


def test_rewrites_of_both_are_kept_and_those_that_one_reverted_are_gone(
    repository: Repository,
) -> None:
    path = repository.path("rewrites.jsonl")

    def written(*names: str) -> None:
        lines = [
            rewrites.Rewrite(f"{name[0]}.md", f"https://m.example/{name}", HOST + name, "0", "1")
            for name in names
        ]
        path.write_text(rewrites.dumps(lines))

    written("a1", "a1", "b1")
    repository.commit()
    ended = repository.merge(
        lambda: written("a1", "a1", "b1", "c1"), lambda: written("a1", "d1", "a1")
    )
    assert ended.returncode == 0, ended.stderr
    names = [each.source.removeprefix(HOST) for each in rewrites.loads(path.read_text())]
    assert names == ["a1", "a1", "c1", "d1"]


def test_redirects_of_both_are_kept_and_ours_where_they_contradict(
    repository: Repository,
) -> None:
    path = repository.path("redirects.jsonl")

    def written(**finals: str) -> None:
        lines = {
            Address(f"{HOST}{name}.png"): redirects.Redirect(f"{HOST}{final}", Digest(A))
            for name, final in finals.items()
        }
        path.write_text(redirects.dumps(lines))

    written(a="old", b="old", c="old")
    repository.commit()
    ended = repository.merge(
        lambda: written(a="ours", b="old", c="old", d="new"),
        lambda: written(a="theirs", b="new", e="new"),
    )
    assert ended.returncode == 0, ended.stderr
    finals = {
        url.removeprefix(HOST): each.final_url.removeprefix(HOST)
        for url, each in redirects.loads(path.read_text()).items()
    }
    assert finals == {"a.png": "ours", "b.png": "new", "d.png": "new", "e.png": "new"}


def test_a_file_that_is_no_record_is_merged_by_its_lines(repository: Repository) -> None:
    path = repository.path("notes.txt")
    path.write_text("1\n2\n3\n4\n5\n")
    repository.commit()
    ended = repository.merge(
        lambda: path.write_text("one\n2\n3\n4\n5\n"), lambda: path.write_text("1\n2\n3\n4\nfive\n")
    )
    assert ended.returncode == 0, ended.stderr
    assert path.read_text() == "one\n2\n3\n4\nfive\n"


def test_a_record_that_cannot_be_read_is_merged_by_its_lines(repository: Repository) -> None:
    path = repository.path("images.jsonl")
    ended = repository.merge(lambda: path.write_text("ours\n"), lambda: path.write_text("theirs\n"))
    conflict(repository, ended, "images.jsonl")


def test_two_branches_that_begin_a_manifest_are_united(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "new")
    repository.path("images.jsonl").unlink()
    repository.path("other").write_text("")
    repository.commit()
    ended = repository.merge(
        lambda: repository.images(line(A, "a.png")), lambda: repository.images(line(B, "b.png"))
    )
    assert ended.returncode == 0, ended.stderr
    assert set(repository.lines) == {A, B}


# --- Parts ----------------------------------------------------------------------------------------


def part(repository: Repository, *lines: dict[str, Any]) -> None:
    path = repository.path("images") / "aa.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(each) + "\n" for each in (manifest.HEADER, *lines)))


def test_a_part_is_merged_though_its_repeats_show_pictures_of_other_parts(
    repository: Repository,
) -> None:
    (repository.root / ".gitattributes").write_text("manifests/images/*.jsonl merge=mirror\n")
    first, second = "aa" + "0" * 62, "aa" + "1" * 62
    part(repository, line(first, "a.png", alias_of=C))
    repository.commit()
    ended = repository.merge(
        lambda: part(repository, line(first, "a.png", "o.png", alias_of=C)),
        lambda: part(repository, line(first, "a.png", "t.png", alias_of=C), line(second, "x.png")),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    text = (repository.path("images") / "aa.jsonl").read_text()
    lines = [json.loads(each) for each in text.splitlines()[1:]]
    assert [each["sha256"] for each in lines] == [first, second]
    assert lines[0]["sources"] == [f"{HOST}{n}.png" for n in ("a", "o", "t")]


def test_a_part_with_a_contradiction_stays_between_markers(repository: Repository) -> None:
    (repository.root / ".gitattributes").write_text("manifests/images/*.jsonl merge=mirror\n")
    digest = "aa" + "0" * 62
    part(repository, line(digest, "a.png", key=None))
    repository.commit()
    ended = repository.merge(
        lambda: part(repository, line(digest, "a.png", key="ours.png")),
        lambda: part(repository, line(digest, "a.png", key="theirs.png")),
    )
    assert ended.returncode == 1
    assert "<<<<<<< ours" in (repository.path("images") / "aa.jsonl").read_text()


def test_what_a_killed_merge_left_in_the_work_tree_is_removed(tmp_path: Path) -> None:
    text = manifest.dumps(manifest.loads(json.dumps(manifest.HEADER)))
    for name in ("base", "ours", "theirs", ".mirror-00ff.tmp"):
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "mirror", "manifest", "merge"]
    files = ("base", "ours", "theirs", "manifests/images.jsonl")
    assert subprocess.run([*command, *files], cwd=tmp_path).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "ours", "theirs"]
