"""Patterns with `*`: they match what a plain translation matches, and no text holds them up."""

from __future__ import annotations

import re
from random import Random
from time import process_time

import pytest

from mirror.globs import compile_path_glob, compile_text_glob

PATH_WILDCARDS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def plain_path(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"((?<![^/])\*\*/|\*\*|\*|\?)", pattern)
    expression = "".join(PATH_WILDCARDS.get(part, re.escape(part)) for part in parts)
    return re.compile(expression, re.DOTALL)


def plain_text(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def test_a_pattern_matches_what_a_plain_translation_matches() -> None:
    random = Random(1)
    words = ["a", "b", "/", "*", "**", "**/", "/**/", "?", "*"]
    for _ in range(4_000):
        pattern = "".join(random.choices(words, k=random.randrange(9)))
        text = "".join(random.choices("aab/\n", k=random.randrange(11)))
        for compiled, plain in (
            (compile_path_glob(pattern), plain_path(pattern)),
            (compile_text_glob(pattern), plain_text(pattern)),
        ):
            is_match = compiled.fullmatch(text) is not None
            assert is_match == (plain.fullmatch(text) is not None), (pattern, text)


@pytest.mark.parametrize("start", ["*a", "**a", "**/a", "**/*a", "*a*/", "?*"])
def test_no_text_holds_up_a_pattern(start: str) -> None:
    pattern = start * (4000 // len(start)) + "b"
    began = process_time()
    for compiled in (compile_path_glob(start * 8 + "b"), compile_path_glob(pattern)):
        for text in ("a" * 4000, "a/" * 2000, "/" * 4000):
            assert compiled.fullmatch(text) is None
    for compiled in (compile_text_glob(start * 8 + "b"), compile_text_glob(pattern)):
        assert compiled.fullmatch("a" * 4000) is None
    assert process_time() - began < 20
