"""Every format counts the paths of files from one folder."""

from __future__ import annotations

import json
import re

import cmarkgfm
import html5lib
from support.check_reports import MISSING, UNCHECKED, report
from support.workflow_commands import obey

from mirror import formats
from mirror.formats import FileLocation
from mirror.model import Finding, Rule


def test_every_format_counts_paths_from_the_root_of_the_repository() -> None:
    """The site is in a folder of the repository, as with a website beside a program."""
    whole_post = Finding(Rule.POST_UNREADABLE, "docs/b.md", "cannot be read", "docs/b.md")
    shown = Finding(Rule.NOT_MIRRORED, "https://x/a.png", "is not", "docs/intro.mdx", 3, 5)
    whole = report(
        shown,
        whole_post,
        MISSING,
        UNCHECKED,
        folder="website",
        manifest="website/manifests/images.jsonl",
        places={"ab/a.png": FileLocation("website/manifests/images.jsonl", 7)},
    )
    manifest = "website/manifests/images.jsonl"
    posts = ["website/docs/intro.mdx", "website/docs/b.md"]
    results = json.loads(formats.sarif_log(whole))["runs"][0]["results"]
    places = [result["locations"][0]["physicalLocation"] for result in results]
    assert [p["artifactLocation"]["uri"] for p in places] == [*posts, manifest, manifest]
    commands, _ = formats.github_annotations(whole)
    files = [obey(line).properties.get("file") for line in commands]  # type: ignore[union-attr]
    assert files == [posts[0], manifest, posts[1], None]
    assert re.findall(' file="([^"]*)"', formats.junit_xml(whole)) == [*posts, manifest]
    page = cmarkgfm.github_flavored_markdown_to_html(formats.job_summary(whole))
    cells = [
        "".join(c.itertext()) for c in html5lib.parse(page, namespaceHTMLElements=False).iter("td")
    ]
    assert list(zip(cells[1::3], cells[2::3], strict=True)) == [
        (f"{posts[0]}:3:5", "https://x/a.png: is not"),
        (f"{manifest}:7", "ab/a.png: missing in r2"),
        (posts[1], "cannot be read"),
        ("r2", "no answer"),
    ]
