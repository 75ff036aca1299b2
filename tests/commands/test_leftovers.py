"""`mirror leftovers`: every place that still names a source, and why."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from support.commands import BUCKET, filled, make_unreadable, run
from support.growth import assert_linear
from support.sites import Blog

from mirror.pages import MentionFinder

A, B = f"{BUCKET}a.png", f"{BUCKET}b.png"
MOVES = "is mirrored; `mirror rewrite` moves it, or says why not"
LOST = "is not mirrored and not asked for: if it still exists, it is lost when the source goes"


def whys(blog: Blog, *arguments: str | Path) -> dict[str, str]:
    """`{place: why}` of everything that the command lists; it names each place once."""
    ran = run(blog, "leftovers", *arguments, "--json")
    places = [place for place in ran.events if place["type"] == "leftover"]
    named = {f"{place['file']}:{place['line']}:{place['column']}": place["why"] for place in places}
    assert len(named) == len(places)
    assert ran.summary["leftovers"] == len(places)
    assert ran.summary["breaking"] == sum(place["breaks"] for place in places)
    assert ran.code == ran.summary["exit_code"] == (1 if ran.summary["breaking"] else 0)
    return named


def add(blog: Blog, name: str, text: str | bytes) -> Path:
    path = blog.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# --- Posts ------------------------------------------------------------------------------------


def test_a_site_that_is_mirrored_and_rewritten_needs_no_source(blog: Blog) -> None:
    filled(blog, "a.png", "b.png")
    assert not blog.rewrite().findings
    ran = run(blog, "leftovers")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "no post or file needs the source any more: nothing names it. "
        "`--site DIR` reads the built pages too\n"
    )


def test_the_verdict_on_a_part_speaks_of_that_part(blog: Blog) -> None:
    filled(blog, "a.png")
    clean = blog.write("clean.md", "text\n")
    ran = run(blog, "leftovers", clean)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "no post or file below the given paths needs the source any more: nothing there names it. "
        "Without paths, the whole site is read\n"
    )


def test_before_a_rewrite_every_image_is_listed_with_its_place(blog: Blog) -> None:
    filled(blog, "a.png", "b.png")
    assert whys(blog) == {"posts/post.md:1:6": "rewrite", "posts/post.md:3:6": "rewrite"}
    ran = run(blog, "leftovers")
    assert f"posts/post.md:1:6 {A}: {MOVES} [rewrite]" in ran.out
    assert ran.out.endswith("2 places would break without the source: 2 rewrite\n")


def test_json_is_what_the_contract_says(blog: Blog) -> None:
    filled(blog, "a.png")
    first, last = run(blog, "leftovers", "--json").events
    assert first == {
        "type": "leftover",
        "file": "posts/post.md",
        "line": 1,
        "column": 6,
        "url": A,
        "why": "rewrite",
        "breaks": True,
    }
    assert last["type"] == "summary"
    assert (last["leftovers"], last["breaking"], last["exit_code"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("![](U)", "rewrite"),
        ("[x](U)", "rewrite"),
        ("---\ncover: U\n---\n", "rewrite"),
        ("![](Ux)", "not-mirrored"),
        ("[paper](BUCKET/paper.pdf)", "not-mirrored"),
        ("<U>", "text"),
        ("see U", "text"),
        ("see BUCKET/paper.pdf", "text"),
        ("`U`", "code"),
        ("    curl BUCKET/paper", "code"),
        ("```\ncurl 'BUCKET/paper'\n```", "code"),
        ("```diff\n+U\n```", "code"),
        ("```\npip install git+BUCKET/paper\n```", "code"),
        ("<!-- U -->", "code"),
        ("<!-- BUCKET/paper -->", "code"),
        ('<div data-foo="BUCKET/a"></div>', "unknown-form"),
        ('<script>show("U")</script>', "unknown-form"),
        ("<script>\nshow('BUCKET/paper')\n</script>", "unknown-form"),
        ("<style>\na { background: url(U) }\n</style>", "unknown-form"),
        ("```\n<script>show('U')</script>\n```", "code"),
        ('<iframe src="BUCKET/player.html"></iframe>', "unknown-form"),
        ("<iframe srcdoc='<img src=U>'></iframe>", "unknown-form"),
        ("<pre><img src='U'></pre>", "unknown-form"),
        ("text <code><a href='BUCKET/paper'>x</a></code>", "unknown-form"),
        ("<template><img src='U'></template>", "unknown-form"),
        ("<pre style='background: url(U)'></pre>", "rewrite"),
        ("<pre>&lt;img src='U'></pre>", "code"),
        ("<pre>![](U)</pre>", "code"),
        ("<textarea><img src='U'></textarea>", "code"),
        ("```\n<pre><img src='U'></pre>\n```", "code"),
        ("- <textarea>\n\n<!-- </textarea><img src='U'> -->", "unknown-form"),
        ("> <script\n\n<textarea></script><img src='U'></textarea>", "unknown-form"),
        ("- <div title='\n\n<b class='> <img src=U>'>", "unknown-form"),
        ("- <textarea>\n\n<!-- <img src='U'> -->", "code"),
        ("<xmp>\n\n<div title=\"</xmp><img src='U'>", "unknown-form"),
        ("text <pre>![](U)text</pre>", "unknown-form"),
        ("<pre></script>\n![](U)\n</pre>", "unknown-form"),
        ("<svg><title><img src='U'></title></svg>", "unknown-form"),
        ("<!DOCTYPE x ![](U)>", "unknown-form"),
        ("<?php show('U') ?>", "unknown-form"),
        ("<!-- //probe.invalid/7.png U -->", "code"),
        ("<img src='//probe.invalid/999.png'> `U`", "code"),
        ("---\ndescription: see U here\n---\n", "text"),
        ("---\ntitle: [x\ncover: U\n---\n", "rewrite"),
        ("图：<img alt='图' src=U>", "rewrite"),
    ],
)
def test_each_place_in_a_post_has_its_reason(blog: Blog, text: str, why: str) -> None:
    filled(blog, "a.png")
    (blog.root / "posts" / "post.md").unlink()
    blog.write("p.md", re.sub(r"\bU", A, text))
    reasons = whys(blog)
    assert list(reasons.values()) == [why]
    (place,) = reasons
    line, column = map(int, place.split(":")[1:])
    read = blog.read("p.md").split("\n")[line - 1][column - 1 :]
    assert read.startswith(BUCKET)


def test_one_long_line_takes_time_in_proportion(blog: Blog) -> None:
    def run(count: int) -> None:
        blog.write("p.md", f"![]({A}) `{A}` " * count)
        add(blog, "long.json", f'"{A}",' * 4 * count)
        reasons = list(whys(blog).values())
        assert reasons == ["not-mirrored", "code"] * count + ["other-file"] * 4 * count

    assert_linear(run, 250)


def test_only_text_and_code_break_nothing(blog: Blog) -> None:
    filled(blog, "a.png")
    blog.write("post.md", f"see <{A}>\n\n`{A}`\n")
    ran = run(blog, "leftovers")
    assert ran.code == 0
    assert ran.out.endswith(
        "no post or file needs the source any more; 2 places still name it, and no picture is lost "
        "there. `--site DIR` reads the built pages too\n"
    )


def test_a_block_that_is_drawn_and_a_picture_behind_another_host_break_a_page(blog: Blog) -> None:
    filled(blog, "a.png")
    host = BUCKET.partition("//")[2]
    blog.write(
        "post.md",
        f'```mermaid\nA@{{ img: "{A}" }}\n```\n\n::: cardList\n```yaml\n- img: {A}\n```\n:::\n\n'
        f"![](https://images.example/?url={host}a.png&w=9)\n\n![](https://i0.wp.com/{host}a.png)\n",
    )
    ran = run(blog, "leftovers")
    assert ran.code == 1
    assert list(whys(blog).values()) == ["unknown-form", "unknown-form", "proxied", "proxied"]
    assert "another host asks the source for it" in ran.out


@pytest.mark.parametrize(
    "text",
    [
        "```timeline\nU\n```",
        "```{r}\nplot('U')\n```",
        "```html preview\n<img src='U'>\n```",
        "::: gallery\nU\n:::",
        "{{< gallery >}}\nU\n{{< /gallery >}}",
        "@startuml\nnode '<img:U>'\n@enduml",
        "<mind-map>\n- U\n</mind-map>",
        '<pre class="mermaid">\nU\n</pre>',
        '<!-- .slide: data-background="U" -->',
    ],
)
def test_what_a_plugin_may_draw_is_no_text_and_no_code(blog: Blog, text: str) -> None:
    blog.write("post.md", text.replace("U", A) + "\n")
    assert list(whys(blog).values()) == ["unknown-form"]


def test_code_in_a_known_language_breaks_nothing(blog: Blog) -> None:
    blog.write("post.md", f"```js\nshow('{A}')\n```\n\n```\n{A}\n```\n\n```text\n{A}\n```\n")
    assert list(whys(blog).values()) == ["code"] * 3


def test_an_image_that_is_known_to_be_gone_breaks_nothing(blog: Blog) -> None:
    blog.configure(more=f'[[ignore]]\nurl = "{B}"\nreason = "deleted"\n')
    blog.write("old.md", f"![]({B})\n")
    filled(blog, "a.png")
    assert not blog.rewrite().findings
    (place,) = [event for event in run(blog, "leftovers", "--json").events if "why" in event]
    assert (place["why"], place["breaks"]) == ("not-mirrored", False)
    ran = run(blog, "leftovers")
    assert f"{B}: is under [[ignore]], so mirror does not ask whether it still exists" in ran.out
    assert "no image that mirror is asked to keep needs the source any more. `--site" in ran.out
    assert ran.out.endswith(f"1 image under [[ignore]] {LOST}\n")


def test_an_ignored_image_that_may_live_is_named_by_each_last_word(blog: Blog) -> None:
    filled(blog, "a.png")
    assert not blog.rewrite().findings
    blog.configure(more=f'[[ignore]]\nurl = "{BUCKET}b*.png"\n')
    blog.write("old.md", f"![]({B})\n\n<img src='{B}'>\n\n`{BUCKET}b1.png`\n")
    add(blog, "public/index.html", f"<img src={B}><img src={BUCKET}b2.png>")
    for *command, names in (
        ("sync", "1 image"),
        ("sync", "--dry-run", "1 image"),
        ("rewrite", "1 image"),
        ("verify", "--posts", "1 image"),
        ("verify", "--site", "public", "2 images"),
        ("verify", "--posts", "--site", "public", "2 images"),
        ("leftovers", "--site", "public", "2 images"),
    ):
        ran = run(blog, *command)
        assert f"{names} under [[ignore]]" in ran.out
        assert ran.code == 0
        assert "all agree" not in ran.out
        assert "lost when the source goes" in ran.out.splitlines()[-1 - (command == ["sync"])]


def test_a_link_to_a_page_is_not_said_to_be_an_image_that_sync_explains(blog: Blog) -> None:
    blog.write("post.md", f"[page]({BUCKET}help/) [film]({BUCKET}a.mp4) [image]({A})\n")
    out = run(blog, "leftovers").out
    link = "is a link to a page or file that mirror does not keep; change it by hand [not-mirrored]"
    assert f"{BUCKET}help/: {link}" in out
    assert f"{BUCKET}a.mp4: {link}" in out
    assert f"{A}: is not mirrored, or waits for `mirror accept`; `mirror sync` says why" in out
    assert out.endswith(": 3 not-mirrored; 2 of them are links to what mirror does not keep\n")
    blog.write("post.md", f"[page]({BUCKET}help/)\n")
    assert run(blog, "leftovers").out.endswith(
        "; all are links to what mirror does not keep: no page would lose a picture\n"
    )


def test_many_links_to_pages_of_one_host_do_not_bury_the_pictures(blog: Blog) -> None:
    pages = [f"[page]({BUCKET}help/{n})\n\n" for n in range(12)]
    blog.write("post.md", "".join([*pages, f"[image]({A})\n"]))
    lines = run(blog, "leftovers").out.splitlines()
    assert len(lines) == 4
    host = BUCKET.split("/")[2]
    assert f"{BUCKET}help/0: is a link to a page or file" in lines[0]
    assert lines[0].endswith(f"[not-mirrored]; and 11 more so of {host}")
    assert A in lines[1]
    assert lines[2] == "  12 places are summed up above; --verbose lists all"
    assert len(run(blog, "leftovers", "--verbose").out.splitlines()) == 14
    assert len(whys(blog)) == 13
    links = "".join(f"<a href={BUCKET}help/{n}>page</a>" for n in range(12))
    add(blog, "public/index.html", f"{links}<img src={A}>")
    lines = run(blog, "leftovers", "--site", "public").out.splitlines()
    assert len(lines) == 6
    assert f"[site]; and 11 more so of {host}" in lines[2]
    add(blog, "public/index.html", f"<script src={BUCKET}a.js></script>\n" * 12)
    lines = run(blog, "leftovers", "--site", "public").out.splitlines()
    assert len(lines) == 5
    assert lines[2].endswith(f"[site]; and 11 more so of {BUCKET}a.js")
    blog.write("post.md", "".join([*pages[:9], f"[image]({A})\n"]))
    assert len(run(blog, "leftovers", blog.root / "posts").out.splitlines()) == 11


def test_a_link_to_a_picture_without_a_suffix_is_no_link_to_a_page(blog: Blog) -> None:
    filled(blog, "a")
    add(blog, "public/index.html", f"<a href={BUCKET}a>large</a><a href={BUCKET}b>page</a>")
    out = run(blog, "leftovers", "--site", "public").out
    assert f"{BUCKET}a: a built page asks for it" in out
    assert f"{BUCKET}b: is a link to a page or file that mirror does not keep" in out


def test_a_link_in_a_markdown_file_that_is_no_post_is_told_from_a_picture(blog: Blog) -> None:
    blog.write("post.md", "text\n")
    add(blog, "README.md", f"[page]({BUCKET}help/) ![]({A}) [large]({B}) {BUCKET}bare\n")
    out = run(blog, "leftovers").out
    assert f"{BUCKET}help/: is a link to a page or file that mirror does not keep" in out
    assert out.count("stands in a Markdown file that is no post") == 3
    assert out.endswith("4 other-file; 1 of them is a link to what mirror does not keep\n")


def test_a_link_to_a_page_of_the_site_itself_breaks_nothing(blog: Blog) -> None:
    add(blog, "hugo.toml", f'baseURL = "{BUCKET}blog/"\ncontentDir = "posts"\n')
    blog.write("post.md", f"[post]({BUCKET}blog/post/) [home]({BUCKET}blog)\n")
    add(blog, "public/index.html", f'<a href="{BUCKET}blog/post/">post</a>')
    ran = run(blog, "leftovers", "--site", "public")
    assert f"{BUCKET}blog/post/: leads to the site itself, and to no picture [not-m" in ran.out
    assert (ran.code, ran.out.count("leads to the site itself")) == (0, 4)
    blog.write("post.md", f"[other]({BUCKET}blogs/) [picture]({BUCKET}blog/a.png)\n")
    add(blog, "public/index.html", f'<img src="{BUCKET}blog/a.png">')
    add(blog, "layouts/a.html", f"{BUCKET}blog/images/{{{{ .name }}}}.png")
    ran = run(blog, "leftovers", "--site", "public", "--json")
    assert (ran.code, ran.summary["breaking"], ran.summary["leftovers"]) == (1, 4, 5)


def test_a_picture_without_a_suffix_that_a_page_shows_is_no_page_of_the_site_itself(
    blog: Blog,
) -> None:
    add(blog, "hugo.toml", f'baseURL = "{BUCKET}blog/"\ncontentDir = "posts"\n')
    blog.write("post.md", "text\n")
    page = "<img src=U/api?id=2><video poster=U/b></video><p style='background:url(U/c)'>"
    links = "<link rel=canonical href=U/><a href=U/post>post</a><script src=U/d.js></script>"
    add(blog, "public/index.html", (page + links).replace("U", f"{BUCKET}blog"))
    ran = run(blog, "leftovers", "--site", "public", "--json")
    broken = [e["url"] for e in ran.events if e["type"] == "leftover" and e["breaks"]]
    assert (ran.code, broken) == (1, [f"{BUCKET}blog/{name}" for name in ("api?id=2", "b", "c")])
    add(blog, "public/index.html", links.replace("U", f"{BUCKET}blog"))
    assert run(blog, "leftovers", "--site", "public").code == 0


def test_a_file_that_the_generator_writes_from_the_posts_is_not_to_be_changed_by_hand(
    blog: Blog,
) -> None:
    blog.write("post.md", "text\n")
    add(blog, "config/posts.json", json.dumps({"posts": [{"content": f"![]({A})"}]}))
    assert f"{A}: stands in a file that the generator writes" in run(blog, "leftovers").out
    assert whys(blog) == {"config/posts.json:1:29": "other-file"}
    add(blog, "config/posts.json", json.dumps({"posts": [f"![]({A})"] * 12}))
    assert "; and 11 more so of config/posts.json\n" in run(blog, "leftovers").out


def test_an_ignored_image_that_is_mirrored_is_not_called_lost(blog: Blog) -> None:
    filled(blog, "a.png")
    blog.configure(more=f'[[ignore]]\nurl = "{A}"\n')
    assert whys(blog) == {"posts/post.md:1:6": "rewrite"}
    for command in (("sync",), ("verify", "--posts"), ("leftovers",)):
        assert "[[ignore]]" not in run(blog, *command).out
    assert "1 image of your sources stays" in run(blog, "verify", "--posts").out


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_places_are_right_in_every_encoding(blog: Blog, encoding: str) -> None:
    text = f"图片 ![图]({A})\r\n图 `{B}`\r\n"
    blog.write("p.md", text.encode(encoding))
    assert whys(blog) == {"posts/p.md:1:9": "not-mirrored", "posts/p.md:2:4": "code"}


def test_a_mirrored_url_is_no_source_where_both_share_a_domain(blog: Blog) -> None:
    text = (blog.root / "mirror.toml").read_text()
    public = f"{BUCKET}mirror"
    (blog.root / "mirror.toml").write_text(text.replace('"/images"', f'"{public}"'))
    filled(blog, "a.png")
    assert not blog.rewrite().findings
    assert public in blog.read("post.md")
    assert whys(blog) == {}


def test_secrets_are_cut(blog: Blog) -> None:
    add(blog, "data/a.yml", f"x: {A}?Signature=s3cr3t&OSSAccessKeyId=1&Expires=2\n")
    blog.write("p.md", f"`{A}?Signature=s3cr3t&OSSAccessKeyId=1&Expires=2`\n")
    for arguments in ([], ["--json"]):
        ran = run(blog, "leftovers", *arguments)
        assert ran.out.count(A) == 2
        assert "s3cr3t" not in ran.out + ran.err


def test_what_is_no_fence_to_the_sites_generator_is_no_code(blog: Blog) -> None:
    filled(blog, "a.png")
    assert not blog.rewrite().findings
    blog.write("b.md", f"<details>\n\n  ```html\n  <img src='{A}'>\n  ```\n\n</details>\n")
    assert whys(blog) == {"posts/b.md:4:13": "code"}
    add(blog, "mkdocs.yml", "docs_dir: posts\nmarkdown_extensions: [pymdownx.superfences]\n")
    assert whys(blog) == {"posts/b.md:4:13": "code"}
    add(blog, "mkdocs.yml", "docs_dir: posts\n")
    assert whys(blog) == {"posts/b.md:4:13": "unknown-form"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docusaurus.config.ts", "x = { themeConfig: { navbar: { logo: { src: 'URL' } } } }"),
        (".vitepress/config.mts", "define({ head: [['link', { rel: 'icon', href: 'URL' }]] })"),
        ("astro.config.mjs", "const CDN = `URL`; define({ image: { domains: [CDN] } })"),
        ("mkdocs.yml", "theme: {logo: 'URL'}\nextra_css:\n- URL\n"),
        ("hugo.yaml", "params:\n  images:\n  - URL\n"),
        ("_config.yml", "og_image: URL"),
        ("config/_default/params.toml", 'favicon = "URL"'),
        ("conf.py", "html_logo = 'URL'"),
        ("_quarto.yml", "website:\n  favicon: URL\n"),
        ("book.toml", "[output.html]\nadditional-css = ['URL']"),
        ("next.config.mjs", "export default { images: { remotePatterns: [new URL('URL')] } }"),
        ("eleventy.config.js", "c.addGlobalData('logo', 'URL')"),
    ],
)
def test_a_picture_in_a_configuration_is_named(blog: Blog, name: str, text: str) -> None:
    filled(blog, "a.png")
    assert not blog.rewrite().findings
    add(blog, name, text.replace("new URL(", "new Url(").replace("URL", A))
    places = whys(blog)
    assert {place.partition(":")[0] for place in places} == {name}
    assert set(places.values()) == {"other-file"}


# --- Other files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data/links.yml", "- x\n- U\n"),
        ("layouts/partials/head.html", '\n\n<link rel="icon" href="U">'),
        ("themes/mine/layouts/index.html", "<img src=U>"),
        ("assets/app.js", 'const a = "U";'),
        ("notes/a.ipynb", json.dumps({"source": [f"![]({A})"]}).replace("/", "\\/")),
        ("README.md", "![](U)"),
        (".vitepress/config.ts", "logo: 'U'"),
        ("_config.yml", "avatar: U"),
        ("a file without a suffix", "U"),
        ("utf16.txt", f"U{A}".encode("utf-16")),
        ("damaged.csv", b"\xff\xfe1"[1:] + A.encode()),
        ("static/a.svg", f"<svg><image href='{A}'/></svg>"),
        ("public/index2.html", "<img src=U>"),
    ],
)
def test_a_source_named_in_any_other_file_is_found(
    blog: Blog, name: str, text: str | bytes
) -> None:
    blog.write("p.md", "nothing\n")
    add(blog, name, text.replace("U", A) if isinstance(text, str) else text)
    ((place, why),) = whys(blog).items()
    assert place.startswith(f"{name}:")
    assert why == "other-file"


@pytest.mark.parametrize(
    "name",
    [
        ".git/config",
        "node_modules/a/index.js",
        "env/lib/a.py",
        "vendor/bundle/gems/a.rb",
        ".mirror/last.json",
        "manifests/images-old.jsonl",
        "archive/x.txt",
        "static/images/a.svg",
        "public/index.html",
        "_site/a/b.html",
        "mirror-report.html",
        "other/mirror.toml",
        "other/.mirror/journal.jsonl",
        "binary.bin",
    ],
)
def test_what_the_author_did_not_write_is_left_out(blog: Blog, name: str) -> None:
    blog.write("p.md", "nothing\n")
    add(blog, "env/pyvenv.cfg", "")
    add(blog, "_site/index.html", "")
    add(blog, name, ("\0" if name == "binary.bin" else "") + A)
    assert whys(blog) == {}


@pytest.mark.parametrize(
    ("name", "settings", "variable"),
    [
        ("_config.yml", "cdn:\n  img: U\nurl: https://blog.example\n", "{{ site.cdn.img }}"),
        ("hugo.toml", "[params]\nimg = 'U'\n", '{{< param "img" >}}'),
    ],
)
def test_an_address_that_begins_with_a_setting_is_named_where_a_post_shows_it(
    blog: Blog, name: str, settings: str, variable: str
) -> None:
    add(blog, name, settings.replace("U", BUCKET[:-1]))
    blog.write(
        "p.md", f"![]({variable}/a.png)\n\n<img src='{variable}/图 b.png'>\n\n`{variable}/c`\n"
    )
    blog.write("q.md", "{{ site.url }}/a.png {{ site.other }}/a.png {{ site.cdn }}\n")
    named = whys(blog)
    assert {place: why for place, why in named.items() if place.startswith("posts/")} == {
        "posts/p.md:1:5": "unknown-form",
        "posts/p.md:3:11": "unknown-form",
        "posts/p.md:5:2": "code",
    }
    assert f"posts/p.md:1:5 {A}: stands where" in run(blog, "leftovers").out


def test_a_folder_that_only_may_be_the_built_site_is_named(blog: Blog) -> None:
    blog.write("p.md", "nothing\n")
    add(blog, "public/index.html", f"<img src={A}>")  # a template to Vue CLI
    ran = run(blog, "leftovers")
    assert "public: has an index.html, so it was taken for the built site and not read" in ran.out
    assert (ran.code, "[M119]" in ran.out) == (0, True)
    ran = run(blog, "leftovers", "--site", "public")
    assert (ran.code, "[M119]" in ran.out) == (1, False)
    add(blog, "hugo.toml", "")
    assert "[M119]" not in run(blog, "leftovers").out


def test_what_hexo_remembers_of_posts_is_left_out_and_other_data_of_that_name_is_not(
    blog: Blog,
) -> None:
    filled(blog, "a.png")
    assert not blog.rewrite().findings
    add(
        blog,
        "db.json",
        f'{{"meta":{{"version":1,"warehouse":"4.0.2"}},"models":{{"Post":["{A}"]}}}}',
    )
    assert whys(blog) == {}
    add(blog, "data/db.json", f'{{"cover":"{A}"}}')
    assert whys(blog) == {"data/db.json:1:11": "other-file"}


def test_the_configuration_of_the_generator_says_what_is_built(blog: Blog) -> None:
    blog.write("p.md", "nothing\n")
    add(blog, "hugo.toml", 'publishDir = "built"\n')
    add(blog, "built/a.html", A)
    add(blog, "public/index.html", A)  # to Hugo, this is any folder now
    assert whys(blog) == {"public/index.html:1:1": "other-file"}


def test_a_manifest_in_the_folder_of_the_site_hides_nothing_else(blog: Blog) -> None:
    blog.configure(more='[manifest]\npath = "."\n')
    filled(blog, "a.png")
    assert not blog.rewrite().findings
    assert (blog.root / "images.jsonl").exists()
    add(blog, "data.json", A)
    assert whys(blog) == {"data.json:1:1": "other-file"}


def test_links_are_not_followed_and_pipes_not_opened(blog: Blog, tmp_path: Path) -> None:
    blog.write("p.md", "nothing\n")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(A)
    (blog.root / "link").symlink_to(outside)
    (blog.root / "link.txt").symlink_to(outside / "secret.txt")
    (blog.root / "loop").symlink_to(blog.root)
    os.mkfifo(blog.root / "pipe")
    assert whys(blog) == {}


def test_what_cannot_be_read_among_the_posts_is_named_once(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mirror.posts", "mirror.pipeline.text_files"):
        monkeypatch.setattr(f"{name}.MAX_POST_BYTES", 10_000)
    blog.write("p.md", "nothing\n")
    blog.write("large.md", f"{A}\n" * 1000)
    blog.write("closed/p.md", f"![]({A})\n")
    blog.write("latin.md", "caf\xe9".encode("latin-1"))
    make_unreadable(monkeypatch, blog.root / "posts/closed")
    ran = run(blog, "leftovers", "--json")
    found = [(event["subject"], event["rule"]) for event in ran.events if "rule" in event]
    names = ("posts/closed/", "posts/large.md", "posts/latin.md")
    assert (ran.code, sorted(found)) == (3, [(name, "M101") for name in names])
    assert "Permission denied; let this user read it" in ran.out
    assert "save it as UTF-8" in ran.out


def test_a_file_that_cannot_be_read_is_named(blog: Blog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.pipeline.text_files.MAX_POST_BYTES", 10_000)
    blog.write("p.md", "nothing\n")
    add(blog, "large.sql", f"{A}\n" * 1000)
    ran = run(blog, "leftovers")
    assert ran.code == 3
    assert "? large.sql: was not read: it has more than 0 MiB [M114]" in ran.out
    assert ran.out.endswith("but not all could be read\n")


def test_a_post_that_changes_meanwhile_is_named(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = blog.write("p.md", f"![]({A})\n")
    find = MentionFinder.__init__

    def find_later(self: MentionFinder, *arguments: Any) -> None:
        path.write_text("other")
        find(self, *arguments)

    monkeypatch.setattr(MentionFinder, "__init__", find_later)
    ran = run(blog, "leftovers")
    assert ran.code == 3
    message = "was changed by someone else meanwhile and was left as it is; run again [M102]"
    assert f"p.md: {message}" in ran.out


def test_paths_limit_what_is_read(blog: Blog) -> None:
    blog.write("a/p.md", f"![]({A})\n")
    blog.write("b/p.md", f"![]({A})\n")
    add(blog, "data/links.yml", A)
    assert whys(blog, "posts/a") == {"posts/a/p.md:1:5": "not-mirrored"}
    assert whys(blog, "data") == {"data/links.yml:1:1": "other-file"}
    assert whys(blog, "data/links.yml") == {"data/links.yml:1:1": "other-file"}
    assert whys(blog, "posts/b/p.md") == {"posts/b/p.md:1:5": "not-mirrored"}
    assert run(blog, "leftovers", "nowhere").code == 2


def test_posts_outside_the_folder_are_read_with_what_is_beside_them(blog: Blog) -> None:
    site = blog.root / "site"
    site.mkdir()
    text = (blog.root / "mirror.toml").read_text().replace('["posts"]', '["../posts"]')
    (site / "mirror.toml").write_text(text)
    blog.write("p.md", f"![]({A})\n")
    blog.write("p.yml", A)
    ran = run(blog, "--config", "site/mirror.toml", "leftovers", "--json")
    files = {event["file"]: event["why"] for event in ran.events[:-1]}
    assert files == {"../posts/p.md": "not-mirrored", "../posts/p.yml": "other-file"}


def test_a_name_from_the_tree_cannot_write_to_the_terminal(blog: Blog) -> None:
    blog.write("p.md", "nothing\n")
    add(blog, "a\x1b[31m\n.txt", A)
    out = run(blog, "leftovers").out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


# --- The built site ---------------------------------------------------------------------------


def test_the_built_site_is_read_as_a_browser_would(blog: Blog) -> None:
    filled(blog, "a.png")
    assert not blog.rewrite().findings
    add(
        blog,
        "public/index.html",
        f"<title>x</title>\n<img src='{A}'>\n<pre>{A}</pre>\n<p>{A}</p>\n<!-- {A} -->\n"
        f"<a href='{A}'>{A}</a>\n<script>load('{A}')</script>\n",
    )
    add(blog, "public/style.css", f"a {{ background: url({A}) }}")
    add(blog, "public/search.json", json.dumps({"image": A, "text": f"see {A}"}))
    assert whys(blog, "--site", "public") == {
        "public/index.html:2:11": "site",
        "public/index.html:3:6": "code",
        "public/index.html:4:4": "text",
        "public/index.html:5:6": "code",
        "public/index.html:6:10": "text",
        f"public/index.html:6:{12 + len(A)}": "text",
        "public/index.html:7:15": "site",
        "public/search.json:1:12": "site",
        f"public/search.json:1:{28 + len(A)}": "text",
        "public/style.css:1:21": "site",
    }


@pytest.mark.parametrize(
    "text",
    [
        "<img src='https:\\\\HOST/a.png'>",
        "<img src='https:/HOST/a.png'>",
        "<img src='https://HO\tST/a.png'>",
        "<img src='https://HO\nST/a.png'>",
        "<img src='https://nobody@HOST/a.png'>",
        "<img src='https://FULL/a.png'>",
        "<img src='https://HO%2eST/a.png'>",
        "<p style='background: url(https\\3a //HOST/a.png)'>",
        "<base href='https://HOST/'><img src=a.png>",
    ],
)
def test_a_page_that_spells_an_address_as_only_browsers_read_it_needs_the_source(
    blog: Blog, text: str
) -> None:
    filled(blog, "a.png")
    run(blog, "rewrite")
    host = BUCKET.split("/")[2]
    first, _, rest = host.partition(".")
    full = host.replace("e", "ｅ")
    text = text.replace("HO%2eST", f"{first}%2e{rest}").replace("FULL", full)
    text = text.replace("HO\tST", f"{first}\t.{rest}").replace("HO\nST", f"{first}\n.{rest}")
    add(blog, "public/index.html", f"<p>é</p>{text.replace('HOST', host)}")
    checked = run(blog, "verify", "--site", "public", "--json")
    assert [event["rule"] for event in checked.events if event["type"] == "finding"] == ["M601"]
    assert "site" in whys(blog, "--site", "public").values()


def test_a_folder_without_a_page_proves_nothing(blog: Blog) -> None:
    filled(blog, "a.png")
    assert not blog.rewrite().findings
    add(blog, "public/mirror/a.png", b"")
    ran = run(blog, "leftovers", "--site", "public")
    assert ran.code == 3
    assert "public: holds no page: name the folder that the generator writes to [M606]" in ran.out
    assert ran.out.endswith("not all could be read\n")


def test_a_site_that_was_not_built_is_an_error(blog: Blog) -> None:
    blog.write("p.md", "nothing\n")
    ran = run(blog, "leftovers", "--site", "public")
    assert ran.code == 2
    assert re.search(r"public: no such folder \(named in --site\); build the site first", ran.err)


# --- What other commands say ------------------------------------------------------------------

STAY = "images of your sources stay where they are: `mirror leftovers` lists them"


def test_rewrite_ends_with_what_stays(blog: Blog) -> None:
    filled(blog, "a.png")
    assert run(blog, "rewrite").out.endswith("goes back to the source URLs\n")
    blog.write("more.md", f"<{A}> <{A}>\n\n![]({B})\n\n`{A}`\n")
    assert run(blog, "rewrite").out.endswith(f"2 {STAY}\n")


def test_verify_of_posts_says_what_stays_before_its_verdict(blog: Blog) -> None:
    filled(blog, "a.png")
    assert not blog.rewrite().findings
    assert "leftovers" not in run(blog, "verify", "--posts").out
    blog.write("more.md", f"<{A}>\n")
    out = run(blog, "verify", "--posts").out
    assert out.splitlines()[-2] == (
        "1 image of your sources stays where it is: `mirror leftovers` lists it"
    )
    assert out.endswith("manifest, site and posts agree\n")


def test_an_image_that_is_known_to_be_gone_is_not_counted(blog: Blog) -> None:
    blog.configure(more=f'[[ignore]]\nurl = "{B}"\nreason = "deleted"\n')
    blog.write("old.md", f"![]({B})\n")
    filled(blog, "a.png")
    assert "leftovers" not in run(blog, "rewrite").out
    assert "leftovers" not in run(blog, "verify", "--posts").out


def test_a_url_with_a_secret_is_moved_by_rewrite_as_it_is_advised(blog: Blog) -> None:
    filled(blog, "a.png")
    blog.write("post.md", f"![]({A}?token=planted-secret-4711)\n")
    assert run(blog, "sync").code == 0
    assert run(blog, "rewrite").code == 3
    ran = run(blog, "leftovers")
    assert ran.code == 1
    assert "`mirror rewrite --drop-secrets` moves it" in ran.out
    assert "planted" not in ran.out
    assert run(blog, "rewrite", "--drop-secrets").code == 0
    assert run(blog, "leftovers").code == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"![]({BUCKET}a b.png)\n", "unknown-form"),  # Python-Markdown shows it
        (f"![]({{{{ '{A}' | url }}}})\n", "unknown-form"),
        (f'[img src="{A}"]\n', "unknown-form"),
        (f"[[image:{A}]]\n", "unknown-form"),
        (f"!{A}!\n", "unknown-form"),
        (f"%[{A}]\n", "unknown-form"),
        (f"[img]{A}[/img]\n", "unknown-form"),
        (f"$$\n\\includegraphics{{{A}}}\n$$\n", "unknown-form"),
        (f'x\n{{: style="background:url({A})"}}\n', "unknown-form"),
        (f"![x](a.png){{poster={A}}}\n", "unknown-form"),
        (f".. image:: {A}\n", "unknown-form"),
        (f'--8<-- "{A}"\n', "unknown-form"),
        (f'<my-image src={{"{A}"}} />\n', "unknown-form"),
        (f"{{x}} {A} {{y}}\n", "text"),
        (f"Look! {A} [x] {A}\n", "text"),
        (f"<img src=\"{{{{ '{A}' | url }}}}\">\n", "unknown-form"),
        (f'<img src="{BUCKET}{{{{ page.picture }}}}">\n', "unknown-form"),
        (f"---\ntitle: x\n# {A}\n---\n", "code"),
        (f"see ({A}) and {{{{ x }}}} {A}\n", "text"),
    ],
)
def test_an_address_in_syntax_that_markdown_does_not_know_is_no_text(
    blog: Blog, text: str, why: str
) -> None:
    blog.write("p.md", text)
    assert set(whys(blog).values()) == {why}


def test_a_markdown_file_that_is_no_post_is_advised_to_become_one(blog: Blog) -> None:
    blog.write("post.md", "no image\n")
    add(blog, "pages/about.md", f"![]({A})\n")
    add(blog, "data/links.yml", f"- {A}\n")
    out = run(blog, "leftovers").out
    assert "a Markdown file that is no post; name it in `paths` of [posts], or change it" in out
    assert "a file that is no post; change it by hand, or name a data file in `include`" in out
