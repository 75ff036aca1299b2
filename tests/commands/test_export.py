"""`mirror export`: the manifest as other programs read it."""

from __future__ import annotations

import sys

import pytest
from pyarrow import parquet
from support import slides

from mirror.cli import run


def export(blog, monkeypatch, capsys, *arguments: str):
    """The exit code, and all that was said."""
    monkeypatch.chdir(blog.root)
    monkeypatch.setattr("sys.argv", ["mirror", "export", *arguments])
    code = run()
    said = capsys.readouterr()
    return code, said.out + said.err


@pytest.fixture
def synced(blog):
    slide = slides.deck(1)[0].draw()
    blog.host.put("a.png", slides.encode(slide))
    blog.host.put("b.jpg", slides.encode(slide, "JPEG", quality=80))
    blog.host.put("c.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>')
    blog.write("post.md", "![](BUCKET/a.png) ![](BUCKET/b.jpg) ![](BUCKET/c.svg)\n")
    blog.sync()
    return blog


def test_every_line_of_the_manifest_is_a_row(synced, monkeypatch, capsys) -> None:
    code, said = export(synced, monkeypatch, capsys, "--parquet", "images.parquet")
    assert (code, said) == (0, "images.parquet: 3 originals\n")
    rows = parquet.read_table(synced.root / "images.parquet").to_pylist()
    hexed = [{k: v.hex() if isinstance(v, bytes) else v for k, v in row.items()} for row in rows]
    given = [{k: v for k, v in row.items() if v is not None and v != []} for row in hexed]
    lines = [{k: v for k, v in line.items() if v is not None} for line in synced.assets]
    assert given == lines
    assert sum("alias_of" in row for row in given) == 1


def test_a_file_of_the_user_is_not_replaced(synced, monkeypatch, capsys) -> None:
    before = (synced.root / "manifests" / "images.jsonl").read_bytes()
    code, said = export(synced, monkeypatch, capsys, "--parquet", "manifests/images.jsonl")
    assert (code, "belongs to manifest" in said) == (2, True)
    assert (synced.root / "manifests" / "images.jsonl").read_bytes() == before


def test_without_a_manifest_nothing_is_written(blog, monkeypatch, capsys) -> None:
    code, said = export(blog, monkeypatch, capsys, "--parquet", "images.parquet")
    assert (code, "there is no manifest" in said) == (2, True)
    assert not (blog.root / "images.parquet").exists()


@pytest.mark.parametrize(
    ("mark", "command"),
    [
        ("pyvenv.cfg", "pip install 'markdown-mirror[parquet]'"),
        ("pipx_metadata.json", "pipx inject tool pyarrow"),
        ("uv-receipt.toml", "uv tool install 'markdown-mirror[parquet]'"),
    ],
)
def test_without_pyarrow_the_command_that_installs_it_is_named(
    synced, monkeypatch, capsys, tmp_path, mark, command
) -> None:
    prefix = tmp_path / "tool"
    prefix.mkdir()
    (prefix / mark).touch()
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.delitem(sys.modules, "mirror.formats.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, said = export(synced, monkeypatch, capsys, "--parquet", "images.parquet")
    assert (code, command in said) == (2, True)
