"""Names whose addresses change between two look-ups, from outside: a resolver and a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.commands import picture
from support.names import ANSWERS

NAMES = Path(__file__).parents[1] / "support" / "names.py"
CONFIG = """
[posts]
paths = ["posts"]
[[source]]
name = "all"
match = [{match}]
[[destination]]
name = "site"
url = "file:static/images"
public_url = "/images"
[fetch]
retries = 1
timeout_s = 5
"""


def _sync(folder: Path, *urls: str) -> dict[str, Any]:
    """`mirror sync` of a post with these images, where their names are looked up on loopback."""
    inside = ["unshare", "--map-root-user", "--mount", "--net"]
    if not all(map(shutil.which, ("unshare", "ip", "mount"))) or subprocess.call(
        [*inside, "ip", "link", "set", "lo", "up"], stderr=subprocess.DEVNULL
    ):
        pytest.skip("this machine lets no test have a network of its own")
    (folder / "posts").mkdir()
    (folder / "posts" / "a.md").write_text("".join(f"![]({url})\n\n" for url in urls))
    match = ", ".join(f'"http://{name}/"' for name in ANSWERS)
    (folder / "mirror.toml").write_text(CONFIG.format(match=match))
    (folder / "a.png").write_bytes(picture(1))
    proxies = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    environ = {name: text for name, text in os.environ.items() if name.lower() not in proxies}
    done = subprocess.run(
        [*inside, sys.executable, NAMES, folder / "a.png", "sync", "--json"],
        cwd=folder,
        env=environ | {"HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    if "skip" in result:
        pytest.skip(result["skip"])
    return result


def _refused(result: dict[str, Any]) -> set[str]:
    """Return the images that were refused as private."""
    events = [json.loads(line) for line in result["out"].splitlines()]
    findings = [event for event in events if event["type"] == "finding"]
    return {finding["subject"] for finding in findings if finding["rule"] == "M502"}


def test_no_answer_of_a_name_server_leads_to_a_private_address(tmp_path: Path) -> None:
    private = [name for name in ANSWERS if ANSWERS[name](1) == ANSWERS[name](2)]
    private = [name for name in private if name not in ("public.example", "both.example")]
    urls = [f"http://{name}/a.png" for name in private]
    result = _sync(tmp_path, *urls, "http://public.example/a.png")
    assert result["private"] == []
    assert result["public"] == ["public.example/a.png"]
    assert _refused(result) == {*urls}


def test_the_address_that_is_connected_is_the_one_that_was_judged(tmp_path: Path) -> None:
    """The first look-up gives a public address, each later one 127.0.0.1."""
    result = _sync(tmp_path, *(f"http://turns.example/{number}.png" for number in range(4)))
    assert result["private"] == []
    assert len(result["public"]) == 1
    assert len(_refused(result)) == 3


def test_a_name_that_alternates_is_followed_to_its_public_address_only(tmp_path: Path) -> None:
    result = _sync(tmp_path, *(f"http://alternates.example/{number}.png" for number in range(6)))
    assert result["private"] == []
    assert result["public"]


def test_of_two_addresses_in_one_answer_the_public_one_is_asked(tmp_path: Path) -> None:
    result = _sync(tmp_path, "http://both.example/a.png")
    assert (result["code"], result["private"]) == (0, [])
    assert result["public"] == ["both.example/a.png"]


def test_a_redirect_to_the_same_name_is_judged_anew(tmp_path: Path) -> None:
    """By the time of the redirect the name means 127.0.0.1."""
    result = _sync(tmp_path, "http://turns.example/to/a.png")
    assert result["private"] == []
    assert result["public"] == ["turns.example/to/a.png"]
    assert _refused(result) == {"http://turns.example/to/a.png"}
