"""The import of httpx."""

from __future__ import annotations

import subprocess
import sys


def test_httpx_comes_without_the_libraries_of_its_command_line() -> None:
    program = (
        "import sys; from mirror.fetch.fetcher import Fetcher; import httpx; "
        "print(sorted({'rich', 'pygments', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
