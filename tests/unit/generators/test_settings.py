"""What configurations in TOML, JSON, YAML, JavaScript and Python set."""

from __future__ import annotations

import pytest
from support.growth import assert_linear

from mirror.generators import read_settings


@pytest.mark.parametrize("name", ["a.toml", "a.json", "a.py", "a.yml", "a.js"])
def test_what_cannot_be_parsed_sets_nothing(name: str) -> None:
    assert read_settings(name, "[[[((({\0") == {}


@pytest.mark.parametrize(
    ("opening", "piece"), [("", "/*"), ('"', '\\"'), ("", "{a:"), ("", "("), ("", "}")]
)
def test_a_script_that_closes_nothing_is_read_in_linear_time(opening: str, piece: str) -> None:
    assert_linear(lambda count: read_settings("a.js", opening + piece * count), 20_000)
