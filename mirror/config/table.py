"""One TOML table: typed access, secrets refused, and every key that is not known an error."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from mirror.config.headers import VARIABLE
from mirror.config.values import ConfigError
from mirror.quotes import quoted, shortened
from mirror.urls.redact import looks_secret, printable, without_secrets

_MAX_NAME = 100  # characters of a key; the longest are names of headers
_SHORT = 20  # characters that a message quotes of a longer name
_MAX_S = 1_000_000  # eleven days: longer than anybody waits
_MAX_TEXT = 4096  # characters of a text; no path and no URL that servers take is longer

T = TypeVar("T")

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B?)", re.I)
_UNITS = {"": 1, "b": 1} | {
    f"{letter}{rest}": (1024 if rest.startswith("i") else 1000) ** power
    for power, letter in enumerate("kmgt", 1)
    for rest in ("", "b", "i", "ib")
}
_SECRET_KEY = re.compile(r"secret|password|passwd|token|access_?key|api_?key|credential", re.I)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# What belongs to one connection, or to the form of one request: RFC 9110, 7.2, 7.6.1 and 8.6.
_OWN_HEADERS = frozenset(
    "connection content-length host keep-alive proxy-connection te trailer transfer-encoding "
    "upgrade".split()
)
_SECRET_HEADER = re.compile(r"authorization|cookie|token|api-?key|secret", re.I)
_REQUIRED: Any = object()
_CREDENTIALS = (
    "credentials come from a profile of ~/.aws/credentials (`profile = …`), from AWS_ACCESS_KEY_ID "
    "and AWS_SECRET_ACCESS_KEY in the environment, or from the machine's role"
)


class Table:
    """Typed access to one table. It notes each key that is read, so that `finish` finds others."""

    def __init__(self, raw: object, where: str, file: str) -> None:
        self._where = where
        self._file = file
        self._known: set[str] = set()
        if not isinstance(raw, Mapping):
            raise ConfigError(f"{file}: {where}: expected a table, got {quoted(raw)}")
        self._raw = raw
        for key, value in raw.items():
            if len(key) > _MAX_NAME:
                raise self.error(shortened(key, _SHORT), f"expected at most {_MAX_NAME} characters")
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise self.error(key, "expected a number of 64 bits, got a longer one")

    def error(self, key: str, message: str) -> ConfigError:
        return ConfigError(f"{self._file}: {self._path(key)}: {message}")

    def _path(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def _take(self, key: str, kind: type[T] | tuple[type[T], ...], words: str, default: Any) -> T:
        self._known.add(key)
        value = self._raw.get(key, default)
        if value is _REQUIRED:
            raise self.error(key, f"missing; expected {words}{self._hint(key)}")
        if key in self._raw and (
            not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        ):
            raise self.error(key, f"expected {words}, got {quoted(value)}")
        return value  # type: ignore[no-any-return]

    def _hint(self, missing: str) -> str:
        """Return a remark on a key of the table that may be meant for the missing one."""
        from difflib import get_close_matches  # for a mistake alone

        near = get_close_matches(missing, self._raw.keys() - self._known, 1)
        return f"; {near[0]!r} is unknown, did you mean {missing!r}?" if near else ""

    def text(self, key: str, default: Any = None) -> str:
        value = self._take(key, str, "a string", _REQUIRED if default is None else default)
        return self._checked(key, value)

    def name(self, default: Any = None) -> str:
        """Return `name`, which is printed as it is in every line about the table."""
        value = self.text("name", default)
        if printable(value) != value:
            raise self.error("name", f"expected characters that show, got {printable(value)!r}")
        return value

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if key in self._raw else self._take(key, str, "a string", None)

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        values = self._take(
            key, list, "a list of strings", _REQUIRED if default is None else default
        )
        for value in values:
            if not isinstance(value, str):
                raise self.error(key, f"expected a list of strings, got {quoted(value)} in it")
            self._checked(key, value)
        return tuple(values)

    def flag(self, key: str, default: bool) -> bool:
        return self._take(key, bool, "true or false", default)

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        value = self._take(key, int, f"a whole number from {low} to {high}", default)
        if not low <= value <= high:
            raise self.error(key, f"expected a whole number from {low} to {high}, got {value}")
        return value

    def number(self, key: str, default: float) -> float:
        value = float(self._take(key, (int, float), "a number of seconds", default))
        if not 0 < value < _MAX_S:
            raise self.error(
                key, f"expected a number of seconds above 0 and below {_MAX_S:,}, got {value}"
            )
        return value

    def size(self, key: str, default: int) -> int:
        value: object = self._take(key, (int, str), 'bytes, such as "64MiB"', default)
        match = _SIZE.fullmatch(str(value).strip())
        if match is None or match[2].lower() not in _UNITS:
            raise self.error(key, f'expected bytes, such as "64MiB", got {quoted(value)}')
        size = float(match[1]) * _UNITS[match[2].lower()]
        if size < 1:
            raise self.error(key, f"expected more than no bytes, got {quoted(value)}")
        if size >= 2**63:
            raise self.error(key, f"expected fewer bytes, got {quoted(value)}")
        return int(size)

    def choice(self, key: str, choices: Sequence[Any], default: Any) -> Any:
        self._known.add(key)
        value = self._raw.get(key, default)
        if value not in choices or isinstance(value, bool):
            raise self.error(
                key, f"expected one of {', '.join(map(repr, choices))}, got {quoted(value)}"
            )
        return value

    def headers(self, key: str) -> list[tuple[str, str]]:
        headers = []
        for name, value in self._take(key, dict, "a table of strings", {}).items():
            if not isinstance(value, str) or re.search(r"[\r\n\0]", name + value):
                raise self.error(
                    f"{key}.{name}", f"expected a string of one line, got {quoted(value)}"
                )
            if len(value) > _MAX_TEXT:
                raise self.error(f"{key}.{name}", f"expected at most {_MAX_TEXT:,} characters")
            if not _HEADER_NAME.fullmatch(name):
                raise self.error(f"{key}.{name}", "no header can have this name")
            if name.lower() in _OWN_HEADERS:
                raise self.error(f"{key}.{name}", "each request sets this by itself; leave it out")
            literal = VARIABLE.sub("", value)
            if looks_secret(literal) or (_SECRET_HEADER.search(name) and literal == value):
                raise self.error(
                    f"{key}.{name}",
                    "a secret does not belong in this file; "
                    f'set an environment variable and write "${{{_variable(name)}}}"',
                )
            headers.append((name, value))
        return headers

    def table(self, key: str) -> Table:
        self._known.add(key)
        raw = self._raw.get(key, {})
        if isinstance(raw, list) and all(isinstance(item, Mapping) for item in raw):
            raise self.error(key, f"expected one table: write [{key}] instead of [[{key}]]")
        return Table(raw, f"[{key}]", self._file)

    def tables(self, key: str, most: int | None = None) -> list[Table]:
        if isinstance(self._raw.get(key), Mapping):
            raise self.error(key, f"expected [[{key}]] tables: write [[{key}]] instead of [{key}]")
        values = self._take(key, list, f"[[{key}]] tables", [])
        if most is not None and len(values) > most:
            raise self.error(key, f"expected at most {most} tables, got {len(values):,}")
        return [Table(value, f"[[{key}]] {n}", self._file) for n, value in enumerate(values, 1)]

    def finish(self) -> None:
        """Raise for every key nobody asked for."""
        for key in self._raw:
            if key in self._known:
                continue
            if _SECRET_KEY.search(key):
                raise self.error(key, f"a secret does not belong in this file; {_CREDENTIALS}")
            from difflib import get_close_matches  # for a mistake alone

            near = get_close_matches(key, self._known, 1, 0)
            raise self.error(
                key, f"unknown key; did you mean {near[0]!r}?" if near else "unknown key"
            )

    def _checked(self, key: str, value: str) -> str:
        """Return a text that is short, of one line and without a secret; raise for another."""
        if len(value) > _MAX_TEXT:
            raise self.error(key, f"expected at most {_MAX_TEXT:,} characters, got {len(value):,}")
        if re.search(r"[\x00-\x1f\x7f]", value):
            raise self.error(key, f"expected text without control characters, got {quoted(value)}")
        if looks_secret(value) or without_secrets(value) != value:
            raise self.error(
                key, f"holds a secret, which does not belong in this file; {_CREDENTIALS}"
            )
        return value


def _variable(header: str) -> str:
    return "MIRROR_" + re.sub(r"\W", "_", header.upper()).replace("SECRET", "KEY")
