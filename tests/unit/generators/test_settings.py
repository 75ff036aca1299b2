"""What configurations in TOML, JSON, YAML, JavaScript and Python set."""

from __future__ import annotations

import pytest
from support.growth import assert_linear

from mirror.generators import read_settings


@pytest.mark.parametrize("name", ["a.toml", "a.json", "a.py", "a.yml", "a.js"])
def test_what_cannot_be_parsed_sets_nothing(name: str) -> None:
    assert read_settings(name, "[[[((({\0") == ({}, {})


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
        ("a.yml", "A: [x, 'y']"),
        ("a.yaml", 'A:\n- x # one\n-  "y"\n'),
        ("a.yml", "A:\n  - x\n  - {b: c}\n  - y\n"),
        ("a.ts", "define({ A: ['x', b, `y`] })"),
    ],
)
def test_the_texts_of_a_list_are_numbered(name: str, text: str) -> None:
    assert read_settings(name, text).texts == {"a.0": "x", "a.1": "y"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.ts", "define({ Base: process.env.BASE })"),
        ("a.ts", "define({ Base: process.env.BASE || '/' })"),
        ("a.mjs", "define({ Base: `/${name}/`, title: 'x' })"),
        ("a.js", "module.exports = { Base }"),
        ("a.js", "const Base = join(a, 'b')\nmodule.exports = { title: 'x', Base, }"),
        ("a.js", "x = { Base: isMain ? '/' : rest, }"),
        ("a.py", "import os\nBase = os.environ.get('BASE', '/')"),
        ("a.py", "Base = f'/{name}/'"),
        ("a.yml", "title: x\nBase: !ENV [BASE, '/']\n"),
    ],
)
def test_a_setting_that_a_program_computes_is_named(name: str, text: str) -> None:
    assert read_settings(name, text).computed == {"base": "Base"}
    assert read_settings(name, text).texts.get("base", "/") == "/"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.ts", "define({ Base: process.env.BASE || '/b/' })"),
        ("a.ts", "define({ Base: env === '/x/' ? '/b/' : '/' })"),
        ("a.ts", "const Base: string = '/b/'\nexport default { Base }"),
        ("a.ts", "export default { Base: '/b/' as const }"),
        ("a.ts", "export default { Base: process.env.BASE, ...{ Base: '/b/' } }"),
        ("a.js", "config.Base('/b/')"),
        ("a.py", "Base = os.environ['X']\nBase = '/b/'"),
        ("a.yml", "Base: /b/ # of !ENV\n"),
    ],
)
def test_a_literal_is_read_where_there_is_one(name: str, text: str) -> None:
    texts, computed = read_settings(name, text)
    assert texts["base"] == "/b/"
    assert "base" not in computed


def test_what_sets_nothing_is_not_computed() -> None:
    text = "define({ base: undefined, dev: true, title: null, list: ['a'], table: { b: '1' } })"
    assert not read_settings("a.ts", text).computed
