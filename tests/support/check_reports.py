"""Findings and reports of a check: examples, and strategies that put hostile text in them."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from mirror.formats import CheckReport
from mirror.model import Finding, Layer, Rule

HOSTILE = [
    "a\n::error file=x::injected",
    "a\r\n##[error]injected",
    "100%25 %0A::warning::x",
    "a,line=1:b",
    "</testcase><failure/>&amp;]]>",
    "| <img src=x onerror=alert(1)> ![](https://evil.example/x.png) @octocat #1 `x` **b** |",
    "[click](javascript:alert(1)) <https://evil.example> https://evil.example www.evil.example",
    "\x1b[31mred\x1b[0m \u202egnp.exe \x00",
    "\ud800 \ufffe \U0001f600 图片",
    "\\| \\\\ \\`",
]
texts = st.one_of(st.text(max_size=60), st.sampled_from(HOSTILE))
# A name that is no UTF-8 has its bytes as surrogates of this range, and of no other.
posts = texts.filter(lambda text: not re.search("[\ud800-\udc7f\udd00-\udfff]", text))
findings = st.builds(
    Finding,
    st.sampled_from(Rule),
    texts,
    texts,
    st.one_of(st.none(), posts),
    st.one_of(st.none(), st.integers(1, 10**6)),
    st.one_of(st.none(), st.integers(1, 10**6)),
)
reports = st.builds(
    CheckReport,
    layers=st.lists(st.builds(Layer, texts, st.lists(texts), st.lists(findings)), max_size=3),
    verdict=texts,
    exit_code=st.sampled_from([0, 1, 3, 4]),
    folder=st.sampled_from(["", ".", "blog"]),
    manifest=st.just("manifests/images.jsonl"),
)


def report(*findings: Finding, **changes: Any) -> CheckReport:
    layers = [Layer("destination r2", ["ab/good.png"], list(findings))]
    return CheckReport(**{"layers": layers, "verdict": "they differ", "exit_code": 1} | changes)


MISSING = Finding(Rule.OBJECT_MISSING, "ab/a.png", "missing in r2")
UNCHECKED = Finding(Rule.DESTINATION_UNREACHABLE, "r2", "no answer")
IN_POST = Finding(Rule.NOT_MIRRORED, "https://x/a.png", "is not mirrored", "posts/图 1.md", 3, 5)
SVG = Finding(Rule.SVG_STORED, "https://x/a.svg", "can hold scripts")
