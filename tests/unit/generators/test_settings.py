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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", 'A = ["x", 1, "y"]'),
        ("a.json", '{"A": ["x", {}, "y"]}'),
        ("a.py", "A = ['x', B, 'y']"),
        ("a.py", "A: tuple = ('x', 1, 'y')"),
    ],
)
def test_the_texts_of_a_list_are_numbered(name: str, text: str) -> None:
    assert read_settings(name, text) == {"a.0": "x", "a.1": "y"}
