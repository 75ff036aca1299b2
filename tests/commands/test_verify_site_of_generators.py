"""`verify --site` and `leftovers --site` on what real generators build.

Each test is skipped where its generator is not installed.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import generators
from support.commands import BUCKET, CommandResult, picture, run
from support.generators import build, command
from support.sites import Blog

HOME = "https://me.example/blog/"
POST = f"""# Title

![one]({BUCKET}a.png)

<img alt="two" src="{BUCKET}b.png">

![local](local.png)
"""


@pytest.fixture
def written(blog: Blog) -> Blog:
    """Two images of the source, and a mirror of them at an address of its own."""
    text = (blog.root / "mirror.toml").read_text(encoding="utf-8")
    text = text.replace('["posts"]', '["content"]')
    text = text.replace('public_url = "/images"', 'public_url = "https://img.example/blog"')
    (blog.root / "mirror.toml").write_text(text, encoding="utf-8")
    for seed, name in enumerate(("a.png", "b.png")):
        blog.host.put(name, picture(seed))
    return blog


def write(blog: Blog, name: str, text: str | bytes) -> None:
    generators.write(blog.root, {name: text})


def mkdocs(blog: Blog) -> tuple[str, list[str]]:
    write(blog, "mkdocs.yml", f"site_name: x\nsite_url: {HOME}\ndocs_dir: content\n")
    write(blog, "content/index.md", "# Home\n")
    write(blog, "content/a/post.md", POST)
    write(blog, "content/a/local.png", picture(9))
    program = command("mkdocs", "mkdocs")
    return "site", [*program, "build", "-q"]


def zensical(blog: Blog) -> tuple[str, list[str]]:
    write(
        blog,
        "zensical.toml",
        f'[project]\nsite_name = "x"\nsite_url = "{HOME}"\ndocs_dir = "content"\n',
    )
    write(blog, "content/index.md", "# Home\n")
    write(blog, "content/a/post.md", POST)
    write(blog, "content/a/local.png", picture(9))
    return "site", [*command("zensical", "zensical"), "build"]


def honkit(blog: Blog) -> tuple[str, list[str]]:
    write(blog, "book.json", '{"root": "content"}')
    write(blog, "content/README.md", "# Home\n")
    write(blog, "content/SUMMARY.md", "* [a](a/post.md)\n")
    write(blog, "content/a/post.md", POST)
    write(blog, "content/a/local.png", picture(9))
    return "_book", [*command("honkit"), "build"]


def hugo(blog: Blog) -> tuple[str, list[str]]:
    write(blog, "config.toml", f'baseURL = "{HOME}"\n[markup.goldmark.renderer]\nunsafe = true\n')
    write(blog, "content/a/index.md", "---\ntitle: x\n---\n" + POST)
    write(blog, "content/a/local.png", picture(9))
    write(blog, "layouts/_default/single.html", "<html><body>{{ .Content }}</body></html>")
    write(blog, "layouts/_default/list.html", "<html>{{ range .Pages }}{{ .Title }}{{ end }}")
    return "public", [*command("hugo"), "--quiet"]


def pelican(blog: Blog) -> tuple[str, list[str]]:
    write(
        blog,
        "pelicanconf.py",
        f"SITEURL = {HOME[:-1]!r}\nPATH = 'content'\nSTATIC_PATHS = ['a']\nARTICLE_PATHS = ['a']\n"
        "SITENAME = 'x'\nTIMEZONE = 'UTC'\nAUTHOR = 'me'\nFEED_ALL_ATOM = None\n",
    )
    text = POST.removeprefix("# Title\n").replace("(local.png)", "({static}/a/local.png)")
    write(blog, "content/a/post.md", f"Title: x\nDate: 2024-01-01\n\n{text}")
    write(blog, "content/a/local.png", picture(9))
    pytest.importorskip("markdown")
    return "output", [*command("pelican", "pelican"), "-q"]


def sphinx(blog: Blog) -> tuple[str, list[str]]:
    pytest.importorskip("myst_parser")
    write(blog, "content/conf.py", "project = 'x'\nextensions = ['myst_parser']\n")
    write(blog, "content/index.md", POST)
    write(blog, "content/local.png", picture(9))
    program = command("sphinx", "sphinx")
    return "built", [*program, "-q", "-b", "html", "content", "built"]


def eleventy(blog: Blog) -> tuple[str, list[str]]:
    write(
        blog,
        "eleventy.config.js",
        "module.exports = c => { c.addPassthroughCopy('content/a/*.png');\n"
        "return { dir: { input: 'content' }, pathPrefix: '/blog/' } }",
    )
    write(blog, "content/a/index.md", POST)
    write(blog, "content/a/local.png", picture(9))
    return "_site", [*command("eleventy"), "--quiet"]


def hexo(blog: Blog) -> tuple[str, list[str]]:
    write(blog, "_config.yml", f"url: {HOME}\nroot: /blog/\nsource_dir: content\ntheme: false\n")
    write(
        blog,
        "package.json",
        '{"hexo": {"version": "7"}, "dependencies": {"hexo-renderer-marked": "*"}}',
    )
    text = POST.replace("(local.png)", "(/local.png)")  # it puts the root in front
    write(blog, "content/_posts/post.md", f"---\ntitle: x\nlayout: false\n---\n{text}")
    write(blog, "content/local.png", picture(9))
    write(blog, "scaffolds/post.md", "")
    generators.link_packages(blog.root)
    return "public", [*command("hexo"), "generate", "--silent"]


GENERATORS = [mkdocs, zensical, honkit, hugo, pelican, sphinx, eleventy, hexo]


def check(blog: Blog, site: str) -> CommandResult:
    return run(blog, "verify", "--posts", "--site", site)


@pytest.mark.parametrize("prepare", GENERATORS)
def test_a_site_is_checked_as_it_is_built(
    written: Blog, prepare: Callable[[Blog], tuple[str, list[str]]]
) -> None:
    site, program = prepare(written)
    assert not written.sync().findings
    build(written.root, *program)
    before = check(written, site)
    assert before.code == 1
    assert before.out.count("[M601]") >= 2, before.out
    assert "local.png" not in before.out, before.out

    ran = run(written, "leftovers", "--site", site)
    assert ran.code == 1
    assert ran.out.count("[site]") >= 2, ran.out
    assert ran.out.count("[rewrite]") == 2

    assert not written.rewrite().findings
    build(written.root, *program)
    after = check(written, site)
    assert after.code == 0, after.out
    assert after.out.endswith(": all agree\n")
    assert run(written, "leftovers", "--site", site).code == 0

    (local,) = [path for path in (written.root / site).rglob("*.png") if "local" in path.name]
    local.unlink()
    broken = check(written, site)
    assert broken.code == 1
    assert "[M603]" in broken.out
