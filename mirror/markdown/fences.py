"""Fenced code: where it ends, and whether readers see its text or what a plugin makes of it."""

from __future__ import annotations

import re

from mirror.markdown.languages import LANGUAGES

FENCE = rb"^[ \t>]*(?:[-*+][ \t]+|\d+[.)][ \t]+)?(?P<fence>`{3,}(?=[^`\r\n]*\r?$)|~{3,})"
"""The beginning of fenced code, as a regular expression with `re.M`."""
DRAWN_LANGUAGES = (
    rb"mermaid|markmap|plantuml|puml|graphviz|dot|flowchart|flow|echarts|chart|vega(?:-lite)?|kroki"
    rb"|d2|svgbob|wavedrom|sequence|mindmap|mindmap2|component|card|cards|gallery|excalidraw|drawio"
)
"""Languages of what a generator or a script draws, as alternatives of a regular expression."""
_DRAWN = re.compile(rb"(?:" + DRAWN_LANGUAGES + rb")\b")
# Words that make a page show what the code does: `jsx live`, `html preview`, `vue demo`.
_RUN = re.compile(rb"(?<![\w=-])(?:live|preview|demo|playground)(?![\w=-])")
_QUOTED = re.compile(rb"\"[^\"]*+\"|'[^']*+'")
_WORD = re.compile(rb"[^\s{}()\[\],:;|=]*+(?!=)")
# Names of highlighters before the language: `language-js`, GitHub's `source-c`.
_PREFIX = re.compile(rb"(?:highlight-)?(?:lang(?:uage)?|source|text)-")
# Directives of MyST and Sphinx that show code; others run it, or make something else of it.
_CODE_DIRECTIVES = frozenset(
    b"code code-block code-example command-output doctest highlight literalinclude parsed-literal"
    b" prompt sourcecode testcode testoutput".split()
)


def fence_end(text: bytes, opening: re.Match[bytes]) -> int:
    """Return where the code that a match of `FENCE` opens ends; an open fence ends with `text`."""
    mark = opening["fence"]
    closing = re.compile(rb"^[ \t>]*" + re.escape(mark[:1]) + rb"{%d,}[ \t]*\r?$" % len(mark), re.M)
    end = closing.search(text, opening.end())
    return end.end() if end is not None else len(text)


def is_drawn(info: bytes) -> bool:
    """Return True if a fence with this info string may be shown as something else than its text.

    It is so for a language that is drawn, for code that is run, and for a word that is no language
    at all: a plugin may know it.
    """
    info = _QUOTED.sub(b"", info).strip().lower()
    if _RUN.search(info):
        return True
    if not info.startswith(b"{"):
        return is_drawn_language(info)
    words = (word for word in info[1:].partition(b"}")[0].split() if not word.startswith(b"#"))
    first = next(words, b"")
    if first.startswith(b"."):  # Pandoc's class: `{.python}`
        return is_drawn_language(first[1:])
    if first.startswith(b"="):  # Pandoc's raw block: `{=html}`
        return True
    word = first.rstrip(b",")
    # `{figure}` and `{r}` are names; `{1,3}` and `{linenos=true}` are options of plain text.
    is_name = word[:1].isalpha() and b"=" not in word and b":" not in word
    return is_name and word not in _CODE_DIRECTIVES


def is_drawn_language(text: bytes) -> bool:
    """Return True if `text` begins with the name of a diagram, or with a word for no language."""
    first = _WORD.match(text.lower())
    word = _PREFIX.sub(b"", first[0], count=1) if first else b""
    is_word = word[:1].isalpha() or word[:1] > b"\x7f"
    if not is_word:
        return False  # no word, an option, or a file such as `.env`
    is_language = (
        word in LANGUAGES
        or word.rpartition(b".")[2] in LANGUAGES  # the name of a file
        or LANGUAGES.issuperset(word.split(b"-"))  # `diff-js`, `vue-html`
    )
    return _DRAWN.match(word) is not None or not is_language
