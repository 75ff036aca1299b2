"""GitHub's workflow commands, read as its runner reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    name: str
    properties: dict[str, str]
    text: str


def obey(line: str) -> Command | None:
    """What GitHub's runner makes of a line: its ActionCommand, both versions, told in Python."""
    if "##[" in line and not line.lstrip().startswith("::"):
        raise AssertionError(f"a command of the first version: {line!r}")
    match = re.fullmatch(r"::([a-z-]+)(?: (.*?))?::(.*)", line.lstrip())
    if match is None:
        return None
    pairs = (pair.partition("=") for pair in (match[2] or "").split(",") if pair)
    properties = {name: _unescape(value, ":,") for name, _, value in pairs}
    return Command(match[1], properties, _unescape(match[3], ""))


def _unescape(text: str, more: str) -> str:
    for character in ["\r", "\n", *more, "%"]:  # the percent sign last, as the runner does
        text = text.replace(f"%{ord(character):02X}", character)
    return text
