import os
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mirror.cli import app
from mirror.config import (
    ConfigError,
    DestinationSettings,
    FetchSettings,
    PostSettings,
    find_config,
    load_config,
    parse_config,
    written_folders,
)
from mirror.urls.sources import Source

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"
SOURCE = {"name": "s", "match": ["https://h.example/"]}
TARGET = {"name": "d", "url": "s3://bucket/prefix"}


def test_the_example_loads_and_shows_every_key():
    config = load_config(EXAMPLE)
    assert config.root == EXAMPLE.parent
    shown = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    assert config.destinations[0].public_url == "https://img.example.com/blog"
    assert config.fetch.max_bytes == 64 * 2**20
    for table, names in {
        "posts": set(PostSettings.__dataclass_fields__),
        "fetch": set(FetchSettings.__dataclass_fields__),
    }.items():
        assert set(shown[table]) == names
    assert set(shown["source"][0]) == set(Source.__dataclass_fields__)
    assert set(shown["destination"][0]) == set(DestinationSettings.__dataclass_fields__)


def source(**keys):
    return {"source": [SOURCE | keys]}


def target(**keys):
    return {"destination": [TARGET | keys]}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param({"post": {}}, "post: unknown key; did you mean 'posts'", id="table"),
        pytest.param({"posts": {"pth": []}}, r"\[posts\]\.pth: .*'paths'", id="key"),
        pytest.param({"posts": 3}, r"\[posts\]: expected a table", id="no table"),
        pytest.param({"posts": {"paths": "a"}}, "expected a list of strings, got 'a'", id="list"),
        pytest.param({"source": [{}]}, r"\[\[source\]\] 1\.name: missing", id="missing"),
        pytest.param(source(match=[]), "at least one URL prefix", id="match"),
        pytest.param(source(match=["note/"]), "'note/' is not a URL", id="url"),
        pytest.param({"source": [SOURCE, SOURCE]}, "two .*source.* called 's'", id="twice"),
        pytest.param(source(fetch="ftp://x"), "expected http://", id="fetch"),
        pytest.param(source(variants="x"), "'rendition', 'original'", id="choice"),
        pytest.param(target(url="bucket"), "s3://bucket/prefix", id="destination"),
        pytest.param(target(key="../{sha256}"), "leave the prefix", id="dots"),
        pytest.param(target(key="/{sha256}"), "no relative path", id="absolute"),
        pytest.param(target(key="{digest}"), "fields are", id="field"),
        pytest.param(target(key="{sha256!r}"), "fields are", id="conversion"),
        pytest.param(target(key="{sha256.x}"), "fields are", id="attribute"),
        pytest.param(target(key="{sha256"), "key: ", id="brace"),
        pytest.param(target(key="a{ext}"), "every image one key", id="one key"),
        pytest.param(target(public_url="x y"), "public_url", id="public"),
        pytest.param(target(secret_access_key="x"), "a secret does not", id="secret key"),
        pytest.param(
            {"destination": [TARGET, {"name": "e", "url": "file:x", "key": "{name}"}]},
            "differ in `key`",
            id="two keys",
        ),
        *(
            pytest.param(
                {
                    "destination": [{"name": "d", "url": f"file:{folder}"}],
                    "posts": {"paths": ["content/posts"]},
                    "archive": {"path": "kept/originals"},
                },
                f"'d' keeps its images in .*, which is the place of {what} too",
                id=f"not a folder of its own: {folder}",
            )
            for folder, what in (
                (".", "mirror.toml"),
                ("..", "mirror.toml"),
                ("content", "the posts"),
                ("content/posts/", "the posts"),
                ("kept", "the archive"),
                ("kept/originals/x", "the archive"),
                ("manifests", "the manifest"),
                (".mirror/x", "the state"),
                (".git/x", "git"),
            )
        ),
        pytest.param({"archive": {"path": ""}}, "expected a folder, got nothing", id="no folder"),
        pytest.param({"posts": {"paths": [""]}}, "got nothing; all is", id="no path"),
        pytest.param(target(url="file:~/images"), "write the whole path", id="home"),
        pytest.param(
            {"destination": [TARGET, TARGET | {"name": "e", "url": "s3://bucket/prefix/"}]},
            "destinations 'd' and 'e' are both at 's3://bucket/prefix/'",
            id="one prefix twice",
        ),
        pytest.param(
            {"destination": [{"name": "a", "url": "file:x"}, {"url": "file:///site/y/../x/"}]},
            "destinations 'a' and 'file:///site/y/../x/' are both at",
            id="one folder twice",
        ),
        pytest.param(
            {"source": [SOURCE, {"name": "t", "match": ["https://i/", "//H.example:443/"]}]},
            "sources 's' and 't' both match '//H.example:443/'",
            id="one match twice",
        ),
        pytest.param(
            source(headers={"Authorization": "Basic x"}),
            r'write "\$\{MIRROR_AUTHORIZATION\}"',
            id="secret header",
        ),
        pytest.param(source(headers={"X": "a\r\nb"}), "of one line", id="header lines"),
        pytest.param(source(headers={"X Y": "a"}), "can have this name", id="header name"),
        pytest.param(source(headers={"Host": "h"}), "headers.Host: each request sets", id="host"),
        pytest.param(
            source(headers={"transfer-encoding": "chunked"}), "sets this by itself", id="hop"
        ),
        pytest.param(
            source(headers={"X": "AKIAIOSFODNN7EXAMPLE ${T}"}), "a secret does not", id="key beside"
        ),
        pytest.param(source(fetch="https://u:p@h.example/"), "holds a secret", id="userinfo"),
        pytest.param({"fetch": {"max_bytes": "64 apples"}}, '"64MiB"', id="size"),
        pytest.param({"fetch": {"max_bytes": "0"}}, "more than no bytes", id="no size"),
        pytest.param({"fetch": {"retries": True}}, "from 0 to 20, got True", id="bool"),
        pytest.param({"fetch": {"concurrency": 0}}, "from 1 to 256", id="range"),
        pytest.param({"fetch": {"timeout_s": 0}}, "above 0", id="timeout"),
        pytest.param({"fetch": {"timeout_s": 2e6}}, "below 1,000,000", id="a timeout of weeks"),
        pytest.param({"ignore": [{"url": "x", "reason": "y"}]}, "expected a URL", id="ignore"),
        pytest.param({"ignore": [{"url": "x*"}]}, "expected a URL", id="ignored pattern"),
        pytest.param(target(name="a\u202eb"), r"name: expected .* 'a\\\\u202eb'", id="bidi"),
        pytest.param(source(name="a\u200bb"), "name: expected characters that show", id="unseen"),
        pytest.param({"version": 2}, "version: expected one of 1", id="version"),
    ],
)
def test_what_is_wrong_is_named_with_what_was_expected(raw, message):
    with pytest.raises(ConfigError, match=message) as error:
        parse_config(raw, Path("/site"))
    assert str(error.value).startswith("mirror.toml: ")


def test_a_destination_without_a_name_is_called_as_its_url_shows():
    config = parse_config({"destination": [{"url": "file:a\u202eb"}]}, Path("/"))
    assert config.destinations[0].name == "file:a\\u202eb"
    assert config.destinations[0].url == "file:a\u202eb"


@pytest.mark.parametrize(
    "public",
    "https:// https://[ https://[::1/x https://h:abc/ https://h:99999 /.. /a/../.. /%2e%2e/x "
    "https://h/\u202ex".split(),
)
def test_a_public_url_that_no_page_can_show_is_refused(public):
    with pytest.raises(ConfigError, match="public_url: expected https://"):
        parse_config(target(public_url=public), Path("/"))


@pytest.mark.parametrize(
    "public",
    "/ /images //h.example/x https://h:8080 http://[::1]:90/x https://图.cn/图 /a..b".split(),
)
def test_a_public_url_may_be_an_address_or_a_path(public):
    assert parse_config(target(public_url=public), Path("/")).destinations


def test_a_secret_is_never_repeated_in_the_message():
    with pytest.raises(ConfigError) as error:
        parse_config(source(fetch="https://u:planted@h.example/"), Path("/"))
    assert "planted" not in str(error.value)


@pytest.mark.skipif(os.name == "nt", reason="there, these are folders")
@pytest.mark.parametrize("path", ["C:\\images", "//C:\\images", "///c:/images", "D:/", "C:"])
def test_a_drive_of_another_system_is_no_name_of_a_folder(path):
    for raw in (
        target(url=f"file:{path}"),
        {"archive": {"path": path}},
        {"manifest": {"path": path}},
    ):
        with pytest.raises(ConfigError, match=r"(url|path): expected a folder of this system"):
            parse_config(raw, Path("/"))


@pytest.mark.parametrize("path", ["c", "a:b", "图:/x", "./C:/x"])
def test_a_folder_may_have_a_colon_in_its_name(path):
    for raw in (target(url=f"file:{path}"), {"archive": {"path": path}}):
        assert parse_config(raw, Path("/site"))


@pytest.mark.parametrize(
    ("text", "size"), [("64MiB", 64 * 2**20), ("1 kB", 1000), ("1.5K", 1500), (7, 7), ("7", 7)]
)
def test_sizes_have_units(text, size):
    assert parse_config({"fetch": {"max_bytes": text}}, Path("/")).fetch.max_bytes == size


def test_places_and_matches_that_only_look_alike_are_two():
    places = [TARGET, TARGET | {"name": "e", "endpoint_url": "https://s3.example"}]
    places += [{"name": "f", "url": "s3://bucket/prefix2"}, {"name": "g", "url": "file:bucket"}]
    prefixes = [SOURCE, {"name": "t", "match": ["https://h.example/a/"]}]
    config = parse_config({"destination": places, "source": prefixes}, Path("/"))
    assert len(config.destinations) == 4
    again = SOURCE | {"match": ["https://h.example/", "http://h.example/"]}
    assert len(parse_config({"source": [again]}, Path("/")).sources) == 1


def test_an_ignored_url_is_known_by_its_address():
    raw = {"source": [SOURCE], "ignore": [{"url": "http://H.example/a%2e", "reason": "gone"}]}
    ignored = parse_config(raw, Path("/")).ignored
    assert "https://h.example/a." in ignored
    assert "http://h.example/a." in ignored
    assert "https://h.example/ab" not in ignored


@pytest.mark.parametrize(
    ("url", "matching", "other"),
    [
        ("https://h.example/a/*.mp4", "https://h.example/a/b/c.mp4", "https://h.example/a/b.mp4s"),
        ("http://H.example/%61/*", "https://h.example/a/b.png", "https://h.example/b/b.png"),
        ("https://h.example/?.png", "https://h.example/a.png", "https://h.example/ab.png"),
        ("https://*.example/图*", "https://a.b.example/%E5%9B%BE1", "https://a.b.example/x"),
        ("https://h.example/a[1]*", "https://h.example/a%5B1%5D.png", "https://h.example/a1.png"),
        ("https://h.example/a?b=1", "https://h.example/a?b=1", "https://h.example/aXb=1"),
        ("https://h.example/*?b=1", "https://h.example/a?b=1", "https://h.example/a?b=2"),
        ("//h.example/*", "http://h.example/a", "http://other.example/a"),
    ],
)
def test_an_ignored_url_may_be_a_pattern_over_the_address(url, matching, other):
    ignored = parse_config({"source": [SOURCE], "ignore": [{"url": url}]}, Path("/")).ignored
    assert matching in ignored
    assert other not in ignored


def test_the_file_is_searched_upward_to_the_root_of_the_repository(tmp_path):
    below = tmp_path / "site" / "content"
    below.mkdir(parents=True)
    (tmp_path / "mirror.toml").write_text("")
    (tmp_path / "site" / ".git").mkdir()
    with pytest.raises(ConfigError, match="mirror init"):
        find_config(None, {}, below)
    (tmp_path / "site" / "mirror.toml").write_text("")
    assert find_config(None, {}, below) == tmp_path / "site" / "mirror.toml"
    named = {"MIRROR_CONFIG": str(tmp_path / "mirror.toml")}
    assert find_config(None, named, below) == tmp_path / "mirror.toml"
    assert find_config(EXAMPLE, named, below) == EXAMPLE


def test_the_file_may_be_named_before_the_command_and_behind_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "other"):
        (tmp_path / f"{name}.toml").write_text(f'[posts]\npaths = ["{name}"]\n')
    one, other = ["--config", "one.toml"], ["-c", "other.toml"]
    for arguments, named in (
        ([*one, "scan"], "one"),
        (["scan", *other], "other"),
        ([*one, "scan", *other], "other"),
    ):
        ended = CliRunner().invoke(app, arguments)
        assert isinstance(ended.exception, ConfigError), ended.output
        assert f"{tmp_path / named}: no such file or folder" in str(ended.exception)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"\xff", "not UTF-8"), (b"x = ", "not valid TOML"), (None, "cannot be read: Is a directory")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, data, message):
    path = tmp_path / "mirror.toml"
    path.mkdir() if data is None else path.write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_a_destination_may_have_the_name_of_another_folder(tmp_path: Path) -> None:
    """It hides neither the archive from the check of links, nor its folder from the commands."""
    site = tmp_path / "site"
    (site / ".git").mkdir(parents=True)
    (site / "archive").symlink_to(tmp_path)
    path = site / "mirror.toml"
    path.write_text('[[destination]]\nname = "archive"\nurl = "file:images"\n')
    with pytest.raises(ConfigError, match=r"the archive: .*archive is a symbolic link"):
        load_config(path)
    (site / "archive").unlink()
    folders = written_folders(load_config(path))
    assert [(name, folder.name) for name, folder in folders] == [
        ("archive", "archive"),
        ("manifest", "manifests"),
        ("state", ".mirror"),
        ("archive", "images"),
    ]


def test_a_link_to_the_posts_is_no_folder_of_its_own(tmp_path):
    (tmp_path / "content" / "posts").mkdir(parents=True)
    (tmp_path / "images").symlink_to("content")
    raw = {
        "posts": {"paths": ["content/posts"]},
        "destination": [{"name": "d", "url": "file:images"}],
    }
    with pytest.raises(ConfigError, match="the place of the posts too"):
        parse_config(raw, tmp_path)


def test_images_may_stand_beneath_the_posts_and_in_a_site_that_is_the_manifests_folder():
    raw = {
        "posts": {"paths": ["."]},
        "manifest": {"path": "."},
        "destination": [{"name": "d", "url": "file:images"}],
    }
    assert parse_config(raw, Path("/site")).destinations


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a." * 50_000 + "a = 1\n", "line 1: expected at most 200 dots"),
        ("[a" + ".a" * 100 + "]\n", "line 1: expected at most 8 dots"),
        ("k" * 101 + " = 1\n", "expected at most 100 characters"),
        ('[[destination]]\nurl = "file:x"\nkey = "' + "{sha256}" * 200 + '"\n', "at most 1024"),
        ('[[destination]]\nurl = "file:x"\nkey = "{sha256:.99999}"\n', "fields are"),
        ('[[destination]]\nurl = "file:x"\n' * 101, "expected at most 100 tables"),
        ("#" * (2 << 20), "has more than"),
        ("[posts]\npaths = [" + '"a",' * 1001 + "]\n", "paths: .* 1,000, got 1,001"),
        ("[posts]\ninclude = [" + '"a",' * 1001 + "]\n", "include: .* 1,000, got 1,001"),
        (f'[[destination]]\nurl = "file:{"x/" * 4000}"\n', r"at most 4,096 characters, got 8,005"),
        (
            f'[[source]]\nname="s"\nmatch=[]\nheaders = {{X = "{"x" * 5000}"}}\n',
            "headers.X: .* 4,096",
        ),
    ],
    ids=[
        "dots",
        "header",
        "name",
        "template",
        "cut",
        "destinations",
        "bytes",
        "paths",
        "patterns",
        "text",
        "value",
    ],
)
def test_what_would_take_long_to_read_is_refused(tmp_path, text, words):
    path = tmp_path / "mirror.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_config(path)


_DEEP = "[" + ("{" + "a." * 199 + "a = [\n") * 60 + "]}\n" * 60 + "]\n"


@pytest.mark.parametrize("value", [_DEEP, f"[0x{'f' * 9000}]", f'["{"x" * 900_000}", 1]'])
@pytest.mark.parametrize(
    "start",
    [
        "[posts]\npaths = [1,",
        "version = [",
        "[fetch]\nretries = [",
        "[fetch]\nmax_bytes = [",
        "archive = [1,",
        '[[source]]\nname = "s"\nmatch = []\nheaders.X = [',
    ],
)
def test_a_value_that_is_deep_or_long_is_quoted_in_part(tmp_path, start, value):
    """Thousands of levels are more than Python can print; a megabyte fills a log."""
    path = tmp_path / "mirror.toml"
    path.write_text(f"{start}{value}]\n")
    with pytest.raises(ConfigError, match="expected") as error:
        load_config(path)
    assert len(str(error.value)) < 1500
