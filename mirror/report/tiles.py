"""Tiles: pictures, groups of repeats, and pairs that were kept apart."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from mirror.amounts import count_text
from mirror.quotes import shortened
from mirror.repeats.evidence import Evidence
from mirror.report.html import Html, join, lead, tag
from mirror.report.values import LookAlikes, PictureTile, PostLine, RepeatTile, Report
from mirror.report.words import TEXT_LENGTH, facts, figures

_MOST_LINES = 4  # of posts, in a tile: with more, one tile would set the height of its row
_MOST_SOURCES = 2  # in a tile, likewise
_CHUNK_TILES = 60  # in one list: about two screens, which is laid out as a whole


# --- Pictures ---------------------------------------------------------------------------------


def pictures(report: Report) -> Iterator[Html]:
    shown = report.pictures
    if not shown:
        yield lead("None is mirrored yet; ", tag("code", "mirror sync"), " does it.")
        return
    if report.pictures_left_out:
        yield lead(
            f"The first {len(shown):,} of {len(shown) + report.pictures_left_out:,} pictures "
            "that are no repeats, in the order in which the posts show them. ",
            tag("code", "mirror report PATHS"),
            " shows those of the posts below PATHS first.",
        )
    else:
        yield lead("Every picture that is no repeat, in the order in which the posts show them.")
    yield tag(
        "form",
        tag("label", "Filter by name, address or post", for_="words"),
        tag("input", id="words", type="search", autocomplete="off", spellcheck="false"),
        tag("output", for_="words", role="status"),
        id="filter",
        role="search",
        hidden=True,
    )
    yield Html('<div id="tiles">\n')
    for start in range(0, len(shown), _CHUNK_TILES):
        chunk = shown[start : start + _CHUNK_TILES]
        name = f"Pictures {start + 1:,} to {start + len(chunk):,}"
        # A browser lays out only the lists in sight, so thousands of pictures scroll smoothly.
        yield Html(f'<ul class="grid plain chunk" role="list" aria-label="{name}">\n')
        for picture in chunk:
            yield tag("li", _tile_content(picture), class_="tile")
            yield Html("\n")
        yield Html("</ul>\n")
    yield Html("</div>")


def _tile_content(picture: PictureTile, *more: Html | None) -> Html:
    name = shortened(picture.name, TEXT_LENGTH // 2)
    linked = tag("a", name, href=picture.url, rel="noreferrer") if _is_web(picture.url) else name
    return join(
        (
            _thumbnail(picture, name),
            tag(
                "div",
                tag("p", linked, class_="name", dir="auto"),
                tag("p", facts(picture.blob), class_="facts"),
                _addresses(picture.sources),
                _post_lines(picture.lines),
                *more,
                class_="about",
            ),
        )
    )


def _is_web(url: str | None) -> bool:
    return url is not None and url.startswith(("https://", "http://"))


def _thumbnail(picture: PictureTile, name: str) -> Html:
    small = picture.thumbnail
    if small is None:
        return tag("div", picture.no_preview or "no preview", class_="well")
    image = tag(
        "img",
        alt=name,
        width=small.width,
        height=small.height,
        loading="lazy",
        decoding="async",
        src=f"data:{small.media_type};base64,{b64encode(small.data).decode()}",
    )
    return tag("div", image, class_="well")


def _addresses(sources: Sequence[str]) -> Html | None:
    if not sources:
        return None
    texts = (
        shortened(unquote(url.partition("//")[2]), TEXT_LENGTH) for url in sources[:_MOST_SOURCES]
    )
    lines = [tag("p", text, class_="address", dir="auto") for text in texts]
    if len(sources) > _MOST_SOURCES:
        more = f"and {len(sources) - _MOST_SOURCES:,} more with the same bytes"
        lines.append(tag("p", more, class_="address"))
    return join(lines)


def _post_lines(lines: Sequence[PostLine]) -> Html:
    if not lines:
        return tag("p", "in no post now", class_="places quiet")
    items = [
        tag("li", f"{shortened(line.post, TEXT_LENGTH)}:{line.number}", dir="auto")
        for line in lines[:_MOST_LINES]
    ]
    if len(lines) > _MOST_LINES:
        items.append(tag("li", f"and {len(lines) - _MOST_LINES:,} more", class_="quiet"))
    return tag("ul", items, class_="places mono", role="list")


# --- Repeats ----------------------------------------------------------------------------------


def repeats(report: Report) -> Iterator[Html]:
    groups = report.groups
    if report.totals.same_bytes:
        images = count_text(report.totals.same_bytes, "more image has", "more images have")
        yield lead(f"{images} the same bytes as another; their addresses stand with that one's.")
    if not groups and not report.groups_left_out:
        yield lead("No two pictures look alike so that one stands for the other.")
        return
    yield lead(
        "Each group is one picture. Posts show the first; every original stays in the archive. ",
        tag("code", "mirror dupes --split"),
        " takes one out again.",
    )
    if report.groups_left_out:
        yield lead(
            f"Shown: {count_text(len(groups), 'group')}, the largest first. ",
            tag("code", "mirror dupes"),
            f" lists the {report.groups_left_out:,} more.",
        )
    for number, group in enumerate(groups, start=1):
        yield _group(
            f"Group {number:,}: {shortened(group.canonical.name, TEXT_LENGTH // 2)}",
            tag("li", _label("Shown in posts"), _tile_content(group.canonical), class_="tile kept"),
            *(tag("li", *_repeat(repeat), class_="tile") for repeat in group.repeats),
        )


def _group(name: str, *tiles: Html) -> Html:
    return tag(
        "article",
        tag("h3", name, dir="auto"),
        tag("ul", tiles, class_="plain", role="list"),
        class_="group",
    )


def _label(text: str) -> Html:
    return tag("p", text, class_="role")


def _repeat(repeat: RepeatTile) -> Iterator[Html]:
    yield _label("Repeat")
    digest = repeat.picture.blob.digest.hex
    if repeat.is_reviewed:
        why = tag("p", "A person said so.", class_="why")
    elif repeat.evidence is None:
        why = tag("p", "No evidence is on record.", class_="why")
    else:
        why = _evidence(repeat.evidence)
    yield _tile_content(repeat.picture, why, tag("p", digest[:16], class_="mono quiet"))


def _evidence(evidence: Evidence) -> Html:
    pairs = ((tag("dt", name), tag("dd", value)) for name, value in figures(evidence))
    return tag(
        "div",
        tag("p", evidence.sentence),
        tag("details", tag("summary", "Figures"), tag("dl", pairs, class_="figures")),
        class_="why",
    )


def look_alikes(report: Report) -> Iterator[Html]:
    count = len(report.look_alikes)
    part = "" if count == report.look_alike_count else f" Shown: the nearest {count:,}."
    yield lead(
        count_text(report.look_alike_count, "pair"),
        f" whose fingerprints are close, and whose pixels are not the same picture.{part}",
    )
    for pair in report.look_alikes:
        yield _pair(pair)


def _pair(pair: LookAlikes) -> Html:
    names = f"{pair.first.name} and {pair.second.name}"
    return _group(
        shortened(names, TEXT_LENGTH),
        tag("li", _tile_content(pair.first), class_="tile"),
        tag("li", _tile_content(pair.second, _evidence(pair.evidence)), class_="tile"),
    )
