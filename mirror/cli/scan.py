"""`mirror scan`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.amounts import count_text, size_text
from mirror.cli.common import (
    ConfigPath,
    Json,
    Paths,
    exit_code,
    load_or_default,
    one_line,
    scan_posts,
)
from mirror.console import Style, for_log, print_json, say
from mirror.urls.redact import printable

if TYPE_CHECKING:
    from mirror.model import Reference
    from mirror.pipeline.scan import HostRow, SiteScan

# Characters of a `data:` URI in front of its comma: no media type with its parameters is longer.
_MAX_MEDIA_TYPE = 100


def scan(
    paths: Paths = None,
    config: ConfigPath = None,
    as_json: Json = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what stands in code and comments.")
    ] = False,
    by_host: Annotated[bool, typer.Option("--hosts", help="Sum up by host.")] = False,
) -> None:
    """List every image reference: post, line, column, form, URL, source."""
    from mirror.pipeline.scan import host_table

    settings = load_or_default(config)
    locator = settings.locator()
    scanned = scan_posts(settings, paths)
    if by_host:
        rows = host_table(scanned, locator)
        for row in rows:
            if as_json:
                print_json(row.as_json())
        if not as_json:
            _print_hosts(rows)
    else:
        for post, reference in scanned.references(quoted=everything):
            located = locator.locate(reference.url)
            source = located.source.name if located else None
            if as_json:
                print_json(_reference_json(post.name, reference, source))
            else:
                say(for_log(_reference_line(post.name, reference, source)))
    for finding in scanned.findings:
        say(Style.of(sys.stderr).finding(finding), sys.stderr)
    if not as_json:
        say(_scan_summary(scanned, everything=everything))
    raise typer.Exit(exit_code(scanned.findings))


def _reference_json(post: str, reference: Reference, source: str | None) -> dict[str, object]:
    return {
        "post": post,
        "line": reference.line,
        "column": reference.column,
        "start": reference.span.start,
        "end": reference.span.stop,
        "url": _without_data(reference.url.public),
        "form": reference.form.value,
        "source": source,
    }


def _reference_line(post: str, reference: Reference, source: str | None) -> str:
    place = f"{one_line(post)}:{reference.line}:{reference.column}"
    url = printable(_without_data(reference.url.public))
    return f"{place}  {reference.form.value}  {url}  {source or '-'}"


def _without_data(url: str) -> str:
    """Return the URL. Of a `data:` URI return its media type and, for the data, its length."""
    head, comma, _ = url.partition(",")
    if head[:5].lower() != "data:":
        return url
    return f"{head[:_MAX_MEDIA_TYPE]}{comma}… ({size_text(len(url))})"


def _print_hosts(rows: Sequence[HostRow]) -> None:
    width = max((len(row.name) for row in rows), default=4)
    say(f"{'host':<{width}}  {'images':>7}  {'references':>10}  {'posts':>7}  source")
    for row in rows:
        counts = f"{row.images:>7,}  {row.references:>10,}  {row.posts:>7,}"
        say(f"{row.name:<{width}}  {counts}  {row.source or '-'}")


def _scan_summary(scanned: SiteScan, *, everything: bool) -> str:
    images = sum(1 for _ in scanned.references())
    quoted = sum(1 for _ in scanned.references(quoted=True)) - images
    posts = count_text(len(scanned.posts), "post")
    text = f"{count_text(images, 'image reference')} in {posts}"
    if quoted:
        hint = "" if everything else "; --all lists them"
        text += f"; {quoted:,} in code or comments left alone{hint}"
    return text
