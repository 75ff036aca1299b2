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
        for post, ref in scanned.references(quoted=everything):
            located = locator.locate(ref.url)
            source = located.source.name if located else None
            if as_json:
                print_json(
                    {
                        "post": post.name,
                        "line": ref.line,
                        "column": ref.column,
                        "start": ref.span.start,
                        "end": ref.span.stop,
                        "url": _without_data(ref.url.public),
                        "form": ref.form.value,
                        "source": source,
                    }
                )
            else:
                url = printable(_without_data(ref.url.public))
                place = f"{one_line(post.name)}:{ref.line}:{ref.column}"
                say(for_log(f"{place}  {ref.form.value}  {url}  {source or '-'}"))
    for finding in scanned.findings:
        say(Style.of(sys.stderr).finding(finding), sys.stderr)
    if not as_json:
        say(_scan_summary(scanned, everything=everything))
    raise typer.Exit(exit_code(scanned.findings))


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
