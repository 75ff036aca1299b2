"""Where commands write, and what they never write over."""

from __future__ import annotations

import pytest
from support import slides

from mirror.cli import run

COMMANDS = [["report"], ["verify"], ["verify", "--json"], ["verify", "--format", "junit"]]


@pytest.fixture
def synced(blog, monkeypatch):
    blog.host.put("a.png", slides.encode(slides.deck(1)[0].draw()))
    blog.write("post.md", "![](BUCKET/a.png)\n")
    blog.sync()
    monkeypatch.chdir(blog.root)
    return blog


def mirror(monkeypatch, capsys, *arguments):
    """The exit code, and all that was said."""
    monkeypatch.setattr("sys.argv", ["mirror", *arguments])
    code = run()
    said = capsys.readouterr()
    return code, said.out + said.err


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("mirror.toml", "is the configuration"),
        ("posts/post.md", "is a post"),
        ("link to a post", "is a post"),
        ("manifests/images.jsonl", "belongs to manifest"),
        ("manifests/site.txt", "belongs to manifest"),
        ("manifests/new.html", "belongs to manifest"),
        ("posts/../manifests/ledger.jsonl", "belongs to manifest"),
        ("archive/bagit.txt", "belongs to archive"),
        ("static/images/new.html", "belongs to site"),
        (".mirror/last-sync.jsonl", "belongs to state"),
    ],
)
def test_an_output_never_replaces_what_is_the_users(
    synced, monkeypatch, capsys, command, output, words
):
    (synced.root / "link to a post").symlink_to("posts/post.md")
    before = files(synced.root)
    code, said = mirror(monkeypatch, capsys, *command, "--output", output)
    assert (code, words in said, output in said) == (2, True, True), said
    assert files(synced.root) == before


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_output_of_another_run_is_replaced(synced, monkeypatch, capsys, command):
    (synced.root / "notes").mkdir()
    for output in ("out", "notes/out.md", "posts/out.html", "archive.html"):
        path = synced.root / output
        path.write_text("of another run")
        assert mirror(monkeypatch, capsys, *command, "-o", output)[0] == 0
        assert path.read_text() != "of another run"


def test_a_configuration_of_another_name_and_a_post_that_was_named_are_safe(
    synced, monkeypatch, capsys
):
    (synced.root / "mirror.toml").rename(synced.root / "other.toml")
    (synced.root / "draft.txt").write_text("a draft\n")
    before = files(synced.root)
    for words, *arguments in (
        ("is the configuration", "-o", "other.toml"),
        ("is a post", "draft.txt", "-o", "draft.txt"),
    ):
        code, said = mirror(monkeypatch, capsys, "report", "--config", "other.toml", *arguments)
        assert (code, words in said) == (2, True), said
    assert files(synced.root) == before


def test_of_a_folder_that_holds_the_site_not_everything_is_kept(
    synced, tmp_path_factory, monkeypatch, capsys
):
    elsewhere = tmp_path_factory.mktemp("images")
    text = (synced.root / "mirror.toml").read_text() + '[manifest]\npath = "."\n'
    text = text.replace("file:static/images", f"file:{elsewhere}")
    (synced.root / "mirror.toml").write_text(text)
    synced.sync()
    assert mirror(monkeypatch, capsys, "report")[0] == 0
    assert mirror(monkeypatch, capsys, "report")[0] == 0
    for output in ("images.jsonl", "posts/post.md", "mirror.toml"):
        assert mirror(monkeypatch, capsys, "report", "-o", output)[0] == 2
    assert (synced.root / "images.jsonl").read_text().startswith("{")


def test_an_output_through_a_link_to_itself_is_named(synced, monkeypatch, capsys):
    (synced.root / "loop").symlink_to("loop")
    code, said = mirror(monkeypatch, capsys, "report", "-o", "loop")
    assert (code, "loop: cannot be written" in said) == (2, True), said


@pytest.mark.parametrize(
    "arguments",
    [
        ["restore", ""],
        ["restore", "--json", ""],
        ["scan", ""],
        ["scan", "posts", ""],
        ["sync", ""],
        ["report", "--output", ""],
        ["report", "--output="],
        ["verify", "-o", ""],
        ["verify", "--config", ""],
        ["--config", "", "verify"],
        ["rewrite", "--map", ""],
        ["init", ""],
        ["init", "--config", ""],
        ["init", "--from", ""],
        ["demo", ""],
    ],
    ids=" ".join,
)
def test_an_empty_path_is_not_the_folder_one_is_in(synced, monkeypatch, capsys, arguments):
    before = files(synced.root)
    code, said = mirror(monkeypatch, capsys, *arguments)
    assert (code, "expected a path, got nothing" in said) == (2, True), said
    assert files(synced.root) == before


def test_an_empty_variable_names_no_configuration(tmp_path, monkeypatch, capsys):
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIRROR_CONFIG", "")
    assert mirror(monkeypatch, capsys, "scan", ".")[0] == 0
