"""Run real site generators. A test is skipped where its generator is not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def write(root: Path, files: dict[str, str | bytes]) -> None:
    """Write files under their names below `root`."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


def command(name: str, python_module: str | None = None) -> list[str]:
    """Return how a generator is run, or skip the test."""
    if python_module is not None:
        pytest.importorskip(python_module)
        return [sys.executable, "-m", name]
    modules = os.environ.get("MIRROR_TEST_NODE_MODULES")
    folders = [os.environ.get("PATH", ""), *([f"{modules}/.bin"] if modules else [])]
    program = shutil.which(name, path=os.pathsep.join(folders))
    return [program or pytest.skip(f"{name} is not installed")]


def link_packages(root: Path) -> None:
    """Let a generator of npm find its packages from the site's folder, or skip the test."""
    if (modules := os.environ.get("MIRROR_TEST_NODE_MODULES")) is not None:
        (root / "node_modules").symlink_to(modules)
    elif not (root / "node_modules").exists():
        pytest.skip("packages of npm are needed: MIRROR_TEST_NODE_MODULES names their folder")


def package_file(name: str) -> bytes:
    """Return a file of an installed package of npm, or skip the test."""
    modules = os.environ.get("MIRROR_TEST_NODE_MODULES")
    if modules is None or not (path := Path(modules, name)).is_file():
        pytest.skip(f"{name} is not installed")
    return path.read_bytes()


def build(root: Path, *arguments: str) -> None:
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    done = subprocess.run(
        arguments, cwd=root, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
