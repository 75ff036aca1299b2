"""Libraries that not every installation has, and the command that adds one to this installation."""

from __future__ import annotations

import tomllib
from pathlib import Path

_PACKAGE = "markdown-mirror"


def missing_library(feature: str, library: str, extra: str, prefix: Path) -> str:
    """Return the sentence for a feature that needs a library, with the command that installs it.

    `prefix` is the environment that mirror runs in: the tool that made it has to be the one that
    installs. pipx is given the library and not the extra, because it would take the package of the
    extra for the one to install again later, also where mirror came from a folder.
    """
    if (prefix / "pipx_metadata.json").exists():
        command = f"pipx inject {prefix.name} {library}"
    elif (prefix / "uv-receipt.toml").exists():
        command = f"uv tool install '{_for_uv(prefix / 'uv-receipt.toml', extra)}'"
    elif _is_made_by_uv(prefix):
        command = f"uv pip install '{_PACKAGE}[{extra}]'"
    else:
        command = f"pip install '{_PACKAGE}[{extra}]'"
    return f"{feature} needs {library}: {command}"


def _for_uv(receipt: Path, extra: str) -> str:
    """Return what uv is to install: the folder or package of before, with its extras and one more.

    uv takes out an extra that is not named, and finds a package of a folder in no index.
    """
    try:
        (entry,) = (
            entry
            for entry in tomllib.loads(receipt.read_text("utf-8"))["tool"]["requirements"]
            if entry["name"] == _PACKAGE
        )
        origin = str(entry.get("directory") or entry.get("editable") or _PACKAGE)
        extras = {extra, *map(str, entry.get("extras", ()))}
    except (OSError, ValueError, KeyError, TypeError):
        origin, extras = _PACKAGE, {extra}
    return f"{origin}[{','.join(sorted(extras))}]"


def _is_made_by_uv(prefix: Path) -> bool:
    """Return True for a virtual environment of `uv venv`, which has no pip."""
    try:
        settings = (prefix / "pyvenv.cfg").read_text("utf-8", "replace")
    except OSError:
        return False
    return any(line.startswith("uv = ") for line in settings.splitlines())
