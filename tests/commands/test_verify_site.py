"""`mirror verify --site`: each picture of the built pages, as a browser would resolve it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.commands import BUCKET, CommandResult, filled, run
from support.growth import assert_linear
from support.sites import Blog

A = f"{BUCKET}a.png"


@pytest.fixture
def mirrored(blog: Blog) -> Blog:
    """A site whose one image is mirrored at `/images`, as a generator would publish it."""
    filled(blog, "a.png")
    assert not blog.rewrite().findings
    folder = blog.root / "static" / "images"
    for name, data in blog.objects().items():
        write(blog, f"public/images/{name}", data)
    assert folder.is_dir()
    return blog


def write(blog: Blog, name: str, data: str | bytes) -> Path:
    path = blog.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def page(blog: Blog, html: str, name: str = "public/index.html") -> None:
    write(blog, name, html.replace("KEY", key(blog)))


def key(blog: Blog) -> str:
    return str(blog.asset("a.png")["key"])


def verify(blog: Blog, *arguments: str) -> CommandResult:
    return run(blog, "verify", "--site", "public", *arguments)


def differences(blog: Blog, *arguments: str) -> list[str]:
    """`RULE place` of everything the site differs in."""
    events = verify(blog, *arguments, "--json").events
    return [
        f"{event['rule']} {event.get('post', '')}:{event.get('line', '')}:{event.get('column', '')}"
        for event in events
        if event["type"] == "finding"
    ]


def leftovers(blog: Blog) -> list[dict[str, object]]:
    """What the built site still needs of a source."""
    events = run(blog, "leftovers", "--site", "public", "--json").events
    return [event for event in events if event["type"] == "leftover" and event["breaks"]]


# --- What agrees ------------------------------------------------------------------------------


def test_only_posts_and_site_together_say_that_all_agree(mirrored: Blog) -> None:
    page(mirrored, '<img src="/images/KEY">')
    ran = verify(mirrored, "--posts")
    assert ran.code == 0, ran
    assert ran.out.endswith("1 picture in the built site: all agree\n")


@pytest.mark.parametrize(
    ("arguments", "compared"),
    [
        ([], "manifest and site"),
        (["--posts"], "manifest, site and posts"),
        (["--archive"], "manifest, site and archive"),
        (["--offline"], "manifest and posts"),
        (["--site", "public"], "manifest, site and built site"),
        (["--site", "public", "--offline"], "manifest, posts and built site"),
        (["--site", "public", "posts/post.md"], "manifest, site, posts and built site"),
    ],
)
def test_every_other_form_names_what_it_compared(
    mirrored: Blog, arguments: list[str], compared: str
) -> None:
    page(mirrored, '<img src="/images/KEY">')
    ran = run(mirrored, "verify", *arguments)
    assert ran.code == 0, ran
    assert ran.out.endswith(f": {compared} agree\n")


@pytest.mark.parametrize(
    "html",
    [
        '<img src="/images/KEY?v=2#x">',
        '<img src="images/KEY" srcset="/images/KEY 1x, ./images/KEY 2x">',
        '<img src="/theme/logo%20a.png">',
        "<img src='\\theme\\logo a.png '>",
        '<base href="/theme/"><img src="logo a.png">',
        '<base href="javascript:alert(1)"><img src="theme/logo a.png">',
        '<base href="data:text/html,x"><img src="theme/logo a.png">',
        '<img src="data:image/png;base64,AAAA"><img src="javascript:x"><img src="#a"><img src="">',
        '<a href="/missing.html">x</a><script src="/missing.js"></script>',
        f"<p>{A}</p><pre>{A}</pre><a href='{A}'>{A}</a><!-- <img src='{A}'> -->",
        '<img src="/section/">',
        '<link rel="stylesheet" href="/missing.css">',
        '<link rel="stylesheet" href="/theme/style.css">',
    ],
)
def test_what_a_browser_can_show_is_right(mirrored: Blog, html: str) -> None:
    write(mirrored, "public/theme/logo a.png", b"png")
    write(mirrored, "public/section/index.html", "x")
    write(mirrored, "public/theme/style.css", "a { background: url('logo a.png') }")
    page(mirrored, html)
    assert differences(mirrored) == []


# --- What differs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "rule"),
    [
        (f'<img src="{A}">', "M601"),
        (f'<img src="{A.replace("https:", "")}">', "M601"),
        (f'<img srcset="{A} 2x">', "M601"),
        (f'<noscript><img src="{A}"></noscript>', "M601"),
        (f'<base href="{BUCKET}"><img src="a.png">', "M601"),
        (f'<meta property="og:image" content="{A}">', "M601"),
        ('<img src="/images/00/gone.png">', "M602"),
        ('<img src="/gone.png">', "M603"),
        ('<img src="images/../../../gone.png">', "M603"),
        ('<img src="..%2f..%2fetc%2fpasswd">', "M603"),
        ('<img src="a%00b">', "M603"),
        ('<img src="/linked.png">', "M603"),
        ('<img src="/theme">', "M603"),
        ('<img data-src="/gone.png" src="data:image/gif,x">', "M603"),
        ("<p style=\"background: url('/gone.png')\">", "M603"),
        ('<img src="https://cdn.example/x.png">', "M605"),
    ],
)
def test_each_difference_is_found_at_its_place(mirrored: Blog, html: str, rule: str) -> None:
    outside = mirrored.root.parent / f"{mirrored.root.name}-outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(b"png")
    (mirrored.root / "public" / "linked.png").symlink_to(outside / "secret.png")
    (mirrored.root / "public" / "theme").mkdir()
    page(mirrored, f"<!doctype html>\n<p>图</p>{html}")
    ran = verify(mirrored)
    (finding,) = differences(mirrored)
    got, _, place = finding.partition(" ")
    assert got == rule
    assert place.startswith("public/index.html:2:")
    assert ran.code == (0 if rule == "M605" else 1)
    assert place in ran.out


def test_an_image_that_is_known_to_be_gone_is_no_difference(blog: Blog) -> None:
    blog.configure(more=f'[[ignore]]\nurl = "{BUCKET}lost.png"\nreason = "deleted"\n')
    blog.write("lost.md", f"![]({BUCKET}lost.png)\n")
    filled(blog, "a.png")
    page(blog, f'<img src="{BUCKET}lost.png">')
    assert differences(blog) == []


def test_a_mirrored_file_that_the_generator_did_not_publish_is_missing(mirrored: Blog) -> None:
    (mirrored.root / "public" / "images" / key(mirrored)).unlink()
    page(mirrored, '<img src="/images/KEY">')
    assert differences(mirrored) == ["M603 public/index.html:1:11"]


def test_a_theme_may_have_files_where_mirrored_images_are(mirrored: Blog) -> None:
    write(mirrored, "public/images/logo.png", b"png")
    page(mirrored, '<img src="/images/logo.png">')
    assert differences(mirrored) == []


def test_a_former_address_of_the_mirror_is_told(mirrored: Blog) -> None:
    text = (mirrored.root / "mirror.toml").read_text()
    (mirrored.root / "mirror.toml").write_text(text.replace('"/images"', '"https://cdn.e/new"'))
    write(mirrored, "public/a.html", f'<img src="/images/{key(mirrored)}">')
    assert differences(mirrored) == ["M604 public/a.html:1:11"]


def test_a_mirror_on_a_host_of_its_own_is_known_by_the_manifest(mirrored: Blog) -> None:
    text = (mirrored.root / "mirror.toml").read_text()
    (mirrored.root / "mirror.toml").write_text(text.replace('"/images"', '"https://cdn.e/new"'))
    assert not mirrored.rewrite().findings
    page(
        mirrored,
        '<img src="https://cdn.e/new/KEY"><img src="//cdn.e/new/KEY?x">\n'
        '<img src="https://cdn.e/new/ab/other.png">',
    )
    assert differences(mirrored) == ["M602 public/index.html:2:11"]


def test_pictures_on_other_hosts_are_counted_and_fail_nothing(mirrored: Blog) -> None:
    page(mirrored, '<img src="https://a.example/x.png"><img src="//a.example/y.png">' * 3)
    page(mirrored, '<img src="https://b.example/x.png">', "public/z.html")
    ran = verify(mirrored)
    assert ran.code == 0
    assert (
        "! public/index.html:1:11 a.example: 6 pictures are on this host, which is no [[source]]: "
        "mirror does not keep them [M605]" in ran.out
    )
    assert "b.example: 1 picture is on this host" in ran.out
    assert "7 pictures in the built site, 7 of them on hosts that are no source" in ran.out


def test_one_address_on_many_pages_is_named_on_the_first_and_counted(mirrored: Blog) -> None:
    for number in range(30):
        page(mirrored, '<img src="/logo.png">', f"public/{number:02}/index.html")
    ran = verify(mirrored, "--verbose")
    lines = [line for line in ran.out.splitlines() if "[M603]" in line]
    assert len(lines) == 21
    assert "/logo.png: the same in 10 more places" in lines[-1]


def test_pictures_of_local_style_sheets_are_checked_once(mirrored: Blog) -> None:
    css = '@import "more.css";\nb { background: url(gone.png) }'
    write(mirrored, "public/css/a.css", css)
    write(mirrored, "public/css/more.css", f'@import "a.css"; i {{ background: url({A}) }}')
    for name in ("a", "b"):
        page(mirrored, '<link rel=stylesheet href="/css/a.css?v=1">', f"public/{name}.html")
    assert differences(mirrored) == ["M603 public/css/a.css:2:21", "M601 public/css/more.css:1:38"]


# --- Where the site is published --------------------------------------------------------------


def test_the_base_is_taken_off(mirrored: Blog) -> None:
    page(mirrored, '<img src="/blog/images/KEY"><img src="images/KEY">')
    assert differences(mirrored, "--base", "/blog/") == []
    assert differences(mirrored) == ["M603 public/index.html:1:11"]


def test_what_leads_out_of_the_base_is_a_difference(mirrored: Blog) -> None:
    page(mirrored, '<img src="/logo.png">')
    ran = verify(mirrored, "--base", "blog")
    assert ran.code == 1
    assert "leads out of /blog/, where the site is published" in ran.out


def test_the_generator_says_where_the_site_is(mirrored: Blog) -> None:
    write(mirrored, "hugo.toml", 'baseURL = "https://me.example/blog/"')
    page(
        mirrored,
        '<img src="/blog/images/KEY"><img src="https://me.example/blog/images/KEY">\n'
        '<meta property="og:image" content="https://me.example/blog/gone.png">',
    )
    assert differences(mirrored) == ["M603 public/index.html:2:36"]


@pytest.mark.parametrize(
    "own",
    [
        '<link href="https://me.example/en/" rel="canonical">',
        '<meta property="og:url" content="https://me.example/">',
    ],
)
@pytest.mark.parametrize("config", ["export default { site: SITE.url }", ""])
def test_the_first_page_names_the_host_that_no_setting_names(
    mirrored: Blog, own: str, config: str
) -> None:
    write(mirrored, "astro.config.mjs", config)
    page(mirrored, own)
    html = """<meta property="og:image" content="https://me.example/images/KEY">
        <meta property="og:image" content="https://me.example/gone.png">"""
    page(mirrored, html, "public/a.html")
    assert differences(mirrored) == ["M603 public/a.html:2:44"]


def test_the_host_of_a_source_is_not_the_sites_own_because_the_first_page_says_so(
    mirrored: Blog,
) -> None:
    """A text that was published there first names it, and the site may have files of its paths."""
    page(mirrored, f'<link rel="canonical" href="{BUCKET}">')
    write(mirrored, "public/b.png", b"another")
    odd = BUCKET.replace("//", r"\\")
    page(mirrored, f'<img src="{odd}b.png">', "public/b.html")
    assert "M601 public/b.html:1:11" in differences(mirrored)
    ran = run(mirrored, "leftovers", "--site", "public", "--json")
    assert "public/b.html" in [event["file"] for event in ran.events[:-1]]


@pytest.mark.parametrize(
    "own",
    [
        '<link rel="canonical" href="http://localhost:4321/">',  # Astro without `site`
        '<link rel="canonical" href="/">',
        '<link rel="canonical">',
        '<link rel="alternate" href="https://h.example/"><meta content="https://h.example/">',
        '<body><link rel="canonical" href="https://h.example/">',
    ],
)
def test_a_page_that_names_no_host_of_its_own_adds_none(mirrored: Blog, own: str) -> None:
    images = "".join(
        f'<img src="http://{host}/images/KEY">' for host in ("localhost:4321", "h.example")
    )
    page(mirrored, own + images)
    assert [each.partition(" ")[0] for each in differences(mirrored)] == ["M605", "M605"]


def test_a_root_relative_address_of_the_mirror_fails_below_a_base(mirrored: Blog) -> None:
    page(mirrored, '<img src="/images/KEY">')
    assert differences(mirrored, "--base", "/blog/") == ["M603 public/index.html:1:11"]


def test_a_site_may_be_published_where_its_source_was(mirrored: Blog) -> None:
    page(mirrored, f'<img src="{A}">\n<img src="/a.png">')
    assert differences(mirrored, "--base", BUCKET) == [
        "M601 public/index.html:1:11",
    ]
    write(mirrored, "public/a.png", b"png")
    assert differences(mirrored, "--base", BUCKET) == []


OWN = "https://me.example/"


@pytest.mark.parametrize(
    ("html", "rules"),
    [
        pytest.param(f'<a href="{OWN}about/">x</a>', [], id="a link to a page"),
        pytest.param(f'<a href="{OWN}">x</a>', [], id="a link above the path of the site"),
        pytest.param(f'<link rel="canonical" href="{OWN}blog/a">', [], id="its own address"),
        pytest.param(f'<form action="{OWN}search"></form>', [], id="a form"),
        pytest.param(f'<a href="{OWN}a.png">x</a>', ["M601"], id="a link to a picture"),
        pytest.param(f'<img src="{OWN}a">', ["M601"], id="a picture"),
        pytest.param(f'<script>show("{OWN}a/" + b)</script>', ["M601"], id="a script"),
        pytest.param(
            f'<a href="{BUCKET}about/">x</a>', ["M601"], id="a link to a source elsewhere"
        ),
    ],
)
def test_a_link_to_a_page_of_the_sites_own_host_needs_no_source(
    mirrored: Blog, html: str, rules: list[str]
) -> None:
    text = (mirrored.root / "mirror.toml").read_text()
    own = f'[[source]]\nname = "own"\nmatch = ["{OWN}"]\n[[destination]]'
    (mirrored.root / "mirror.toml").write_text(text.replace("[[destination]]", own))
    page(mirrored, html)
    found = differences(mirrored, "--base", f"{OWN}blog/")
    assert [each.partition(" ")[0] for each in found] == rules
    write(mirrored, "public/feed.xml", f"<item><link>{OWN}b/</link></item>")
    assert len(differences(mirrored, "--base", f"{OWN}blog/")) == len(rules)


def test_a_link_to_a_page_of_a_source_is_not_said_to_be_asked_for(mirrored: Blog) -> None:
    page(mirrored, f'<a href="{BUCKET}about/">x</a><a href="{A}">x</a>')
    out = verify(mirrored).out
    assert f"{BUCKET}about/: is a link to a source; `mirror leftovers --site` lists it" in out
    assert f"{A}: the page asks a source for it" in out


def test_a_path_that_a_program_computes_is_named(mirrored: Blog) -> None:
    config = "export default { url: 'https://me.example', baseUrl: process.env.BASE || '/' }"
    write(mirrored, "docusaurus.config.ts", config)
    page(mirrored, '<img src="/images/KEY">')
    ran = verify(mirrored, "--posts")
    assert ran.code == 0
    assert (
        "Docusaurus computes `baseUrl`; pages are read as if the site were published at /: name "
        "the path with `--base PATH` [M607]" in ran.out
    )
    assert "all agree" not in ran.out
    assert "all agree" in verify(mirrored, "--posts", "--base", "/").out


@pytest.mark.parametrize("path", ["", "index.html"])
def test_the_first_page_may_prove_a_path_that_a_program_computes(mirrored: Blog, path: str) -> None:
    write(mirrored, "astro.config.mjs", "export default { base: process.env.BASE }")
    own = f'<link rel="canonical" href="https://me.example/{path}">'
    page(mirrored, own + '<img src="/images/KEY">')
    assert "all agree" in verify(mirrored, "--posts").out
    own = own.replace("example/", "example/b/")
    page(mirrored, own + '<img src="/images/KEY">')
    assert "[M607]" in verify(mirrored, "--posts").out


def test_the_site_that_writes_to_the_folder_says_where_it_is(mirrored: Blog) -> None:
    write(mirrored, "apps/a/hugo.toml", "title = 'no address'")
    write(mirrored, "apps/b/hugo.toml", "baseURL = '/b/'")
    write(mirrored, "apps/a/public/logo.png", b"png")
    write(mirrored, "apps/a/public/index.html", '<img src="/logo.png">')
    ran = run(mirrored, "verify", "--site", "apps/a/public", "--json")
    assert ran.rules == []
    write(mirrored, "apps/c/hugo.toml", "baseURL = '/c/'")
    page(mirrored, '<img src="/images/KEY">')
    ran = verify(mirrored)
    assert ran.code == 0
    assert "Hugo in apps/a and Hugo in apps/b and Hugo in apps/c do not write to this" in ran.out


@pytest.mark.parametrize("base", ["ftp://x", "a b", "/a?b"])
def test_a_base_is_a_path_or_a_url(mirrored: Blog, base: str) -> None:
    page(mirrored, "x")
    ran = verify(mirrored, "--base", base)
    assert ran.code == 2
    assert "--base: expected a path such as /blog/" in ran.err


def test_a_base_without_a_site_is_an_error(mirrored: Blog) -> None:
    assert run(mirrored, "verify", "--base", "/blog/").code == 2


# --- What the posts show ----------------------------------------------------------------------


@pytest.fixture
def many(blog: Blog) -> Blog:
    """A blog of four posts, each with two pictures, which are mirrored and published."""
    names = [f"{number}.png" for number in range(8)]
    filled(blog, *names)
    (blog.root / "posts/post.md").unlink()
    for number in range(4):
        front = "---\ntitle: x\ndate: 2024-01-01\n---\n"
        pictures = "".join(f"![]({BUCKET}{number * 2 + more}.png)\n\n" for more in (0, 1))
        blog.write(f"{number}.md", front + pictures)
    assert not blog.rewrite().findings
    for name, data in blog.objects().items():
        write(blog, f"public/images/{name}", data)
    return blog


def show(blog: Blog, html: str, name: str = "public/index.html") -> None:
    write(blog, name, html)


def shown(blog: Blog, *numbers: int) -> list[str]:
    return [f"/images/{blog.asset(f'{number}.png')['key']}" for number in numbers]


def test_a_site_that_shows_few_pictures_of_the_posts_is_named(many: Blog) -> None:
    show(many, "".join(f'<img src="{url}">' for url in shown(many, 0, 1, 2)), "public/a.html")
    ran = verify(many, "--posts")
    assert ran.code == 0
    assert "shows 3 of the 8 mirrored pictures of the posts: was all of the site built" in ran.out
    assert "[M608]" in ran.out
    assert "all agree" not in ran.out
    show(many, f'<img src="{shown(many, 3)[0]}">', "public/b.html")
    assert "all agree" in verify(many, "--posts").out


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<script>show(URLS)</script>", id="a script in the page"),
        pytest.param('<img data-src="URL">', id="lazy"),
        pytest.param("<img src='/_image?url=ENCODED&w=9'>", id="scaled"),
        pytest.param("<img src='/_astro/STEM.Bx-_9a_Z1.webp'>", id="renamed"),
        pytest.param("<img src='/assets/STEM-0f1e.png'>", id="renamed by webpack"),
        pytest.param("<img src='/p/STEM_hu012_3_300x0_resize.png'>", id="renamed by Hugo"),
    ],
)
def test_the_name_of_a_picture_counts_wherever_it_stands(many: Blog, text: str) -> None:
    urls = shown(many, 0, 1, 2, 3)
    html = [
        text.replace("URLS", json.dumps(urls))
        .replace("URL", url)
        .replace("ENCODED", url.replace("/", "%2F"))
        .replace("STEM", Path(url).stem)
        for url in urls
    ]
    show(many, "".join(html))
    assert "[M608]" not in verify(many, "--posts").out


def test_pictures_in_scripts_and_search_indexes_are_shown(many: Blog) -> None:
    show(many, "<div id=app></div>")
    assert "shows 0 of the 8 mirrored pictures" in verify(many, "--posts").out
    write(many, "public/app.js", f"export default {json.dumps(shown(many, 0, 1, 2, 3))}")
    assert "all agree" in verify(many, "--posts").out


def test_pictures_in_the_pages_themselves_are_shown_where_links_are_relative(many: Blog) -> None:
    show(many, "".join(f'<img src="data:image/png;base64,{number}">' for number in range(4)))
    assert "[M608]" in verify(many, "--posts").out
    text = (many.root / "mirror.toml").read_text()
    text = text.replace('public_url = "/images"', 'links = "relative"')
    (many.root / "mirror.toml").write_text(text)
    assert not many.rewrite().findings
    assert "[M608]" not in verify(many, "--posts").out
    show(many, '<img src="data:image/gif;base64,same">' * 4)
    assert "shows 1 of the 8 mirrored pictures" in verify(many, "--posts").out
    show(many, '<link rel="stylesheet" href="/theme.css">')
    icons = "".join(f'a{{background:url("data:image/png;base64,{n}")}}' for n in range(8))
    write(many, "public/theme.css", icons)
    assert "shows 0 of the 8 mirrored pictures" in verify(many, "--posts").out


@pytest.mark.parametrize(
    "front", ["draft: true", "published: false", "status: draft", "'draft': true"]
)
def test_drafts_are_not_missed(many: Blog, front: str) -> None:
    for number in range(3):
        text = many.read(f"{number}.md").replace("title: x", front)
        many.write(f"{number}.md", text)
    show(many, f'<img src="{shown(many, 6)[0]}">')
    assert "all agree" in verify(many, "--posts").out


def test_the_posts_that_the_site_itself_serves_are_not_missed(many: Blog) -> None:
    show(many, "<script>window.$docsify = {}</script>", "posts/index.html")
    ran = run(many, "verify", "--posts", "--site", "posts")
    assert "[M608]" not in ran.out


# --- What cannot be read ----------------------------------------------------------------------


def test_a_site_that_was_not_built_is_an_error(blog: Blog) -> None:
    filled(blog, "a.png")
    ran = verify(blog)
    assert ran.code == 2
    assert "build the site first" in ran.err


def test_a_folder_without_pages_was_not_checked(mirrored: Blog) -> None:
    ran = verify(mirrored, "--posts")
    assert ran.code == 3
    assert "holds no page" in ran.out
    assert "[M606]" in ran.out


def test_links_pipes_and_what_is_no_text_are_left_alone(mirrored: Blog) -> None:
    page(mirrored, "x")
    public = mirrored.root / "public"
    (public / "dangling.html").symlink_to("gone.html")
    (public / "loop").symlink_to(public)
    os.mkfifo(public / "pipe.html")
    write(mirrored, "public/binary.html", b"\0" + A.encode())
    write(mirrored, "public/gb.html", "<meta charset=gbk><img src='图.png'>".encode("gbk"))
    write(mirrored, "public/图.png", b"png")
    page(mirrored, '<img src="pipe.html">', "public/z.html")
    assert differences(mirrored) == ["M603 public/z.html:1:11"]


@pytest.mark.parametrize("name", ["about", "v1.2", "index.php", "page.shtml", "page.xht"])
def test_a_page_is_known_by_its_bytes_where_its_name_says_nothing(
    mirrored: Blog, name: str
) -> None:
    page(mirrored, '<img src="/images/KEY">')
    page(mirrored, f'\n<!DOCTYPE html>\n<img src="{A}">', f"public/{name}")
    assert differences(mirrored) == [f"M601 public/{name}:3:11"]
    assert [event["file"] for event in leftovers(mirrored)] == [f"public/{name}"]


def test_text_with_tags_is_no_page_where_its_name_says_so(mirrored: Blog) -> None:
    page(mirrored, '<img src="/images/KEY">')
    page(mirrored, f'<!DOCTYPE html><img src="{A}">', "public/page.txt")
    assert differences(mirrored) == []


def test_a_link_out_of_the_site_is_not_followed_and_named(mirrored: Blog, tmp_path: Path) -> None:
    page(mirrored, '<img src="/docs/secret.png">')
    outside = tmp_path / "outside"
    page(mirrored, f'<img src="{A}">', str(outside / "page.html"))
    write(mirrored, str(outside / "secret.png"), "png")
    (mirrored.root / "public" / "docs").symlink_to(outside)
    (mirrored.root / "public" / "page.html").symlink_to(outside / "page.html")
    (mirrored.root / "public" / "secret.png").symlink_to(outside / "secret.png")
    (mirrored.root / "public" / "latest.html").symlink_to("index.html")
    (mirrored.root / "public" / "latest").symlink_to(".")
    ran = verify(mirrored, "--json")
    found = [event for event in ran.events if event["type"] == "finding"]
    assert [(event["rule"], event["post"]) for event in found] == [
        ("M114", "public/docs"),
        ("M114", "public/page.html"),
        ("M603", "public/index.html"),
    ]
    page(mirrored, '<img src="/images/KEY">')
    assert verify(mirrored).code == 3


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "pointer of Git LFS"),
    ],
)
def test_a_file_that_was_built_in_place_of_a_picture_is_none(
    mirrored: Blog, data: bytes, words: str
) -> None:
    page(mirrored, '<img src="/images/KEY"><img src="/theme/logo.png">')
    write(mirrored, f"public/images/{key(mirrored)}", data)
    write(mirrored, "public/theme/logo.png", data)
    ran = verify(mirrored)
    assert ran.code == 1, ran
    assert ran.out.count(words) == 2
    assert ran.out.count("[M603]") == 2


def test_a_page_that_is_too_large_is_named(mirrored: Blog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.pipeline.text_files.MAX_POST_BYTES", 10_000)
    page(mirrored, "x" * 20_000)
    ran = verify(mirrored)
    assert ran.code == 3
    assert "public/index.html: was not read" in ran.out


def test_one_long_line_takes_time_in_proportion(mirrored: Blog) -> None:
    def run(count: int) -> None:
        page(mirrored, '<img src="/gone.png"><img src="x">' * count)
        assert len(differences(mirrored)) == 2

    assert_linear(run, 2_000)


# --- For other programs -----------------------------------------------------------------------


def test_junit_has_a_suite_for_the_site(mirrored: Blog) -> None:
    page(mirrored, f'<img src="{A}">')
    page(mirrored, "x", "public/b.html")
    suites = ElementTree.fromstring(verify(mirrored, "--format", "junit").out)  # noqa: S314
    (site,) = [suite for suite in suites if suite.get("name") == "built site"]
    assert [case.get("name") for case in site] == [f"public/index.html:1:11 {A}", "public/b.html"]
    assert site.get("failures") == "1"


def test_sarif_and_github_name_the_page(mirrored: Blog) -> None:
    page(mirrored, f'<img src="{A}">')
    log = json.loads(verify(mirrored, "--format", "sarif").out)
    (result,) = log["runs"][0]["results"]
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "public/index.html"
    assert physical["region"] == {"startLine": 1, "startColumn": 11}
    out = verify(mirrored, "--format", "github").out
    assert "::error file=public/index.html,line=1,col=11,title=page-shows-source [M601]" in out


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('<style>a{background:image-set("SOURCE" 1x)}</style>', id="image-set"),
        pytest.param("<iframe srcdoc='&lt;img src=\"SOURCE\"&gt;'></iframe>", id="srcdoc"),
        pytest.param('<video src="SOURCE"></video>', id="video"),
        pytest.param('<script>new Image().src = "SOURCE"</script>', id="script"),
        pytest.param('<template><img src="SOURCE"></template>', id="template"),
        pytest.param("<my-img picture='SOURCE'></my-img>", id="custom element"),
    ],
)
def test_what_a_page_may_ask_a_source_for_in_any_way_is_a_difference(
    mirrored: Blog, text: str
) -> None:
    page(mirrored, text.replace("SOURCE", f"{BUCKET}a.png"))
    (line,) = differences(mirrored)
    assert line.startswith("M601 public/index.html:1:")


@pytest.mark.parametrize("name", ["g.js", "feed.xml", "extra.css", "logo.svg", "index.json"])
def test_what_is_published_beside_the_pages_may_not_ask_a_source(mirrored: Blog, name: str) -> None:
    page(mirrored, "<p>x</p>")
    write(mirrored, f"public/{name}", f"x = '{BUCKET}a.png'\n")
    assert differences(mirrored) == [f"M601 public/{name}:1:6"]


def test_code_and_text_of_a_page_may_name_a_source(mirrored: Blog) -> None:
    page(mirrored, f"<p>{BUCKET}a.png</p><pre>{BUCKET}a.png</pre><!-- {BUCKET}a.png -->")
    assert differences(mirrored) == []


def test_code_and_text_of_a_feed_and_a_search_index_may_name_a_source(mirrored: Blog) -> None:
    page(mirrored, "<p>x</p>")
    html = f"<p>see {BUCKET}a.png</p><pre>&lt;img src='{BUCKET}a.png'></pre>"
    write(mirrored, "public/index.xml", f"<rss><description><![CDATA[{html}]]></description></rss>")
    write(mirrored, "public/search.json", json.dumps({"docs": [{"text": html}]}))
    assert differences(mirrored) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("search.json", '{"content": "<img src=\'URL\'>", "thumb": "/images/KEY"}'),
        ("search.json", '{"thumb": "URL"}'),
        ("index.xml", '<description>&lt;img src="URL"&gt; /images/KEY</description>'),
        ("index.xml", "<content><![CDATA[<img src='URL'>]]></content>"),
        ("app.js", "const cover = 'URL', ok = '/images/KEY';"),
        ("page.html", "<script>show({src: 'URL'})</script><div data-x='URL'></div>"),
    ],
)
def test_a_wrong_address_of_the_mirror_beside_pictures_is_a_difference(
    mirrored: Blog, name: str, text: str
) -> None:
    page(mirrored, '<img src="/images/KEY">')
    page(mirrored, "<p>/old/a.png and <code>/images/0.png</code></p>", "public/text.html")
    wrong = {"/images/00/0.png": "M602", "/old/a.png": "M604", "https://cdn.test/b.png": "M604"}
    memory = mirrored.root / "manifests" / "rewrites.jsonl"
    line = json.loads(memory.read_text().splitlines()[1])
    with memory.open("a") as file:
        for url in ("/old/a.png", "https://cdn.test/b.png"):
            file.write(json.dumps(line | {"target": url}) + "\n")
    for url, rule in wrong.items():
        page(mirrored, text.replace("URL", url), f"public/{name}")
        found = differences(mirrored)
        assert len(found) == text.count("URL")
        assert all(each.startswith(f"{rule} public/{name}:1:") for each in found)
        page(mirrored, text.replace("URL", url).replace("/", "\\/"), f"public/{name}")
        if name == "search.json" and "<" not in text:
            assert [each[:4] for each in differences(mirrored)] == [rule]
    page(mirrored, text.replace("URL", "/images/KEY"), f"public/{name}")
    assert differences(mirrored) == []
    (mirrored.root / "public" / "images" / key(mirrored)).unlink()
    assert f"M603 public/{name}" in "\n".join(differences(mirrored))


def test_what_a_script_completes_and_other_files_of_the_host_are_no_difference(
    mirrored: Blog,
) -> None:
    page(mirrored, '<img src="/images/KEY">')
    script = "a('/images/'); b('/images/' + x + '.png'); c(`/images/${x}.png`); d('/images/a.js')"
    page(mirrored, script, "public/app.js")
    assert differences(mirrored) == []


@pytest.mark.parametrize("base", [(), ("--base", "/blog/")])
def test_the_icons_of_a_web_manifest_are_checked(mirrored: Blog, base: tuple[str, ...]) -> None:
    page(mirrored, '<link rel="manifest" href="app/manifest.json"><img src="images/KEY">')
    icons = [{"src": "a.png"}, {"src": "../b.png"}, {"src": "gone.png"}, {"src": A}]
    manifest = {"icons": icons, "screenshots": [{"src": "https://other.test/x.png"}]}
    write(mirrored, "public/app/manifest.json", json.dumps(manifest, indent=1).replace("/", r"\/"))
    write(mirrored, "public/manifest.json", '{"src": "of-a-bundler.png"}')
    for name in ("app/a.png", "b.png"):
        write(mirrored, f"public/{name}", b"png")
    found = [each for each in differences(mirrored, *base) if not each.startswith("M605")]
    place = "public/app/manifest.json"
    assert [each for each in found if place in each] == [
        f"M603 {place}:10:12",
        f"M601 {place}:13:12",
    ]
    assert not [each for each in found if place not in each]
