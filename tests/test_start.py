"""The first minutes of a new user: `init` and `demo`, through the installed command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sites import BUCKET

from mirror.config import load_config
from mirror.demo.blog import posts
from mirror.initial import Host, configuration, propose


def mirror(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, "-m", "mirror", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"HOME": str(cwd)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_demo_runs_the_whole_cycle_as_told(tmp_path):
    code, out, err = mirror("demo", tmp_path / "blog", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert "The posts are byte for byte what they were." in out
    assert "not as expected" not in out
    for name, data in posts().items():
        assert (tmp_path / "blog" / "content" / "posts" / name).read_bytes() == data


def test_the_demo_leaves_a_folder_with_something_in_it_alone(tmp_path):
    (tmp_path / "mine").write_text("x")
    assert mirror("demo", tmp_path, cwd=tmp_path)[0] == 4
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_init_writes_a_configuration_that_works_at_once(tmp_path):
    folder = tmp_path / "content"
    folder.mkdir()
    (tmp_path / "source").mkdir()
    text = f"![]({BUCKET}a.png) ![]({BUCKET}b.png) ![](https://i.example/c.png) ![](local.png)"
    (folder / "post.md").write_text(text)
    code, out, _ = mirror("init", "content", cwd=tmp_path)
    assert code == 0
    assert "blog.oss-cn-beijing.aliyuncs.com" in out
    config = load_config(tmp_path / "mirror.toml")
    assert config.posts.paths == (tmp_path / "content",)
    assert [source.match for source in config.sources] == [(BUCKET,)]
    assert config.destinations[0].url == "file:source/mirror"
    code, out, _ = mirror("sync", "--dry-run", cwd=tmp_path)
    assert code == 0
    assert "2 to fetch" in out


def test_init_asks_the_albums_of_upload_tools_which_hosts_are_yours(tmp_path):
    (tmp_path / "post.md").write_text("![](https://i.example/a.png) ![](https://j.example/b.png)")
    album = tmp_path / "export.json"
    album.write_text('[{"imgUrl": "https://j.example/b.png", "token": "planted"}]')
    code, out, _ = mirror("init", "--from", album, cwd=tmp_path)
    assert code == 0
    assert "uploads to j.example" in out
    assert "planted" not in out + (tmp_path / "mirror.toml").read_text()
    (source,) = load_config(tmp_path / "mirror.toml").sources
    assert source.match == ("https://j.example/",)


def test_init_names_an_album_it_cannot_read(tmp_path):
    (tmp_path / "post.md").write_text("![](https://i.example/a.png)")
    code, _, err = mirror("init", "--from", "nowhere.json", cwd=tmp_path)
    assert code == 2
    assert "nowhere.json: cannot be read" in err
    assert "Traceback" not in err


def test_init_never_overwrites(tmp_path):
    (tmp_path / "mirror.toml").write_text("# mine\n")
    assert mirror("init", cwd=tmp_path)[0] == 4
    assert (tmp_path / "mirror.toml").read_text() == "# mine\n"


def test_init_says_when_there_is_nothing_to_mirror(tmp_path):
    (tmp_path / "post.md").write_text("no image")
    code, out, _ = mirror("init", cwd=tmp_path)
    assert code == 2
    assert "no image with a web address in 1 post" in out
    assert not (tmp_path / "mirror.toml").exists()


def test_storage_hosts_come_before_the_most_used_one():
    hosts = [Host("i.example", 99), Host("b.oss-cn-beijing.aliyuncs.com", 3), Host("x.r2.dev", 5)]
    proposal = propose(hosts)
    assert [host.name for host in proposal.sources] == [
        "x.r2.dev",
        "b.oss-cn-beijing.aliyuncs.com",
    ]
    assert [host.name for host in propose(hosts[:1]).sources] == ["i.example"]
    owned = propose(hosts, owned=["i.example"])
    assert next(host.name for host in owned.sources) == "i.example"


@pytest.mark.parametrize("name", ['we"ird', "back\\slash", "图"])
def test_a_hostile_path_cannot_break_out_of_its_string(name, tmp_path):
    text = configuration(propose([Host("i.example", 1), Host("i.other", 1)]), [name], "s", "/s")
    (tmp_path / "mirror.toml").write_text(text, encoding="utf-8")
    assert load_config(tmp_path / "mirror.toml").posts.paths == (tmp_path / name,)
