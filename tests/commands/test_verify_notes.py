"""`mirror verify --offline` names what a person should read before a change is merged."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
from support.commands import BUCKET, filled, run
from support.sites import Blog
from support.workflow_commands import obey

from mirror.config.values import (
    ArchiveBucket,
    Config,
    DestinationSettings,
    FetchSettings,
    PostSettings,
)
from mirror.urls.sources import Source


@pytest.fixture
def site(blog: Blog, monkeypatch: pytest.MonkeyPatch) -> Blog:
    for name in ("GITHUB_WORKSPACE", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    filled(blog, "a.png", "b.png")
    return blog


def notes(blog: Blog, *arguments: str) -> dict[str, list[str]]:
    """The lines of the output that are notes, by rule."""
    ran = run(blog, "verify", *arguments)
    assert ran.code == 0
    notes_by_rule: dict[str, list[str]] = {}
    for line in ran.out.splitlines():
        if match := re.search(r"(\S+ ?\S*): (.*) \[(M214|M216|M507|M508)\]$", line):
            notes_by_rule.setdefault(match[3], []).append(line.partition(" ")[2])
    return notes_by_rule


def test_each_decision_is_named_with_its_line(site: Blog) -> None:
    a, b = (site.asset(name)["sha256"] for name in ("a.png", "b.png"))
    path = site.root / "manifests" / "reviews.txt"
    path.write_text(f"# by hand\nsplit {a}\nmerge {a} {b}\naccept https://h.example/x.png {b}\n")
    messages = notes(site, "--offline")["M214"]
    assert [re.findall(r"reviews\.txt:\d", text)[0][-1] for text in messages] == ["3", "4"]
    assert f"accept https://h.example/x.png {b}" in messages[1]
    ran = run(site, "verify", "--offline", "--format", "github")
    assert ran.code == 0
    commands = [command for line in ran.out.splitlines() if (command := obey(line))]
    places = [(c.name, c.properties.get("file"), c.properties.get("line")) for c in commands]
    assert ("warning", "manifests/reviews.txt", "3") in places
    assert "manifests/reviews.txt:4" in messages[1]
    assert "M214" not in notes(site)


def test_each_setting_that_opens_something_is_named(site: Blog) -> None:
    site.configure(
        source='headers = { Cookie = "a=${BLOG_COOKIE}" }',
        destination=(
            '[[destination]]\nname = "far"\nurl = "s3://b/p"\n'
            'endpoint_url = "https://evil.example"\npublic_url = "http://10.0.0.7/x"\n'
        ),
        more=(
            "[fetch]\nallow_private_hosts = true\n"
            '[archive]\npath = "s3://b/a"\nendpoint_url = "https://worse.example"\n'
        ),
    )
    messages = "\n".join(notes(site, "--offline")["M507"])
    for text in (
        "destination far: endpoint_url = 'https://evil.example'",
        "archive: endpoint_url = 'https://worse.example'",
        f"source blog: fetch = '{site.host.base_url}'",
        "source blog: headers: its hosts get the environment variable BLOG_COOKIE",
        "destination far: public_url = 'http://10.0.0.7/x'",
        "fetch: allow_private_hosts = true",
    ):
        assert text in messages
    assert "M507" not in notes(site, "--offline", "--json")


def test_settings_that_open_nothing_are_not_named(site: Blog) -> None:
    path = site.root / "mirror.toml"
    text = path.read_text().replace(site.host.base_url, "https://internal.example.com/")
    path.write_text(text)
    assert notes(site, "--offline") == {}


# --- Since a commit -------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def add_source(site: Blog, line: int, address: str) -> None:
    path = site.root / "manifests" / "images.jsonl"
    lines = path.read_text().splitlines()
    asset = json.loads(lines[line])
    lines[line] = json.dumps(asset | {"sources": sorted([*asset["sources"], address])})
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def repository(site: Blog) -> Blog:
    (site.root / "manifests" / "reviews.txt").write_text(f"split {'0' * 64}\n")
    git(site.root, "init", "--quiet", "--initial-branch=main")
    git(site.root, "add", "manifests", "posts", "mirror.toml")
    git(site.root, "commit", "--quiet", "--message=before")
    git(site.root, "switch", "--quiet", "--create=change")
    return site


def test_an_address_that_a_known_picture_did_not_have_is_named(repository: Blog) -> None:
    assert "M216" not in notes(repository, "--offline", "--since", "main")
    add_source(repository, 2, "https://h.example/x.png")
    (told,) = notes(repository, "--offline", "--since", "main")["M216"]
    assert "manifests/images.jsonl:3" in told
    assert "https://h.example/x.png" in told
    git(repository.root, "commit", "--all", "--quiet", "--message=change")
    assert notes(repository, "--offline", "--since", "main")["M216"] == [told]
    assert "M216" not in notes(repository, "--offline")


def test_an_address_that_had_another_picture_is_named(repository: Blog) -> None:
    path = repository.root / "manifests" / "images.jsonl"
    text = path.read_text().replace("/a.png", "/c.png").replace("/b.png", "/a.png")
    path.write_text(text.replace("/c.png", "/b.png"))
    told = notes(repository, "--offline", "--since", "main")["M216"]
    assert len(told) == 2
    assert all("and now has" in text for text in told)


def test_a_key_that_a_change_moves_is_named(repository: Blog) -> None:
    """A key without a digest may be exchanged with another one: nothing else shows it."""
    path = repository.root / "manifests" / "images.jsonl"
    header, first, second = path.read_text().splitlines()
    key = json.loads(first)["key"]
    moved = json.dumps({**json.loads(first), "key": "another.png"})
    path.write_text("\n".join([header, moved, second]) + "\n")
    told = run(repository, "verify", "--offline", "--since", "main").out
    (line,) = [line for line in told.splitlines() if line.endswith("[M216]")]
    assert f"images.jsonl:2 {key}: was the key of picture" in line
    assert "which has another.png now" in line


def test_an_address_that_is_gone_is_named(repository: Blog) -> None:
    """Where a repeat loses its line, posts and destinations still agree with the manifest."""
    path = repository.root / "manifests" / "images.jsonl"
    before = path.read_text()
    header, first, second = before.splitlines()
    address = json.loads(first)["sources"][0]
    path.write_text(f"{header}\n{second}\n")
    told = run(repository, "verify", "--offline", "--since", "main", "posts").out
    (line,) = [line for line in told.splitlines() if line.endswith("[M216]")]
    assert f"{address}: is gone, and had picture" in line
    moved = {**json.loads(first), "sources": [], "former_sources": [address]}
    added = {**json.loads(second), "sources": [*json.loads(second)["sources"], address]}
    lines = sorted([json.dumps(moved), json.dumps(added)])
    path.write_text("\n".join([header, *lines]) + "\n")
    told = run(repository, "verify", "--offline", "--since", "main", "posts").out
    assert "is gone" not in told


def test_a_new_picture_is_no_news(repository: Blog) -> None:
    filled(repository, "a.png", "b.png", "new.png")
    assert "M216" not in notes(repository, "--offline", "--since", "main")


def test_a_folder_that_became_a_link_is_compared_as_it_was(repository: Blog) -> None:
    """The folder that it leads to was there too, with another manifest."""
    folder, other = repository.root / "manifests", repository.root / "other"
    shutil.copytree(folder, other)
    add_source(repository, 2, "https://h.example/x.png")
    git(repository.root, "add", "other")
    git(repository.root, "commit", "--all", "--quiet", "--message=other")
    add_source(repository, 2, "https://h.example/y.png")
    (folder / "reviews.txt").write_text(f"split {'0' * 64}\nsplit {'1' * 64}\n")
    shutil.rmtree(other)
    folder.rename(other)
    folder.symlink_to("other")
    told = notes(repository, "--offline", "--since", "HEAD")
    assert [line.partition(": is new")[0].split()[-1] for line in told["M216"]] == [
        "https://h.example/y.png"
    ]
    assert len(told["M214"]) == 1


def test_a_manifest_that_was_not_there_cannot_be_compared_and_is_named(repository: Blog) -> None:
    add_source(repository, 2, "https://h.example/x.png")
    (repository.root / "manifests").rename(repository.root / "other")
    repository.configure(more='[manifest]\npath = "other"\n')
    (told,) = notes(repository, "--offline", "--since", "main")["M216"]
    assert "/images.jsonl" in told
    assert "be compared" in told


def test_each_setting_that_hides_images_is_named(repository: Blog) -> None:
    path = repository.root / "mirror.toml"
    before = path.read_text()
    assert "M508" not in notes(repository, "--offline", "--since", "main")
    ignored = '[[ignore]]\nurl = "https://h.example/*"\n'
    path.write_text(
        before.replace(BUCKET, f"{BUCKET}a.png").replace(
            'paths = ["posts"]',
            'paths = ["posts/new"]\nexclude = ["b*"]\ninclude = ["**/*.md"]',
        )
        + ignored
    )
    (repository.root / "posts" / "new").mkdir()
    repository.write("new/c.md", f"![]({BUCKET}a.png)\n")
    told = notes(repository, "--offline", "--since", "main")["M508"]
    texts = ["https://h.example/*", "'b*' is new", "'**/*.mdx' is gone", "'posts' is gone", BUCKET]
    assert all(any(text in line for line in told) for text in texts), told
    assert "M508" not in notes(repository, "--offline")


def test_a_configuration_that_hides_the_one_of_before_is_named(repository: Blog) -> None:
    """The job works in a folder beneath that of `mirror.toml`, where a change adds another one."""
    text = (repository.root / "mirror.toml").read_text().replace('"posts"', '"."')
    ignored = '[manifest]\npath = "../manifests"\n[[ignore]]\nurl = "https://*/*"\n'
    folder = repository.root / "posts"
    (folder / "mirror.toml").write_text(text + ignored)
    repository.root = folder
    (told,) = notes(repository, "--offline", "--since", "main")["M508"]
    assert "mirror.toml: was not there at commit" in told


def test_a_setting_by_which_more_is_looked_at_is_not_named(repository: Blog) -> None:
    path = repository.root / "mirror.toml"
    with path.open("a") as file:
        file.write('[[ignore]]\nurl = "https://h.example/x.png"\n')
    git(repository.root, "commit", "--all", "--quiet", "--message=ignored")
    git(repository.root, "switch", "--quiet", "--create=other")
    text = path.read_text()
    path.write_text(text[: text.index("[[ignore]]")].replace('"posts"', '"posts", "."'))
    assert "M508" not in notes(repository, "--offline", "--since", "change")


_BUCKET = '[[destination]]\nname = "far"\nurl = "s3://b/p"\n'
_WIDER = {
    "PostSettings.paths": (
        'paths = ["posts"]',
        'paths = ["posts", "manifests"]',
        "paths = 'manifests' is new",
    ),
    "PostSettings.include": (
        'paths = ["posts"]',
        'paths = ["posts"]\ninclude = ["**/*"]',
        r"include = '\*\*/\*' is new",
    ),
    "Source.match": (
        BUCKET,
        f'https://v.example/", "{BUCKET}',
        "blog: match = 'https://v.example/' is new",
    ),
    "Source.trust_svg": (
        "\nfetch",
        "\ntrust_svg = true\nfetch",
        "trust_svg = 'true' is new: a script",
    ),
    "Source.headers": (
        "\nfetch",
        '\nheaders = { Referer = "https://r.example/" }\nfetch',
        "headers.Referer is new",
    ),
    "Source.fetch": (
        'fetch = "',
        'fetch = "https://f.example/" #',
        "fetch = 'https://f.example/' is",
    ),
    "Source.profile": (
        'fetch = "',
        'profile = "p"\nfetch = "s3://b/x" #',
        "source blog: profile = 'p'",
    ),
    "FetchSettings.concurrency": ("", "[fetch]\nconcurrency = 20", "concurrency = 20, and was 16"),
    "FetchSettings.timeout_s": ("", "[fetch]\ntimeout_s = 31", "timeout_s = 31.0, and was 30.0"),
    "FetchSettings.retries": ("", "[fetch]\nretries = 5", "retries = 5, and was 4"),
    "FetchSettings.max_bytes": (
        "",
        '[fetch]\nmax_bytes = "65MiB"',
        "max_bytes = 68157440, and was",
    ),
    "FetchSettings.max_pixels": ("", "[fetch]\nmax_pixels = 200_000_000", "max_pixels = 200000000"),
    "FetchSettings.allow_private_hosts": (
        "",
        "[fetch]\nallow_private_hosts = true",
        "allow_private_hosts = true",
    ),
    "DestinationSettings.url": ("", _BUCKET, "destination far: url = 's3://b/p' is new"),
    "DestinationSettings.public_url": (
        "",
        f'{_BUCKET}public_url = "https://e.example"',
        "public_url = 'https://e.example' is new",
    ),
    "DestinationSettings.profile": ("", f'{_BUCKET}profile = "p"', "far: profile = 'p' is new"),
    "DestinationSettings.endpoint_url": (
        "",
        f'{_BUCKET}endpoint_url = "https://e.example"',
        "endpoint_url = 'https://e.example'",
    ),
    "ArchiveBucket.url": ("", '[archive]\npath = "s3://b/a"', "archive: path = 's3://b/a' is new"),
    "ArchiveBucket.endpoint_url": (
        "",
        '[archive]\npath = "s3://b/a"\nendpoint_url = "https://e.example"',
        "archive: endpoint_url",
    ),
    "ArchiveBucket.profile": (
        "",
        '[archive]\npath = "s3://b/a"\nprofile = "p"',
        "archive: profile = 'p' is new",
    ),
    "Config.archive": ("", '[archive]\npath = "../a"', "archive: path = '.*' is new"),
    "Config.dedupe": (
        'mode = "exact"',
        'mode = "perceptual"',
        "mode = 'perceptual', and was 'exact': more pictures",
    ),
}
_NOT_WIDER = {
    # Tables, and what tells where the configuration is.
    *("Config.root", "Config.posts", "Config.sources", "Config.destinations", "Config.fetch"),
    # Named by other rules: M216, and M508.
    *("Config.manifest", "Config.ignored", "PostSettings.exclude"),
    # Names, and ways to say what the settings above say.
    *("Source.name", "DestinationSettings.name", "DestinationSettings.links"),
    # Which picture is shown of those that are taken; how the objects are called, never another's.
    *("Source.variants", "DestinationSettings.key"),
    # `endpoint_url` says where the server is; without it, it is always Amazon's.
    "Source.region",
    "Source.endpoint_url",
    *(
        f"{kind}.{key}"
        for kind in ("DestinationSettings", "ArchiveBucket")
        for key in ("region", "provider", "addressing")
    ),
}


@pytest.mark.parametrize("setting", _WIDER)
def test_each_setting_that_lets_more_in_is_named(repository: Blog, setting: str) -> None:
    path = repository.root / "mirror.toml"
    narrow = path.read_text() + '[dedupe]\nmode = "exact"\n'
    path.write_text(narrow)
    git(repository.root, "commit", "--all", "--quiet", "--message=narrow")
    assert "is new" not in str(notes(repository, "--offline", "--since", "change"))
    old, new, told = _WIDER[setting]
    wide = narrow.replace(old, new, 1) if old else f"{narrow}{new}\n"
    assert wide != narrow
    path.write_text(wide)
    found = notes(repository, "--offline", "--since", "change")
    assert [line for line in found["M507"] if re.search(told, line)], found


def test_every_setting_is_named_or_lets_in_no_more() -> None:
    kinds = (Config, PostSettings, Source, DestinationSettings, ArchiveBucket, FetchSettings)
    settings = {f"{kind.__name__}.{each.name}" for kind in kinds for each in fields(kind)}
    assert settings == _WIDER.keys() | _NOT_WIDER
    assert not _WIDER.keys() & _NOT_WIDER


def test_another_name_of_the_site_is_named(repository: Blog) -> None:
    """It may be that of another site in the same bucket."""
    path = repository.root / "manifests" / "site.txt"
    name = path.read_text()
    path.write_text(name + f"{'0' * 32}\n")  # two branches were merged; the first line counts
    assert "site.txt" not in str(notes(repository, "--offline", "--since", "main"))
    path.write_text(f"{'0' * 32}\n" + name)
    told = notes(repository, "--offline", "--since", "main")["M507"]
    assert [line for line in told if "site.txt:1" in line and "`prune` would take" in line]


def test_a_setting_that_lets_less_in_is_not_named(repository: Blog) -> None:
    path = repository.root / "mirror.toml"
    path.write_text(path.read_text() + '[fetch]\nretries = 1\n[dedupe]\nmode = "off"\n')
    told = notes(repository, "--offline", "--since", "main")
    assert "retries" not in str(told)
    assert "mode" not in str(told)


def test_only_decisions_that_were_added_are_named(repository: Blog) -> None:
    path = repository.root / "manifests" / "reviews.txt"
    path.write_text(path.read_text() + f"split {'1' * 64}\n")
    (told,) = notes(repository, "--offline", "--since", "main")["M214"]
    assert "reviews.txt:2" in told
    assert len(notes(repository, "--offline")["M214"]) == 2


def test_what_main_added_meanwhile_is_no_part_of_the_change(repository: Blog) -> None:
    git(repository.root, "switch", "--quiet", "main")
    add_source(repository, 2, "https://h.example/x.png")
    git(repository.root, "commit", "--all", "--quiet", "--message=main")
    git(repository.root, "switch", "--quiet", "change")
    assert "M216" not in notes(repository, "--offline", "--since", "main")


@pytest.mark.parametrize("since", ["nowhere", "--output=x", "-h", "main:mirror.toml", ""])
def test_a_commit_that_is_not_there_is_a_usage_error(repository: Blog, since: str) -> None:
    ran = run(repository, "verify", "--offline", f"--since={since}")
    assert ran.code == 2
    assert "--since" in ran.err
    assert not (repository.root / "x").exists()


def test_every_format_says_what_was_added(repository: Blog) -> None:
    add_source(repository, 2, "https://h.example/x.png")
    for form in ("json", "junit", "sarif", "github", "text"):
        ran = run(repository, "verify", "--offline", "--since=main", f"--format={form}")
        assert ran.code == 0, ran.err
        assert "x.png" in ran.out, form


def test_a_merge_driver_of_the_checkout_is_not_run(repository: Blog) -> None:
    (repository.root / ".gitattributes").write_text("* diff=evil filter=evil\n")
    git(repository.root, "config", "diff.evil.textconv", "touch textconv; cat")
    git(repository.root, "config", "filter.evil.smudge", "touch smudge; cat")
    notes(repository, "--offline", "--since", "main")
    assert not list(repository.root.glob("*conv")) + list(repository.root.glob("smudge"))
