"""What `init` makes of sites as their generators' own templates lay them out."""

from __future__ import annotations

import re
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
        propose([PostHost("i.example", 1)], (), ""),
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


PICTURE = "![](https://a.oss-cn-beijing.aliyuncs.com/a.png)\n"
MONOREPO = {
    "apps/docs/docusaurus.config.ts": "export default { url: 'https://e.com', baseUrl: '/d/' }",
    "apps/docs/docs/a.md": PICTURE,
    "packages/blog/hugo.toml": "baseURL = 'https://e.com/b/'",
    "packages/blog/content/b.md": PICTURE,
}


def init(root: Path, files: Mapping[str, str], *arguments: str) -> str:
    """Write a site and return what `init` prints."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    done = subprocess.run(
        [MIRROR, "init", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_init_names_every_site_of_a_monorepo(tmp_path: Path) -> None:
    out = init(tmp_path, MONOREPO)
    assert "this is for Docusaurus in apps/docs; there are more sites: Hugo in packages/blog" in out
    assert "`mirror init --config mirror.toml` in the folder of another one" in out
    config = load_config(tmp_path / "mirror.toml")
    assert config.posts.paths == (tmp_path / "apps/docs",)
    assert config.destinations[0].url == "file:apps/docs/static/mirror"
    assert config.destinations[0].public_url == "https://e.com/d/mirror"


def test_init_takes_the_site_of_the_posts_that_were_named(tmp_path: Path) -> None:
    init(tmp_path, MONOREPO, "packages/blog/content")
    config = load_config(tmp_path / "mirror.toml")
    assert config.posts.paths == (tmp_path / "packages/blog/content",)
    assert config.destinations[0].url == "file:packages/blog/static/mirror"
    assert config.destinations[0].public_url == "https://e.com/b/mirror"


def test_init_says_nothing_of_other_sites_where_there_are_none(tmp_path: Path) -> None:
    files = {name: text for name, text in MONOREPO.items() if name.startswith("apps")}
    assert "more sites" not in init(tmp_path, files | {"vite.config.ts": ""})


def test_init_does_not_offer_the_sites_own_host_as_a_source(tmp_path: Path) -> None:
    files = {
        "hugo.toml": "baseURL = 'https://Me.example:443/b/'",
        "content/a.md": PICTURE + "![](https://me.example/b/a.png) ![](https://o.example/a.png)\n",
    }
    out = init(tmp_path, files)
    assert re.search(r"me\.example +1  the site itself", out)
    text = (tmp_path / "mirror.toml").read_text()
    assert "https://o.example/" in text
    assert 'match = ["https://me.example' not in text


def test_init_says_which_settings_a_program_computes(tmp_path: Path) -> None:
    config = "export default { base: process.env.BASE, title: 'x' }"
    out = init(tmp_path, {".vitepress/config.mts": config, "a.md": PICTURE})
    assert "CHECK `public_url`, `url` and `paths`: the configuration of VitePress computes" in out
