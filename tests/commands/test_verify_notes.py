"""`mirror verify --offline` names what a person should read before a change is merged."""

from __future__ import annotations

import re

import pytest
from support.commands import filled, run
from support.sites import Blog
from support.workflow_commands import obey


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
        if match := re.search(r"(\S+ ?\S*): (.*) \[(M214|M507)\]$", line):
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
        more="[fetch]\nallow_private_hosts = true\n",
    )
    messages = "\n".join(notes(site, "--offline")["M507"])
    for text in (
        "destination far: endpoint_url = 'https://evil.example'",
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
