"""`mirror rewrite`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mirror.amounts import count_text
from mirror.cli.common import (
    EXIT_FOUND,
    ConfigPath,
    Json,
    Paths,
    Quiet,
    Verbose,
    exit_code,
    ignored_lines,
    leftovers_lines,
    load,
    load_or_default,
    one_line,
    open_site,
    path,
    print_end,
    running,
    scan_posts,
)
from mirror.config import ConfigError
from mirror.console import for_log, say
from mirror.files import read_named
from mirror.model import Span
from mirror.runner import is_ci

if TYPE_CHECKING:
    from mirror.destinations import Destination
    from mirror.manifest import Manifest
    from mirror.pipeline.parts import Parts
    from mirror.pipeline.post_edit import PostEdit
    from mirror.pipeline.rewrite import RewriteInput, RewriteResult
    from mirror.pipeline.scan import SiteScan

_MAX_SHOWN = 10_000  # characters of a line of a diff that people read; a post may be one of 64 MiB
_MAX_MAP_BYTES = 256 << 20  # a million pairs of URLs

PrintDiff = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Print a unified diff; write nothing.")
]
Check = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit 1 if a post would change.")
]
Revert = Annotated[bool, typer.Option("--revert", help="Go back to the source URLs.")]
KeepTimes = Annotated[
    bool,
    typer.Option(
        "--keep-times",
        help="Changed posts keep their modification time, by which Hexo, Obsidian and Joplin sort.",
    ),
]
MapFile = Annotated[
    Path | None,
    typer.Option(
        "--map",
        help="A JSON object of old URL -> new URL, instead of the manifest.",
        parser=path,
    ),
]
DropSecrets = Annotated[
    bool,
    typer.Option(
        "--drop-secrets",
        help="Also repoint URLs with a token; `--revert` cannot bring it back.",
    ),
]


def rewrite(
    paths: Paths = None,
    config: ConfigPath = None,
    dry_run: PrintDiff = False,
    check: Check = False,
    revert: Revert = False,
    keep_times: KeepTimes = False,
    map_file: MapFile = None,
    drop_secrets: DropSecrets = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Repoint the posts at the mirrored images: the bytes of URLs, and nothing else."""
    from mirror.pipeline import rewrite as pipeline
    from mirror.pipeline.post_diff import diff, diff_encoding
    from mirror.pipeline.targets import ByMap

    if map_file is not None and revert:
        raise ConfigError("--map and --revert exclude each other: a reversed map is a map too")
    writes = not (dry_run or check)
    mapping = None if map_file is None else _read_map(map_file)
    settings = load(config) if mapping is None else load_or_default(config)
    parts = open_site(settings)
    # A map may be used outside of any site.
    lock = parts.lock("mirror rewrite") if writes and mapping is None else None
    left_lines: list[str] = []
    with running(lock, as_json=as_json, quiet=quiet) as progress:
        scanned = scan_posts(settings, paths)
        inputs = pipeline.RewriteInput(scanned, progress, writes, keep_times)
        if revert:
            kept = pipeline.memory_to_revert(parts)
            result = pipeline.revert(inputs, kept, parts.destinations)
        elif mapping is not None:
            by_map = ByMap(mapping)
            result = pipeline.rewrite(inputs, by_map)
            result.findings.extend(by_map.unused())
        else:
            result, left_lines = _rewrite_by_manifest(inputs, parts, drop_secrets=drop_secrets)
    if dry_run and not as_json:
        for change in result.changed:
            _print_diff(diff(change), diff_encoding(change))
    code = exit_code(result.findings)
    if check and result.changed:  # as in `verify`, a difference outweighs what could not be done
        code = EXIT_FOUND
    done = "pointed back" if revert else "rewrote"
    lines = _rewrite_lines(result.changed, done if writes else "would change")
    can_revert = not revert and mapping is None
    if result.changed and writes and can_revert:
        lines.append("`mirror rewrite --revert` goes back to the source URLs")
    lines += left_lines
    if dry_run and not as_json:  # stdout is the diff
        for line in lines:
            say(line, sys.stderr)
        lines = []
    print_end(result, progress, lines, code, verbose=verbose)
    raise typer.Exit(code)


def _rewrite_by_manifest(
    inputs: RewriteInput, parts: Parts, *, drop_secrets: bool
) -> tuple[RewriteResult, list[str]]:
    """Repoint the posts; return the result, and the lines about images that stay where they are."""
    from mirror.pipeline import rewrite as pipeline
    from mirror.pipeline.targets import open_by_manifest

    by_manifest = open_by_manifest(parts, drop_secrets=drop_secrets)
    if not parts.manifest.exists() and _shows_mirror(inputs.scanned, parts.destinations):
        parts.manifest.need()
    kept = pipeline.memory_of(parts, by_manifest.manifest)
    result = pipeline.rewrite(inputs, by_manifest, kept)
    return result, _left_lines(inputs.scanned, parts, by_manifest.manifest, result.changed)


def _left_lines(
    scanned: SiteScan, parts: Parts, manifest: Manifest, changed: Sequence[PostEdit]
) -> list[str]:
    """Return the lines about images of sources that stay where they are."""
    from mirror.pipeline.images_left import images_left, not_asked_for

    by_post = {change.name: change for change in changed}

    def moved(post: str) -> Container[Span]:
        return by_post[post].spans if post in by_post else ()

    not_asked = not_asked_for(scanned, parts.locator, manifest, parts.config.ignored)
    count = images_left(scanned, parts.locator, parts.destinations, not_asked, moved)
    return [*leftovers_lines(count), *ignored_lines(len(not_asked))]


def _read_map(path: Path) -> dict[str, str]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, count in Counter(key for key, _ in pairs).items():
            if count > 1:
                raise ConfigError(f"{path}: {for_log(key)} is mapped {count} times")
        return dict(pairs)

    try:
        mapping = json.loads(
            read_named(path, _MAX_MAP_BYTES).decode("utf-8-sig"), object_pairs_hook=unique
        )
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path}: expected a JSON object of old URL -> new URL: {error}"
        ) from error
    if not isinstance(mapping, dict) or not all(isinstance(v, str) for v in mapping.values()):
        raise ConfigError(f"{path}: expected a JSON object of old URL -> new URL, both strings")
    return mapping


def _shows_mirror(scanned: SiteScan, destinations: Sequence[Destination]) -> bool:
    from mirror.destinations import is_mirrored

    urls = (post.from_root(reference.url) for post, reference in scanned.references())
    return any(is_mirrored(destinations, url) for url in urls)


def _print_diff(lines: Iterable[str], encoding: str) -> None:
    """Print the bytes that `git apply` needs; safe text where a terminal or a CI log reads it.

    A long line of that text is cut, and says so.
    """
    file = getattr(sys.stdout, "buffer", None)
    if file is None or sys.stdout.isatty() or is_ci():
        for line in lines:
            rest = len(line) - 1 - _MAX_SHOWN
            cut = f"{line[:_MAX_SHOWN]}… ({rest:,} more characters)" if rest > 0 else line
            say(for_log(cut).removesuffix("\n"))
        return
    sys.stdout.flush()
    for line in lines:
        file.write(line.encode(encoding))


def _rewrite_lines(changed: Sequence[PostEdit], verb: str) -> list[str]:
    lines = [
        f"{verb} {one_line(change.name)}: {count_text(change.edit_count, 'reference')}"
        for change in changed
    ]
    if not changed:
        lines.append("nothing to change")
    return lines
