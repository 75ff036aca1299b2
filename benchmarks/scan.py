"""How fast posts are scanned, beside the bare parser on the same posts in the same run.

    python benchmarks/scan.py FOLDER_OR_TAR [ROUNDS]

Prints, for each of the two, megabytes and posts a second of one core, the median of the rounds.
"""

from __future__ import annotations

import statistics
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyromark

from mirror.markdown import find_references

SUFFIXES = (".md", ".markdown", ".mdx")
PARSER = pyromark.Markdown(
    options=pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_FOOTNOTES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
)


def load(path: Path) -> dict[str, bytes]:
    if path.is_dir():
        files = (f for f in path.rglob("*") if f.suffix in SUFFIXES)
        return {str(f.relative_to(path)): f.read_bytes() for f in files}
    with tarfile.open(path) as archive:
        members = ((m, archive.extractfile(m)) for m in archive if m.name.endswith(SUFFIXES))
        return {member.name: file.read() for member, file in members if file}


def bare(data: bytes, post: str) -> None:
    for _ in PARSER.events_with_range(data.decode(errors="replace")):
        pass


def seconds(work: Callable[[bytes, str], object], posts: dict[str, bytes]) -> float:
    start = time.process_time()
    for post, data in posts.items():
        work(data, post)
    return time.process_time() - start


def main() -> None:
    posts = load(Path(sys.argv[1]))
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    size = sum(map(len, posts.values()))
    print(f"{len(posts)} posts, {size / 1e6:.1f} MB, median of {rounds} rounds, one core")
    times: dict[str, list[float]] = {"scan": [], "bare events": []}
    for _ in range(rounds):  # in turn, so that a drifting clock rate meets both alike
        times["scan"].append(seconds(find_references, posts))
        times["bare events"].append(seconds(bare, posts))
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:12} {size / 1e6 / median:6.1f} MB/s {len(posts) / median:7.0f} posts/s")
    scans = [find_references(data, post) for post, data in posts.items()]
    forms = Counter(r.form.value for scan in scans for r in scan.references)
    print(", ".join(f"{count} {form}" for form, count in forms.most_common()))
    findings = Counter(f.rule.slug for scan in scans for f in scan.findings)
    print(", ".join(f"{count} {rule}" for rule, count in findings.items()) or "no findings")


if __name__ == "__main__":
    main()
