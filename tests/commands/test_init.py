"""The first minutes of a new user: `init` and `demo`, through the installed command."""

from __future__ import annotations

import subprocess
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from support.commands import mirror
from support.sites import BUCKET

from mirror.cli.init import init
from mirror.config import load_config


def test_init_writes_a_configuration_that_works_at_once(tmp_path):
    folder = tmp_path / "content"
    folder.mkdir()
    (tmp_path / "source").mkdir()
    (tmp_path / "_config.yml").touch()
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


@pytest.mark.parametrize(
    "endpoint",
    [
        "s3.amazonaws.com",
        "s3.dualstack.eu-west-1.amazonaws.com",
        "s3-us-west-2.amazonaws.com",
        "s3.cn-north-1.amazonaws.com.cn",
        "storage.googleapis.com",
        "s3.us-west-004.backblazeb2.com",
        "oss-cn-beijing.aliyuncs.com",
        "cos.ap-shanghai.myqcloud.com",
        "obs.cn-north-4.myhuaweicloud.com",
        "tos-s3-cn-beijing.volces.com",
        "s3-cn-east-1.qiniucs.com",
        "0123456789abcdef.r2.cloudflarestorage.com",
        "nyc3.digitaloceanspaces.com",
    ],
)
def test_init_takes_a_bucket_of_an_endpoint_and_not_those_of_others(endpoint, tmp_path):
    text = f"![](https://{endpoint}/blog/a.png) ![](https://{endpoint}/blog/2025/b.png)\n"
    text += f"![](https://{endpoint}/talks/a.png) ![](https://v.{endpoint}/x/a.png)\n"
    (tmp_path / "post.md").write_text(text)
    assert mirror("init", cwd=tmp_path)[0] == 0
    sources = load_config(tmp_path / "mirror.toml").sources
    assert {source.name: source.match for source in sources} == {
        "blog": (f"https://{endpoint}/blog/",),
        "talks": (f"https://{endpoint}/talks/",),
        "v": (f"https://v.{endpoint}/",),
    }


def test_init_counts_the_posts_that_show_an_image_of_a_host(tmp_path):
    (tmp_path / "shown.md").write_text("![](https://i.example/a.png) ![](https://i.example/b.png)")
    (tmp_path / "words.md").write_text("no image, or ![](local.png)")
    assert "1 post with images of 1 host:" in mirror("init", cwd=tmp_path)[1]


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("![](http://h.example/a.png) ![](//h.example/b.png) ![](//h.example/c.png)", "http"),
        (
            "![](HTTP://h.example/a.png) ![](http://h.example/b.png) ![](https://h.example/c)",
            "http",
        ),
        ("![](http://h.example/a.png) ![](https://h.example/b.png)", "https"),
        ("![](//h.example/a.png)", "https"),
    ],
)
def test_init_writes_the_scheme_that_most_references_spell(text, scheme, tmp_path):
    (tmp_path / "post.md").write_text(text)
    assert mirror("init", cwd=tmp_path)[0] == 0
    (source,) = load_config(tmp_path / "mirror.toml").sources
    assert source.match == (f"{scheme}://h.example/",)


@pytest.mark.parametrize("line", ["echo /archive/ >> .gitignore", "echo .mirror/ >> .gitignore"])
def test_init_offers_the_lines_that_keep_what_it_should_not_have_out_of_git(line, tmp_path):
    (tmp_path / "post.md").write_text("![](https://i.example/a.png)")
    assert line not in mirror("init", cwd=tmp_path)[1]
    (tmp_path / ".git").mkdir()
    (tmp_path / "mirror.toml").unlink()
    assert line in mirror("init", cwd=tmp_path)[1]
    assert not (tmp_path / ".gitignore").exists()
    subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, check=True)
    (tmp_path / "mirror.toml").unlink()
    assert line not in mirror("init", cwd=tmp_path)[1]


def test_init_names_an_album_it_cannot_read(tmp_path):
    (tmp_path / "post.md").write_text("![](https://i.example/a.png)")
    code, _, err = mirror("init", "--from", "nowhere.json", cwd=tmp_path)
    assert code == 2
    assert "nowhere.json: cannot be read" in err
    assert "Traceback" not in err


def test_init_names_an_album_that_is_none_once(tmp_path):
    (tmp_path / "post.md").write_text("![](https://i.example/a.png)")
    (tmp_path / "bad.json").write_text("{bad")
    code, _, err = mirror("init", "--from", "bad.json", cwd=tmp_path)
    assert code == 2
    assert err.startswith("mirror: bad.json: expected a gallery")


def test_init_never_overwrites(tmp_path):
    (tmp_path / "mirror.toml").write_text("# mine\n")
    assert mirror("init", cwd=tmp_path)[0] == 4
    assert (tmp_path / "mirror.toml").read_text() == "# mine\n"


def test_init_below_another_configuration_does_not_hide_it(tmp_path):
    (tmp_path / "mirror.toml").write_text("# mine\n")
    folder = tmp_path / "content"
    folder.mkdir()
    (folder / "post.md").write_text(f"![]({BUCKET}a.png)")
    code, _, err = mirror("init", cwd=folder)
    assert code == 2
    assert f"{tmp_path / 'mirror.toml'} is what commands use here" in err
    assert not (folder / "mirror.toml").exists()
    assert mirror("init", "--config", "mirror.toml", cwd=folder)[0] == 0
    assert load_config(folder / "mirror.toml").posts.paths == (folder,)
    (folder / "mirror.toml").unlink()
    (folder / ".git").mkdir()  # a repository of its own: nobody looks further up
    assert mirror("init", cwd=folder)[0] == 0


def test_init_calls_its_arguments_what_they_are(tmp_path):
    code, _, err = mirror("init", "nowhere", cwd=tmp_path)
    assert code == 2
    assert "named in PATHS" in err


@pytest.mark.parametrize(
    ("fetch", "says"),
    [
        ("http://user:planted@h/", "holds a secret"),
        ("ftp://x", "expected http://"),
        ("127.0.0.1:9000", "expected http://"),
    ],
)
def test_init_writes_nothing_that_commands_would_refuse(fetch, says, tmp_path):
    (tmp_path / "post.md").write_text(f"![]({BUCKET}a.png)")
    code, out, err = mirror("init", "--fetch", fetch, cwd=tmp_path)
    assert code == 2
    assert err.startswith("mirror: --fetch: ")
    assert "mirror.toml" not in err
    assert says in err
    assert "planted" not in out + err
    assert not (tmp_path / "mirror.toml").exists()
    assert mirror("init", "--fetch", "s3://bucket", cwd=tmp_path)[0] == 0


def test_init_says_why_a_host_is_off_and_how_it_comes_on(tmp_path):
    (tmp_path / "post.md").write_text(f"![]({BUCKET}a.png) ![](https://i.example/c.png)")
    code, out, _ = mirror("init", cwd=tmp_path)
    assert code == 0
    assert "storage of yours" in out
    assert "remove the `# `" in out
    path = tmp_path / "mirror.toml"
    text = path.read_text()
    assert "storage of yours" in text
    off = text.index("# [[source]]")
    path.write_text(
        text[:off]
        + text[off:]
        .replace("# [[source]]", "[[source]]")
        .replace("# name", "name")
        .replace("# match", "match")
    )
    assert len(load_config(path).sources) == 2


# Where each generator publishes the file that mirror writes, by its documentation.
@pytest.mark.parametrize(
    ("tree", "folder", "public_url"),
    [
        pytest.param(["_config.yml", "_posts/"], "assets/mirror", "/assets/mirror", id="Jekyll"),
        pytest.param(
            ["docs/_config.yml", "static/"], "docs/assets/mirror", "/assets/mirror", id="in docs"
        ),
        pytest.param(["_config.yml", "source/_posts/"], "source/mirror", "/mirror", id="Hexo"),
        pytest.param([".eleventy.js"], "assets/mirror", "/assets/mirror", id="Eleventy"),
        pytest.param(
            ["eleventy.config.mjs", "public/"], "assets/mirror", "/assets/mirror", id="11ty 3"
        ),
        pytest.param(
            ["pelicanconf.py", "content/"], "content/images/mirror", "/images/mirror", id="Pelican"
        ),
        pytest.param(["pelicanconf.py"], "images/mirror", "/images/mirror", id="Pelican, flat"),
        pytest.param(["conf.py=BLOG_TITLE = 'x'"], "files/mirror", "/mirror", id="Nikola"),
        pytest.param(["conf.py=project = 'x'"], "assets/mirror", "/assets/mirror", id="Sphinx"),
        pytest.param(["quartz.config.ts", "content/"], "content/mirror", "/mirror", id="Quartz"),
        pytest.param(["SUMMARY.md", "book.json"], "assets/mirror", "/assets/mirror", id="GitBook"),
        pytest.param(["book.toml", "src/SUMMARY.md"], "src/mirror", "/mirror", id="mdBook"),
        pytest.param(
            ["docs/.vuepress/"], "docs/.vuepress/public/mirror", "/mirror", id="VuePress"
        ),
        pytest.param(
            ["src/.vuepress/"], "src/.vuepress/public/mirror", "/mirror", id="VuePress in src"
        ),
        pytest.param(
            ["docs/.vitepress/", "vite.config.ts"], "docs/public/mirror", "/mirror", id="VitePress"
        ),
        pytest.param([".vitepress/", "docs/"], "public/mirror", "/mirror", id="VitePress, root"),
        pytest.param(["hugo.toml"], "static/mirror", "/mirror", id="Hugo"),
        pytest.param(["config.toml", "content/"], "static/mirror", "/mirror", id="Zola"),
        pytest.param(
            ['config/posts.json={"posts": []}', "posts/"], "images/mirror", "/images/mirror",
            id="Gridea",
        ),
        pytest.param(["gatsby-config.js"], "static/mirror", "/mirror", id="Gatsby"),
        pytest.param(
            ["website/docusaurus.config.js"], "website/static/mirror", "/mirror", id="Docusaurus"
        ),
        pytest.param(["astro.config.mjs", "docs/"], "public/mirror", "/mirror", id="Astro"),
        pytest.param(["next.config.js", "content/"], "public/mirror", "/mirror", id="Next"),
        pytest.param(["mkdocs.yml", "docs/"], "docs/mirror", "/mirror", id="MkDocs"),
        pytest.param(["zensical.toml", "docs/"], "docs/mirror", "/mirror", id="Zensical"),
        pytest.param(
            ["rspress.config.ts", "docs/"], "docs/public/mirror", "/mirror", id="Rspress"
        ),
        pytest.param(
            ["_config.yml", "_toc.yml"], "_static/mirror", "/_static/mirror", id="Jupyter Book"
        ),
        pytest.param(["_quarto.yml"], "images/mirror", "/images/mirror", id="Quarto"),
        pytest.param(
            ["bridgetown.config.yml", "src/"], "src/images/mirror", "/images/mirror",
            id="Bridgetown",
        ),
        pytest.param(
            ["config.rb=activate :blog", "source/"], "source/images/mirror", "/images/mirror",
            id="Middleman",
        ),
        pytest.param(["static/", "docs/"], "assets/mirror", "/assets/mirror", id="nobody knows"),
    ],
)  # fmt: skip
def test_init_puts_the_images_where_the_site_publishes_them(tree, folder, public_url, tmp_path):
    (tmp_path / "post.md").write_text(f"![]({BUCKET}a.png)")
    for entry in tree:
        name, _, text = entry.partition("=")
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text(text)
    out = StringIO()
    with chdir(tmp_path), redirect_stdout(out):
        init([Path("post.md")])
    (destination,) = load_config(tmp_path / "mirror.toml").destinations
    assert (destination.url, destination.public_url) == (f"file:{folder}", public_url)
    known = "CHECK" not in out.getvalue()
    assert known == ("CHECK THIS" not in (tmp_path / "mirror.toml").read_text())
    assert known == (tree != ["static/", "docs/"])


def test_init_says_when_there_is_nothing_to_mirror(tmp_path):
    (tmp_path / "post.md").write_text("no image")
    code, out, _ = mirror("init", cwd=tmp_path)
    assert code == 2
    assert "no image with a web address in 1 post" in out
    assert not (tmp_path / "mirror.toml").exists()


def test_init_among_the_posts_of_a_site_names_the_folder_of_the_site(tmp_path):
    (tmp_path / "hugo.toml").touch()
    posts = tmp_path / "content" / "posts"
    posts.mkdir(parents=True)
    (posts / "post.md").write_text(f"![]({BUCKET}a.png)")
    code, out, _ = mirror("init", cwd=posts)
    assert code == 0
    assert "CHECK the folder: it holds posts of Hugo in ../.., which may publish" in out
    code, out, _ = mirror("init", cwd=tmp_path)
    assert code == 0
    assert "CHECK the folder" not in out


def test_init_says_that_images_beside_the_posts_need_no_mirror(tmp_path):
    (tmp_path / "post.md").write_text("![](a.png) ![](C:/Users/me/b.png)")
    code, out, _ = mirror("init", cwd=tmp_path)
    assert code == 2
    assert "no image with a web address in 1 post; 2 images of local files need no mirror" in out


def test_init_reads_the_posts_of_a_generator_that_end_in_another_suffix(tmp_path):
    (tmp_path / "_quarto.yml").write_text("project:\n  type: website\n")
    (tmp_path / "post.qmd").write_text(f"![]({BUCKET}a.png)")
    assert mirror("init", cwd=tmp_path)[0] == 0
    posts = load_config(tmp_path / "mirror.toml").posts
    assert posts.include == ("**/*.md", "**/*.markdown", "**/*.mdx", "**/*.qmd")
    code, out, _ = mirror("scan", "--hosts", cwd=tmp_path)
    assert (code, BUCKET.split("/")[2] in out) == (0, True)


@pytest.mark.parametrize("other", ["no image", f"![]({BUCKET}a.png)"])
def test_init_names_a_post_that_it_cannot_read(tmp_path, other):
    (tmp_path / "bad.md").write_bytes(b"\xff\x00 ![](" + BUCKET.encode() + b"b.png)")
    (tmp_path / "post.md").write_text(other)
    code, out, _ = mirror("init", cwd=tmp_path)
    assert code == (2 if other == "no image" else 3)
    assert "bad.md:1:1: is neither UTF-8 nor GB18030" in out
    assert (tmp_path / "mirror.toml").exists() == (code == 3)


@pytest.mark.parametrize(("own", "is_named"), [(1, True), (3, False)])
def test_init_names_a_host_of_more_images_than_its_choice_has(tmp_path, own, is_named):
    mine = "".join(f"![]({BUCKET}{number}.png)" for number in range(own))
    others = "".join(f"![](https://img.example/{number}.png)" for number in range(2))
    (tmp_path / "post.md").write_text(mine + others)
    code, out, _ = mirror("init", cwd=tmp_path)
    assert code == 0
    assert ("CHECK [[source]]: most images are on img.example" in out) is is_named
