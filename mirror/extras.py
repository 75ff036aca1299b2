"""Libraries that not every installation has, and the command that adds one to this installation."""

from __future__ import annotations

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
        command = f"uv tool install '{_PACKAGE}[{extra}]'"
    else:
        command = f"pip install '{_PACKAGE}[{extra}]'"
    return f"{feature} needs {library}: {command}"
