"""The texts that a configuration in TOML, JSON, YAML, JavaScript or Python sets. Pure."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

_MAX_DEPTH = 20  # of tables in YAML; no generator has some as deep


def read_settings(name: str, text: str) -> dict[str, str]:
    """Return the texts that a configuration sets, by name in lower case.

    Tables are joined by dots. Those of a list are numbered, and so are the texts of one, except in
    YAML and JavaScript. Of JavaScript and Python only what is written as a literal is read. What
    cannot be parsed sets nothing.
    """
    reader = _READERS.get(name.rpartition(".")[2], _javascript)
    try:
        return {key.lower(): value for key, value in reader(text).items()}
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return {}


def _toml(text: str) -> dict[str, str]:
    return dict(_flat(tomllib.loads(text)))


def _json(text: str) -> dict[str, str]:
    raw = json.loads(text)
    return dict(_flat(raw)) if isinstance(raw, dict) else {}


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, str):
            yield prefix + key, value
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            tables = (item for item in value if isinstance(item, dict))
            for number, item in enumerate(tables):
                yield from _flat(item, f"{prefix}{key}.{number}.")
            yield from _numbered(prefix + key, value)


def _numbered(name: str, values: Sequence[Any]) -> Iterator[tuple[str, str]]:
    texts = (value for value in values if isinstance(value, str))
    return ((f"{name}.{number}", text) for number, text in enumerate(texts))


_YAML_LINE = re.compile(
    r"^([ ]*)(-[ ]+)?([\w-]{1,99})[ \t]*:"
    r"(?:[ \t]+(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s#\"'&*!|>\[{][^\n]*?)))?"
    r"[ \t]*(?:[ \t]#[^\n]*)?\r?$",
    re.MULTILINE,
)
_HALF = 0.5  # an item is to the right of its list's name, and to the left of its own members


def _yaml(text: str) -> dict[str, str]:
    """Read the plain values line by line: a parser of YAML refuses the tags of MkDocs (`!ENV`)."""
    settings: dict[str, str] = {}
    above: list[tuple[float, str]] = []  # indentation and name of the tables around a line
    numbers: Counter[int] = Counter()  # of the last item of a list, by the tables around it
    for line in _YAML_LINE.finditer(text):
        indentation, item, key = len(line[1]), line[2] or "", line[3]
        # An item may stand as far to the left as the name of its list.
        while above and above[-1][0] >= indentation + bool(item) * _HALF:
            above.pop()
        if item:
            number = numbers[len(above)] = numbers[len(above)] + 1
            above.append((indentation + _HALF, str(number)))
            indentation += len(item)
        name = ".".join([*(name for _, name in above), key])
        value = next((group for group in line.groups()[3:] if group), None)
        if value is not None:
            settings[name] = value
        elif len(above) < _MAX_DEPTH:
            above.append((indentation, key))
            numbers[len(above)] = -1
    return settings


# What is not closed ends at the end of its line or of the file, so that time stays linear.
_JS_TOKEN = re.compile(
    r"(?P<comment>/\*.*?(?:\*/|\Z)|//[^\n]*)"
    r"|(?P<quote>[\"'`])(?P<text>(?>(?:\\.|[^\"'`\\\n]++|(?!(?P=quote))[\"'`])*))(?P<end>(?P=quote)?)"
    r"|(?P<word>[A-Za-z_$][\w$]{0,99})|(?P<mark>\|\||\?\?|=>|[{}()\[\],:?=])",
    re.DOTALL,
)
_MAX_BRACKETS = 200  # open at once; the names of what is deeper would grow without an end
_CHOICES = frozenset((":", "?", "||", "??", "="))  # before a value, or before one of several
_BRACKETS = frozenset("{}()[]")
_MAX_NAME = 100  # characters, as many as a `word` of the pattern has


def _javascript(text: str) -> dict[str, str]:
    """Read the members of objects whose value is a string, one of several, or a constant's name.

    Objects that are no member's value, such as what is exported, have no name. Of several members
    of one name the last counts, and of a choice the first that is more than `/`.
    """
    settings: dict[str, str] = {}
    constants: dict[str, str] = {}
    tables = [""]  # what stands before the name of a member, one for each open bracket
    member = before = assigned = ""
    tokens = [token for token in _JS_TOKEN.finditer(text) if token["comment"] is None]
    for token, after in zip_longest(tokens, tokens[1:]):
        mark, word, value = token["mark"] or "", token["word"] or "", _literal(token)
        if value is None:
            value = constants.get(word)
        if before in ("{", ",") and after is not None and after["mark"] == ":":
            member = f"{tables[-1]}{word or (token['text'] or '')[:_MAX_NAME]}"
            settings.pop(member, None)
        elif word in constants and before in ("{", ","):  # `base` for `base: base`
            settings[f"{tables[-1]}{word}"] = constants[word]
        elif value is not None and before == "=" and assigned:
            constants[assigned] = value
        elif value is not None and before in _CHOICES and member:
            if settings.get(member, "/") in ("", "/"):
                settings[member] = value
        elif mark in _BRACKETS:
            _bracket(mark, member, tables)
            member = ""
        elif mark == ",":
            member = ""
        assigned = word or (assigned if mark == "=" else "")
        before = mark or word
    return settings


def _literal(token: re.Match[str]) -> str | None:
    text: str | None = token["text"]
    return text if text is not None and token["end"] and not re.search(r"\\|\$\{", text) else None


def _bracket(mark: str, member: str, tables: list[str]) -> None:
    """Note in `tables`, the names of the open brackets, that one opens or closes."""
    if mark in "}])":
        del tables[max(1, len(tables) - 1) :]
    elif len(tables) > _MAX_BRACKETS:
        tables.append(tables[-1])
    else:
        inner = f"{member}." if member else tables[-1]
        tables.append(f"{inner}[]." if mark == "[" else inner)


def _python(text: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = (
                [statement.target] if isinstance(statement, ast.AnnAssign) else statement.targets
            )
            for name in targets:
                if isinstance(name, ast.Name):
                    settings |= _literals(name.id, statement.value)
    return settings


def _literals(name: str, value: ast.expr) -> dict[str, str]:
    if isinstance(value, ast.List | ast.Tuple):
        return dict(_numbered(name, [getattr(item, "value", None) for item in value.elts]))
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return {name: value.value}
    return {}


_READERS: Mapping[str, Callable[[str], dict[str, str]]] = {
    "toml": _toml,
    "json": _json,
    "yml": _yaml,
    "yaml": _yaml,
    "py": _python,
}
