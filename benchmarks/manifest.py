"""Loading and saving a manifest of 1,000,000 lines, and the memory that takes.

    python -m benchmarks manifest [--lines N] [--runs N]

Beside it, what the standard library's `json` takes for the same lines, nothing checked or kept.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from hashlib import md5, sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common import measured, median, several, table


def write_manifest(path: Path, lines: int) -> None:
    """A manifest as `sync` would write it, one line in seven a repeat."""
    with path.open("w", encoding="utf-8") as file:
        file.write('{"format": "mirror-manifest", "version": 1}\n')
        file.writelines(json.dumps(asset, ensure_ascii=False) + "\n" for asset in _assets(lines))


def _assets(count: int) -> Iterator[dict[str, object]]:
    digests = sorted(sha256(b"%d" % number).hexdigest() for number in range(count))
    for number, digest in enumerate(digests):
        is_repeat = number % 7 == 6
        asset: dict[str, object] = {
            "sha256": digest,
            "md5": md5(digest.encode(), usedforsecurity=False).hexdigest(),
            "size": 10_000 + number % 90_000,
            "media_type": "image/png",
            "width": 1280,
            "height": 720,
            "fingerprint": digest[::-1],
        }
        if is_repeat:
            asset["alias_of"] = digests[number - 1]
        else:
            asset["key"] = f"{digest[:2]}/{digest}.png"
        sources = [f"https://img.example.com/2024/{digest[:20]}.png"]
        yield asset | {"sources": sources}


def main() -> None:
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="bench-manifest-") as folder:
        path = Path(folder, "images.jsonl")
        write_manifest(path, options.lines)
        print(f"{options.lines:,} lines, {path.stat().st_size / 1e6:.0f} MB")
        works = {"manifest": lambda: measured("manifest", path)}
        facts = [run.facts for run in several(options.runs, works)["manifest"]]
    names = ("json_s", "load_s", "save_s", "held_mb", "peak_mb")
    table(
        ("json alone s", "load s", "save s", "held MB", "peak MB"),
        [[median(fact[name] for fact in facts) for name in names]],
    )
