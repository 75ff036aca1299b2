"""Installs OpenStack Swift for the tests, in a separate environment below `.venv`.

`python -m tests.support.swift_env` builds it. Without it the tests that need Swift are skipped.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

# Pinned: the launcher reaches for a name that is private to Swift.
REQUIREMENT = "swift==2.38.3"
FOLDER = Path(__file__).parents[2] / ".venv" / "swift"
PYTHON = FOLDER / "bin" / "python"
STAMP = FOLDER / f"{REQUIREMENT}.installed"


def main() -> int:
    if STAMP.exists():
        return 0
    venv.create(FOLDER, clear=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", FOLDER, "install", "--no-compile"]
    installed = subprocess.run([*pip, REQUIREMENT], check=False)
    if installed.returncode == 0:
        STAMP.touch()
    return installed.returncode


if __name__ == "__main__":
    sys.exit(main())
