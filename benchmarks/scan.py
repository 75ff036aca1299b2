"""How fast posts are scanned, beside the bare parser on the same posts in the same run.

    python -m benchmarks scan FOLDER_OR_TAR [ROUNDS]

Prints, for each of the two, megabytes and posts a second of one core, the median of the rounds.
Then the same for a written post of each dialect, which has a picture in every few lines.
"""

from __future__ import annotations

import statistics
import tarfile
import time
from argparse import ArgumentParser
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

URL = "https://img.example.com/blog/2024/picture-@.png"
TEXT = "The quick brown fox jumps over the lazy dog while slides are shown to people. " * 4
DIALECTS = {
    "Markdown": f"![a picture]({URL})",
    "Hugo": f'{{{{< figure src="{URL}" title="a picture" >}}}}',
    "Jekyll, Hexo": f'{{% include figure.html src="{URL}" %}}',
    "VitePress": f'::: tip Title\n![a]({URL}){{width=300}}\n:::\n\n<img src="{URL}" alt="a">',
    "Nuxt": f':nuxt-img{{src="{URL}" alt="a"}}\n\n::callout\n---\nimage: {URL}\n---\n{TEXT}\n::',
    "MyST": f":::{{figure}} {URL}\n:name: figure-@\n:width: 80%\n:::\n\nSee {{ref}}`figure-@`.",
    "DocFX": f':::image source="{URL}" alt-text="a picture":::',
    "Obsidian": "![[picture-@.png|300]]",
    "MDX": f'<figure>\n  <Image src="{URL}" style={{{{width: 300}}}} />\n</figure>',
}
SECTIONS = 200


def written(picture: str) -> bytes:
    """A post of sections, each with a paragraph and what shows its picture."""
    section = f"## Section @\n\n{TEXT}\n\n{picture}\n\n"
    return "".join(section.replace("@", str(number)) for number in range(SECTIONS)).encode()


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
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("posts", type=Path, help="a folder or a tar file of posts")
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    options = parser.parse_args()
    posts, rounds = load(options.posts), options.rounds
    size = sum(map(len, posts.values()))
    print(f"{len(posts)} posts, {size / 1e6:.1f} MB, median of {rounds} rounds, one core")
    times: dict[str, list[float]] = {"scan": [], "bare events": []}
    for _ in range(rounds):  # in turn, so that a drifting clock rate meets both alike
        times["scan"].append(seconds(find_references, posts))
        times["bare events"].append(seconds(bare, posts))
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:12} {size / 1e6 / median:6.1f} MB/s {len(posts) / median:7.0f} posts/s")
    for name, picture in DIALECTS.items():
        written_posts = {"post.mdx" if name == "MDX" else "post.md": written(picture)}
        taken_s = statistics.median(seconds(find_references, written_posts) for _ in range(rounds))
        print(f"{name:12} {sum(map(len, written_posts.values())) / 1e6 / taken_s:6.1f} MB/s")
    scans = [find_references(data, post) for post, data in posts.items()]
    forms = Counter(r.form.value for scan in scans for r in scan.references)
    print(", ".join(f"{count} {form}" for form, count in forms.most_common()))
    findings = Counter(f.rule.slug for scan in scans for f in scan.findings)
    print(", ".join(f"{count} {rule}" for rule, count in findings.items()) or "no findings")


if __name__ == "__main__":
    main()
