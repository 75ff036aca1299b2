"""The texts that a configuration in TOML, JSON, YAML, JavaScript or Python sets. Pure."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

_MAX_DEPTH = 20  # of tables in YAML; no generator has some as deep


class Settings(NamedTuple):
    """The texts that a configuration sets, and the names of settings that a program computes.

    Names are in lower case. `computed` has them as the file spells them, too. A setting may be in
    both: `base: process.env.BASE || "/"`.
    """

    texts: Mapping[str, str]
    computed: Mapping[str, str]


def read_settings(name: str, text: str) -> Settings:
    """Return what a configuration sets.

    Names of tables are joined by dots. Tables of a list are numbered, and so are the texts of one.
    Of JavaScript and Python only what is written as a literal is read. What cannot be parsed sets
    nothing.
    """
    reader = _READERS.get(name.rpartition(".")[2], _javascript)
    texts: dict[str, str] = {}
    computed: set[str] = set()
    try:
        reader(text, texts, computed)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return Settings({}, {})
    return Settings(
        {key.lower(): value for key, value in texts.items()}, {key.lower(): key for key in computed}
    )


def _toml(text: str, texts: dict[str, str], _: set[str]) -> None:
    texts.update(_flat(tomllib.loads(text)))


def _json(text: str, texts: dict[str, str], _: set[str]) -> None:
    raw = json.loads(text)
    texts.update(_flat(raw) if isinstance(raw, dict) else ())


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
    r"^(?P<blanks>[ ]*)(?P<item>-[ ]+)?(?:(?P<key>[\w-]{1,99})[ \t]*:(?:[ \t]+|(?=[\r\n])|\Z))?"
    r"(?:\"(?P<double>[^\"\n]*)\"|'(?P<single>[^'\n]*)'|\[(?P<list>[^\[\]{}\n]*)\]"
    r"|(?P<tag>![^\n]*)|(?P<plain>[^\s#\"'&*!|>\[{][^\n]*?))?"
    r"[ \t]*(?:(?<=[ \t])#[^\n]*)?\r?$",
    re.MULTILINE,
)
_YAML_TEXT = re.compile(r"\"([^\"]*)\"|'([^']*)'|([^\s,\"'][^,\"']*)")
_HALF = 0.5  # an item is to the right of its list's name, and to the left of its own members


def _yaml(text: str, texts: dict[str, str], computed: set[str]) -> None:
    """Read the plain values line by line: a parser of YAML refuses the tags of MkDocs (`!ENV`)."""
    above: list[tuple[float, str]] = []  # indentation and name of the tables around a line
    numbers: Counter[int] = Counter()  # of the last item of a list, by the tables around it
    lists: Counter[str] = Counter()  # the texts of each list
    for line in _YAML_LINE.finditer(text):
        indentation, item, key = len(line["blanks"]), line["item"] or "", line["key"]
        if not (item or key):
            continue
        # An item may stand as far to the left as the name of its list.
        while above and above[-1][0] >= indentation + bool(item) * _HALF:
            above.pop()
        value = line["double"] or line["single"] or line["plain"]
        if key is None:
            name = ".".join(name for _, name in above)
            if value is not None:
                texts[f"{name}.{lists[name]}"] = value
                lists[name] += 1
            continue
        if item:
            number = numbers[len(above)] = numbers[len(above)] + 1
            above.append((indentation + _HALF, str(number)))
            indentation += len(item)
        name = ".".join([*(name for _, name in above), key])
        if value is not None:
            texts[name] = value
        elif line["list"] is not None:
            items = ("".join(filter(None, m.groups())) for m in _YAML_TEXT.finditer(line["list"]))
            texts.update(_numbered(name, [item.strip() for item in items]))
        elif line["tag"] is not None:
            computed.add(name)
        elif len(above) < _MAX_DEPTH:
            above.append((indentation, key))
            numbers[len(above)] = -1


# What is not closed ends at the end of its line or of the file, so that time stays linear.
_JS_TOKEN = re.compile(
    r"(?P<comment>/\*.*?(?:\*/|\Z)|//[^\n]*)"
    r"|(?P<quote>[\"'`])(?P<text>(?>(?:\\.|[^\"'`\\\n]++|(?!(?P=quote))[\"'`])*))(?P<end>(?P=quote)?)"
    r"|(?P<word>[A-Za-z_$][\w$]{0,99})|(?P<mark>\|\||\?\?|=>|[{}()\[\],:?=])",
    re.DOTALL,
)
_MAX_BRACKETS = 200  # open at once; the names of what is deeper would grow without an end
_CHOICES = frozenset((":", "?", "||", "??"))  # before a value, or before one of several
_BRACKETS = frozenset("{}()[]")
_MAX_NAME = 100  # characters, as many as a `word` of the pattern has


_DECLARATIONS = frozenset(("const", "let", "var"))
_ITEMS = ".[]."  # behind the name of a list, before that of a member of its tables
_NO_VALUES = frozenset("undefined null true false as const satisfies new".split())


def _javascript(text: str, texts: dict[str, str], computed: set[str]) -> None:
    script = _ScriptReader(texts, computed)
    tokens = [token for token in _JS_TOKEN.finditer(text) if token["comment"] is None]
    for token, after in zip_longest(tokens, tokens[1:]):
        script.read(token, (after["mark"] or "") if after is not None else "")
    for name, value in texts.items():
        if value not in ("", "/"):
            computed.discard(name)


class _ScriptReader:
    """Reads the members of objects whose value is a string, one of several, or a constant's name.

    A function that is called with a string sets what has the function's name. Objects that are no
    member's value, such as what is exported, have no name. Of several members of one name the last
    counts, and of a choice the first that is more than `/`.
    """

    def __init__(self, texts: dict[str, str], computed: set[str]) -> None:
        self.texts = texts
        self.computed = computed
        self.constants: dict[str, str] = {}
        self.tables = [""]  # what stands before the name of a member, one for each open bracket
        self.lists: Counter[str] = Counter()  # the texts of each list
        self.member = self.before = self.declared = self.called = ""

    def read(self, token: re.Match[str], following: str) -> None:
        """Read a token; `following` is the mark behind it."""
        mark, word = token["mark"] or "", token["word"] or ""
        value = _literal(token)
        value = self.constants.get(word) if value is None else value
        is_first = self.before in ("{", ",")
        if is_first and following == ":":
            self.member = f"{self.tables[-1]}{word or (token['text'] or '')[:_MAX_NAME]}"
            self.texts.pop(self.member, None)
            self.computed.discard(self.member)
        elif is_first and word and following in (",", "}") and not self._is_in_list:
            self._set_by_name(f"{self.tables[-1]}{word}", value)
        elif mark:
            self._mark(mark)
        elif value is not None and self._take(value, following):
            pass
        elif self.member and word not in _NO_VALUES:
            self.computed.add(self.member)
        if self.before in _DECLARATIONS:
            self.declared = word
        elif mark and mark not in (":", "="):  # the name may have a type
            self.declared = ""
        self.before = mark or word

    def _set_by_name(self, name: str, value: str | None) -> None:
        """Set `base` for `base: base`."""
        if value is None:
            self.computed.add(name)
        else:
            self.texts[name] = value

    def _take(self, value: str, following: str) -> bool:
        """Return True if a text is the value of something."""
        if self.before == "=" and self.declared:
            self.constants[self.declared] = value
        elif self.before in _CHOICES and self.member:
            if self.texts.get(self.member, "/") in ("", "/"):
                self.texts[self.member] = value
        elif self.before in ("[", ",") and self._is_in_list:
            name = self.tables[-1].removesuffix(_ITEMS)
            self.texts[f"{name}.{self.lists[name]}"] = value
            self.lists[name] += 1
        elif self.before == "(" and following == ")" and self.called:
            self.texts[self.called] = value
        else:
            return False
        return True

    def _mark(self, mark: str) -> None:
        if mark == ",":
            self.member = ""
        if mark not in _BRACKETS:
            return
        self.called = self.before if mark == "(" else ""
        if mark in "}])":
            del self.tables[max(1, len(self.tables) - 1) :]
        elif len(self.tables) > _MAX_BRACKETS:
            self.tables.append(self.tables[-1])
        else:
            inner = f"{self.member}." if self.member else self.tables[-1]
            self.tables.append(f"{inner}[]." if mark == "[" else inner)
        self.member = ""

    @property
    def _is_in_list(self) -> bool:
        return self.tables[-1].endswith(_ITEMS)


def _literal(token: re.Match[str]) -> str | None:
    text: str | None = token["text"]
    return text if text is not None and token["end"] and not re.search(r"\\|\$\{", text) else None


def _python(text: str, texts: dict[str, str], computed: set[str]) -> None:
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = (
                [statement.target] if isinstance(statement, ast.AnnAssign) else statement.targets
            )
            for name in targets:
                if isinstance(name, ast.Name):
                    texts.pop(name.id, None)
                    computed.discard(name.id)
                    texts.update(_literals(name.id, statement.value))
                    if not isinstance(statement.value, ast.List | ast.Tuple | ast.Constant):
                        computed.add(name.id)


def _literals(name: str, value: ast.expr) -> dict[str, str]:
    if isinstance(value, ast.List | ast.Tuple):
        return dict(_numbered(name, [getattr(item, "value", None) for item in value.elts]))
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return {name: value.value}
    return {}


_READERS: Mapping[str, Callable[[str, dict[str, str], set[str]], None]] = {
    "toml": _toml,
    "json": _json,
    "yml": _yaml,
    "yaml": _yaml,
    "py": _python,
}
