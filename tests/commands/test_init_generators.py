"""What `init` makes of sites as their generators' own templates lay them out."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.faults import MIRROR

from mirror.config import load_config
from mirror.generators import PublicFolder
from mirror.pipeline.init import PostHost, configuration, propose


def test_a_site_below_a_path_is_told_to_name_the_whole_address() -> None:
    # With `/blog` in front the images of VitePress and Docusaurus are not found when the site is
    # built, and Hexo puts it there twice; without it those of Hugo lead nowhere.
    text = configuration(
        propose([PostHost("i.example", 1)], ()),
        ["."],
        PublicFolder("", "s", "/mirror"),
        None,
        follows_links=False,
    )
    assert "# If the site itself lives below a path, name the whole address" in text
    assert "https://example.com/blog/mirror\n" in text
    assert ": /blog" not in text


@pytest.mark.parametrize(
    ("files", "posts", "public_url"),
    [
        pytest.param(
            {"hugo.toml": 'baseURL = "https://blog.example/notes/"\n'},
            "content",
            "https://blog.example/notes/mirror",
            id="Hugo",
        ),
        pytest.param(
            {"mkdocs.yml": "site_name: x\nsite_url: https://docs.example/guide/\n"},
            "docs",
            "https://docs.example/guide/mirror",
            id="MkDocs",
        ),
    ],
)
def test_init_reads_the_posts_of_the_site_and_not_of_its_theme(
    files: Mapping[str, str], posts: str, public_url: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for folder in (posts, "themes/shiny"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / posts / "post.md").write_text("![](https://a.oss-cn-beijing.aliyuncs.com/a.png)\n")
    (tmp_path / "themes/shiny/README.md").write_text("![](https://theme.example/shot.png)\n")
    done = subprocess.run(
        [MIRROR, "init"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "mirror.toml").read_text()
    assert f'paths = ["{posts}"]' in text
    assert f'public_url = "{public_url}"' in text
    assert "theme.example" not in text
    assert "https://example.com" not in text  # the address of the site is known
    assert ('# links = "relative"' in text) == ("mkdocs.yml" in files)


@pytest.mark.parametrize(
    ("files", "posts", "folder"),
    [
        pytest.param(
            {"mkdocs.yml": "site_name: x\ndocs_dir: text\n"}, "text", "text/mirror", id="MkDocs"
        ),
        pytest.param(
            {"docs/.vitepress/config.ts": "define({ base: '/r/', srcDir: 'src' })"},
            "docs/src",
            "docs/src/public/mirror",
            id="VitePress in docs",
        ),
        pytest.param(
            {"_config.yml": "source_dir: src\nroot: /r/\n"}, "src", "src/mirror", id="Hexo"
        ),
        pytest.param({"book.toml": '[book]\nsrc = "./text"\n'}, "text", "text/mirror", id="mdBook"),
    ],
)
def test_init_puts_pictures_where_the_generator_takes_them_after_a_setting_moved_it(
    files: Mapping[str, str], posts: str, folder: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / posts).mkdir(parents=True)
    (tmp_path / posts / "post.md").write_text("![](https://a.oss-cn-beijing.aliyuncs.com/a.png)\n")
    done = subprocess.run(
        [MIRROR, "init"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "mirror.toml").read_text()
    assert f'paths = ["{posts}"]' in text
    assert f'url = "file:{folder}"' in text


def test_init_gives_docsify_relative_links(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.html").write_text("<script>window.$docsify = {}</script>")
    (tmp_path / "docs/post.md").write_text("![](https://a.oss-cn-beijing.aliyuncs.com/a.png)\n")
    done = subprocess.run(
        [MIRROR, "init"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "by a path from each post, as docsify needs" in done.stdout
    config = load_config(tmp_path / "mirror.toml")
    (destination,) = config.destinations
    assert (destination.url, destination.links) == ("file:docs/assets/mirror", "relative")
    assert config.posts.paths == (tmp_path / "docs",)
