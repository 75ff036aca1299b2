"""`mirror leftovers`."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.amounts import count_text
from mirror.cli.common import (
    EXIT_FOUND,
    ConfigPath,
    Json,
    Paths,
    Quiet,
    exit_code,
    ignored_lines,
    one_line,
    open_site,
    path,
    print_end,
    running,
)
from mirror.config import find_config, load_config
from mirror.console import MANY, JsonProgress, Style, for_log, say
from mirror.files import absolute_path
from mirror.urls.address import canonical, host_of

if TYPE_CHECKING:
    from mirror.pipeline.leftovers import Leftover


def leftovers(
    paths: Paths = None,
    config: ConfigPath = None,
    site: Annotated[
        Path | None,
        typer.Option("--site", metavar="DIR", help="Also read the built site.", parser=path),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="List every place, also many of one kind.")
    ] = False,
) -> None:
    """List every place that still names a source, and why; exit 1 if a page would break."""
    from mirror.pipeline.leftovers import LeftoverOptions, find_leftovers

    file = find_config(config, os.environ, Path.cwd())
    parts = open_site(load_config(file))
    options = LeftoverOptions(
        tuple(paths or ()),
        None if site is None else absolute_path(site),
        file,
    )
    with running(as_json=as_json, quiet=quiet) as progress:
        result = find_leftovers(parts, options, progress)
    breaking = [place for place in result.leftovers if place.breaks]
    code = EXIT_FOUND if breaking else exit_code(result.findings, checks=True)
    if not isinstance(progress, JsonProgress):
        style = Style.of(sys.stdout)
        for line in _lines(result.leftovers, style, verbose=verbose):
            say(line)
    verdict = _verdict(
        result.leftovers,
        breaking,
        was_read=not code or bool(breaking),
        is_site_read=site is not None,
        is_part=bool(paths) and site is None,
    )
    lines = [verdict, *ignored_lines(int(result.summary["ignored"]))]
    print_end(result, progress, lines, code, verbose=verbose)
    raise typer.Exit(code)


def _lines(leftovers: Sequence[Leftover], style: Style, *, verbose: bool) -> Iterator[str]:
    """Yield a line for each place, and one for many links to one host or pages with one address.

    Posts link to some hosts, and a theme names some files, so often that pictures are not seen.
    """
    kinds: dict[tuple[str, str], list[Leftover]] = {}
    for place in leftovers:
        if (kind := _kind(place)) is not None and not verbose:
            kinds.setdefault(kind, []).append(place)
    many = {kind: places for kind, places in kinds.items() if len(places) >= MANY}
    first = {id(places[0]): kind for kind, places in many.items()}
    summed_up = {id(place) for places in many.values() for place in places}
    for place in leftovers:
        if id(place) not in summed_up:
            yield _line(place, style)
        elif (kind := first.get(id(place))) is not None:
            rest, (name, _) = len(many[kind]) - 1, kind
            yield f"{_line(place, style)}; and {rest:,} more so of {one_line(name)}"
    if summed_up:
        yield f"  {len(summed_up):,} places are summed up above; --verbose lists all"


def _kind(place: Leftover) -> tuple[str, str] | None:
    """Return what many places that are told as one have in common: its name, and the reason."""
    if place.is_written:
        return place.file, place.reason
    if place.is_page or place.is_own:
        return host_of(canonical(place.url.raw) or ""), place.reason
    return (str(place.url), place.reason) if place.why == "site" else None


def _line(place: Leftover, style: Style) -> str:
    sign, plain = ("✗", "x") if place.breaks else ("·", "-")
    mark = sign if style.unicode else plain
    where = f"{one_line(place.file)}:{place.line}:{place.column}"
    return for_log(f"{mark} {where} {place.url}: {place.reason} [{place.why}]")


def _verdict(
    leftovers: Sequence[Leftover],
    breaking: Sequence[Leftover],
    *,
    was_read: bool,
    is_site_read: bool,
    is_part: bool,
) -> str:
    if breaking:
        reasons = Counter(place.why for place in breaking)
        parts = ", ".join(f"{count:,} {why}" for why, count in reasons.items())
        links = sum(place.is_page for place in breaking)
        if links == len(breaking):
            parts += "; all are links to what mirror does not keep: no page would lose a picture"
        elif links:
            are = "is a link" if links == 1 else "are links"
            parts += f"; {links:,} of them {are} to what mirror does not keep"
        return f"{count_text(len(breaking), 'place')} would break without the source: {parts}"
    if not was_read:
        return "no place was found that would break without the source, but not all could be read"
    others = sum(not place.is_ignored for place in leftovers)
    subject = "page" if is_site_read else "post or file"
    if len(leftovers) > others:
        subject = "image that mirror is asked to keep"
    rest = "" if leftovers else ": nothing names it"
    advice = "" if is_site_read else ". `--site DIR` reads the built pages too"
    if is_part:
        subject = f"{subject} below the given paths"
        rest = "" if leftovers else ": nothing there names it"
        advice = ". Without paths, the whole site is read"
    if others:
        places = count_text(others, "place still names", "places still name")
        rest = f"; {places} it, and no picture is lost there"
    return f"no {subject} needs the source any more{rest}{advice}"
