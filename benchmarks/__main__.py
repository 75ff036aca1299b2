"""Every figure of BENCHMARKS.md, as Markdown on stdout.

    python -m benchmarks              all of them: most of an hour
    python -m benchmarks NAME [...]   one of them; `--help` behind a name shows its options
    python -m benchmarks heldout FOLDER      the rule for repeats over PDFs and pictures of yours
    python -m benchmarks lookalikes FOLDER   draws pages that differ in a letter, for `dedupe`
    python -m benchmarks fuzz                inputs that break the readers, for an hour
    python -m benchmarks pairs FOLDER        the cost of a pair, and how `dupes --near` ranks

Real posts and slides are taken from `../shared` where that folder is; otherwise the posts are those
of the tests, and the slides are drawn.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common import ROOT

NAMES = ("startup", "scan", "manifest", "sync", "link", "verify", "dedupe", "chaos")
ON_REQUEST = ("heldout", "lookalikes", "fuzz", "pairs", "scale")
POSTS = ROOT.parent / "shared" / "corpus" / "markdown-blogs.tar.gz"
PICTURES = ROOT.parent / "shared" / "slides-dev"
DRAWN = 300


def main() -> None:
    # Installed programs have their bytecode.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if len(sys.argv) == 1:
        with TemporaryDirectory(prefix="bench-") as folder:
            run_all(Path(folder))
        return
    name = sys.argv[1]
    if name not in (*NAMES, *ON_REQUEST):
        sys.exit(f"no benchmark {name!r}; there are {', '.join((*NAMES, *ON_REQUEST))}")
    sys.argv = [f"python -m benchmarks {name}", *sys.argv[2:]]
    sys.exit(import_module(f"benchmarks.{name}").main())


def run_all(folder: Path) -> None:
    """Each in a process of its own, so that none is measured with another's memory."""
    given = {
        "scan": [POSTS if POSTS.exists() else ROOT / "tests" / "data"],
        "dedupe": [PICTURES if PICTURES.exists() else drawn(folder / "images")],
    }
    for name in NAMES:
        print(f"\n## {name}\n", flush=True)
        subprocess.run([sys.executable, "-m", "benchmarks", name, *given.get(name, ())], check=True)


def drawn(folder: Path) -> Path:
    """A folder of slides for benchmarks that read one."""
    from benchmarks import sync

    sync.write_pictures(sync.drawn(DRAWN), folder)
    return folder


if __name__ == "__main__":
    main()
