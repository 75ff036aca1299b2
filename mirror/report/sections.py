"""The sections of the page. Each yields a few elements at a time, so the page can be streamed.

In the order of the page: head, summary and hosts, findings, pictures, repeats, growth.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from urllib.parse import unquote

from mirror.amounts import count_text, size_text
from mirror.model import Finding, Outcome, Rule
from mirror.repeats.evidence import Evidence
from mirror.report.html import Html, join, tag
from mirror.report.values import (
    Growth,
    HostTotals,
    LookAlikes,
    PictureTile,
    PostLine,
    RepeatTile,
    Report,
)
from mirror.report.words import (
    OUTCOMES,
    facts,
    figures,
    shortened,
    title,
)

_MOST_ROWS = 1000  # in the table of one rule
_MOST_LINES = 4  # of posts, in a tile
_MOST_SOURCES = 2  # in a tile
_CHUNK_TILES = 60  # in one list
_TEXT_LENGTH = 160  # in characters; a longer text is shortened


# --- Head -------------------------------------------------------------------------------------


def header(report: Report) -> Html:
    made = report.made.strftime("%Y-%m-%d %H:%M %Z").rstrip()
    moment = tag("time", made, datetime=report.made.isoformat(timespec="minutes"))
    return join(
        (
            tag(
                "header",
                tag("h1", report.title),
                tag("p", "The images of your posts, as of ", moment, class_="made"),
                _verdict(report),
                class_="top",
            ),
            tag(
                "nav",
                tag("ul", (_nav_item(*item) for item in _contents(report)), role="list"),
                aria_label="Sections",
            ),
        )
    )


def _verdict(report: Report) -> Html:
    totals = report.totals
    grave = sum(finding.rule.outcome is not Outcome.WARNING for finding in report.findings)
    if totals.missing:
        kind = "bad"
        verb = "is" if totals.missing == 1 else "are"
        text = f"{totals.missing:,} of {count_text(totals.images, 'image')} {verb} not mirrored."
    elif grave:
        kind = "bad"
        text = f"Every image is mirrored, and {count_text(grave, 'finding')} to look at."
    elif not totals.images:
        kind, text = "note", "No image of your sources was found in the posts."
    else:
        kind, text = "good", "Every image of your sources is mirrored."
    mark = {"good": "✓", "bad": "✗", "note": "!"}[kind]
    return tag(
        "p", tag("span", mark, aria_hidden="true"), tag("span", text), class_=f"verdict {kind}"
    )


def _contents(report: Report) -> Iterator[tuple[str, str, int | None]]:
    yield "summary", "Summary", None
    yield "hosts", "Hosts", len(report.hosts)
    yield "findings", "Findings", len(report.findings)
    yield "repeats", "Repeats", report.totals.repeats
    if report.look_alikes:
        yield "apart", "Kept apart", report.look_alike_count
    if report.growth:
        yield "growth", "Growth", None
    yield "pictures", "Pictures", len(report.pictures) + report.pictures_left_out


def _nav_item(anchor: str, name: str, count: int | None) -> Html:
    number = None if count is None else (" ", tag("span", count))
    return tag("li", tag("a", name, number, href=f"#{anchor}"))


def sections(report: Report) -> Iterator[Html]:
    """Yield everything below the head, in pieces of bounded size."""
    yield _summary(report)
    yield from _section("hosts", "Hosts", _hosts(report.hosts))
    yield from _section("findings", "Findings", _findings(report))
    yield from _section("repeats", "Repeats", _repeats(report))
    if report.look_alikes:
        yield from _section("apart", "Alike, and kept apart", _look_alikes(report))
    if report.growth:
        yield from _section("growth", "Growth of the archive", _growth(report.growth))
    yield from _section("pictures", "Pictures", _pictures(report))


def _section(anchor: str, name: str, body: Iterable[Html]) -> Iterator[Html]:
    yield Html(f'<section aria-labelledby="{anchor}">')
    yield tag("h2", name, id=anchor)
    yield from body
    yield Html("</section>\n")


def _lead(*text: str | Html) -> Html:
    return tag("p", text, class_="lead")


# --- Summary and hosts ------------------------------------------------------------------------


def _summary(report: Report) -> Html:
    totals = report.totals
    cells: list[tuple[str, str]] = [
        ("posts", f"{totals.posts:,}"),
        ("images shown in them", f"{totals.references:,}"),
        ("addresses of your sources", f"{totals.images:,}"),
        ("not mirrored", f"{totals.missing:,}"),
        ("different files", f"{totals.pictures:,}"),
        ("repeats of another", f"{totals.repeats:,}"),
        ("in all", size_text(totals.size)),
    ]
    if totals.ignored:
        cells.insert(4, ("ignored, as configured", f"{totals.ignored:,}"))
    listed = (tag("div", tag("dt", name), tag("dd", value)) for name, value in cells)
    return tag(
        "section",
        tag("h2", "Summary", id="summary"),
        tag("dl", listed, class_="totals"),
        aria_labelledby="summary",
    )


def _hosts(hosts: Sequence[HostTotals]) -> Iterator[Html]:
    if not hosts:
        yield _lead("The posts show no image of any host.")
        return
    yield _lead("Where the images come from. Hosts without a source are not yours to mirror.")
    names = ("Source", "Images", "Mirrored", "Size", "Shown", "Posts")
    head = [tag("th", "Host", scope="col"), tag("th", names[0], scope="col")]
    head += [tag("th", name, scope="col", class_="number") for name in names[1:]]
    head.insert(3, tag("td"))
    yield _table("Images by host", "hosts", head, map(_host_row, hosts))


def _host_row(host: HostTotals) -> Html:
    mirrored = (host.mirrored, f" + {host.ignored:,} ignored" if host.ignored else None)
    return tag(
        "tr",
        tag("th", host.name, scope="row"),
        tag(
            "td", host.source or tag("span", "mirror" if host.is_mirror else "none", class_="quiet")
        ),
        tag("td", host.images, class_="number"),
        tag(
            "td", _bar(host.mirrored / max(host.images, 1)) if host.source else None, class_="share"
        ),
        tag("td", mirrored if host.source else "–", class_="number"),
        tag("td", size_text(host.size) if host.source else "–", class_="number"),
        tag("td", host.references, class_="number"),
        tag("td", host.posts, class_="number"),
    )


def _bar(share: float) -> Html:
    return tag(
        "svg",
        tag("rect", width=100, height=8, rx=4),
        tag("rect", width=f"{100 * min(share, 1):.1f}", height=8, rx=4, class_="done"),
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        class_="bar",
        aria_hidden="true",
    )


def _table(caption: str, kind: str, head: Iterable[Html], rows: Iterable[Html]) -> Html:
    table = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", head)),
        tag("tbody", rows),
        class_=kind,
    )
    # The table is wider than a telephone. Its box scrolls, also by keyboard.
    return tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=caption)


# --- Findings ---------------------------------------------------------------------------------


def _findings(report: Report) -> Iterator[Html]:
    when = report.last_sync
    if when is None:
        yield _lead("No finding of a sync is on record here; these come from the posts alone.")
    else:
        moment = tag(
            "time", f"{when:%Y-%m-%d %H:%M %Z}", datetime=when.isoformat(timespec="minutes")
        )
        yield _lead("What the last sync (", moment, ") could not do, and what the posts show now.")
    if not report.findings:
        yield tag("p", "Nothing to report.", class_="card")
    gravity = list(OUTCOMES)
    by_rule = sorted(
        report.findings,
        key=lambda finding: (gravity.index(finding.rule.outcome), finding.rule.id),
    )
    for rule, group in groupby(by_rule, key=lambda finding: finding.rule):
        yield from _rule(rule, list(group))


def _rule(rule: Rule, findings: Sequence[Finding]) -> Iterator[Html]:
    name = title(rule)
    kind = "note" if rule.outcome in (Outcome.WARNING, Outcome.UNCHECKED) else "bad"
    yield tag(
        "div",
        tag("h3", name, ": ", len(findings)),
        tag("span", OUTCOMES[rule.outcome], class_=f"badge {kind}"),
        tag("code", rule.id, class_="quiet"),
        class_="rule",
    )
    head = (tag("th", column, scope="col") for column in ("Where", "What and why"))
    yield _table(name, "findings", head, map(_finding_row, findings[:_MOST_ROWS]))
    if len(findings) > _MOST_ROWS:
        yield tag("p", f"and {len(findings) - _MOST_ROWS:,} more", class_="quiet")


def _finding_row(finding: Finding) -> Html:
    place = shortened(finding.place, 2 * _TEXT_LENGTH)
    subject = (
        shortened(finding.subject, 2 * _TEXT_LENGTH) if finding.subject != finding.place else None
    )
    return tag(
        "tr",
        tag("th", place, scope="row", class_="mono", dir="auto"),
        tag(
            "td",
            subject and tag("span", subject, class_="subject mono", dir="auto"),
            shortened(finding.message, 6 * _TEXT_LENGTH),
        ),
    )


# --- Pictures ---------------------------------------------------------------------------------


def _pictures(report: Report) -> Iterator[Html]:
    pictures = report.pictures
    if not pictures:
        yield _lead("None is mirrored yet; ", tag("code", "mirror sync"), " does it.")
        return
    if report.pictures_left_out:
        yield _lead(
            f"The first {len(pictures):,} of {len(pictures) + report.pictures_left_out:,} pictures "
            "that are no repeats, in the order in which the posts show them. ",
            tag("code", "mirror report PATHS"),
            " shows those of the posts below PATHS first.",
        )
    else:
        yield _lead("Every picture that is no repeat, in the order in which the posts show them.")
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
    for start in range(0, len(pictures), _CHUNK_TILES):
        chunk = pictures[start : start + _CHUNK_TILES]
        name = f"Pictures {start + 1:,} to {start + len(chunk):,}"
        # A browser lays out only the lists in sight, so thousands of pictures scroll smoothly.
        yield Html(f'<ul class="grid plain chunk" role="list" aria-label="{name}">\n')
        for picture in chunk:
            yield tag("li", _tile(picture), class_="tile")
            yield Html("\n")
        yield Html("</ul>\n")
    yield Html("</div>")


def _tile(picture: PictureTile, *more: Html | None) -> Html:
    name = shortened(picture.name, _TEXT_LENGTH // 2)
    linked = tag("a", name, href=picture.url, rel="noreferrer") if _is_web(picture.url) else name
    return join(
        (
            _well(picture, name),
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


def _well(picture: PictureTile, name: str) -> Html:
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
        shortened(unquote(url.partition("//")[2]), _TEXT_LENGTH) for url in sources[:_MOST_SOURCES]
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
        tag("li", f"{shortened(line.post, _TEXT_LENGTH)}:{line.number}", dir="auto")
        for line in lines[:_MOST_LINES]
    ]
    if len(lines) > _MOST_LINES:
        items.append(tag("li", f"and {len(lines) - _MOST_LINES:,} more", class_="quiet"))
    return tag("ul", items, class_="places mono", role="list")


# --- Repeats ----------------------------------------------------------------------------------


def _repeats(report: Report) -> Iterator[Html]:
    groups = report.groups
    if not groups and not report.groups_left_out:
        yield _lead("No picture is a repeat of another.")
        return
    yield _lead(
        "Each group is one picture. Posts show the first; every original stays in the archive. ",
        tag("code", "mirror dupes --split"),
        " takes one out again.",
    )
    if report.groups_left_out:
        yield _lead(
            f"Shown: {count_text(len(groups), 'group')}, the largest first. ",
            tag("code", "mirror dupes"),
            f" lists the {report.groups_left_out:,} more.",
        )
    for number, group in enumerate(groups, start=1):
        yield _group(
            f"Group {number:,}: {shortened(group.canonical.name, _TEXT_LENGTH // 2)}",
            tag("li", _role("Shown in posts"), _tile(group.canonical), class_="tile kept"),
            *(tag("li", *_repeat(repeat), class_="tile") for repeat in group.repeats),
        )


def _group(name: str, *tiles: Html) -> Html:
    return tag(
        "article",
        tag("h3", name, dir="auto"),
        tag("ul", tiles, class_="plain", role="list"),
        class_="group",
    )


def _role(text: str) -> Html:
    return tag("p", text, class_="role")


def _repeat(repeat: RepeatTile) -> Iterator[Html]:
    yield _role("Repeat")
    digest = repeat.picture.blob.digest.hex
    if repeat.is_reviewed:
        why = tag("p", "A person said so.", class_="why")
    elif repeat.evidence is None:
        why = tag("p", "No evidence is on record.", class_="why")
    else:
        why = _evidence(repeat.evidence)
    yield _tile(repeat.picture, why, tag("p", digest[:16], class_="mono quiet"))


def _evidence(evidence: Evidence) -> Html:
    pairs = ((tag("dt", name), tag("dd", value)) for name, value in figures(evidence))
    return tag(
        "div",
        tag("p", evidence.sentence),
        tag("details", tag("summary", "Figures"), tag("dl", pairs, class_="figures")),
        class_="why",
    )


def _look_alikes(report: Report) -> Iterator[Html]:
    count = len(report.look_alikes)
    part = "" if count == report.look_alike_count else f" Shown: the nearest {count:,}."
    yield _lead(
        count_text(report.look_alike_count, "pair"),
        f" whose fingerprints are close, and whose pixels are not the same picture.{part}",
    )
    for pair in report.look_alikes:
        yield _pair(pair)


def _pair(pair: LookAlikes) -> Html:
    names = f"{pair.first.name} and {pair.second.name}"
    return _group(
        shortened(names, _TEXT_LENGTH),
        tag("li", _tile(pair.first), class_="tile"),
        tag("li", _tile(pair.second, _evidence(pair.evidence)), class_="tile"),
    )


# --- Growth -----------------------------------------------------------------------------------

# In units of the chart: its size, the room around the bars, and the most that a bar takes.
_WIDTH, _HEIGHT = 760, 200
_LEFT, _BELOW, _ABOVE = 64, 24, 10
_BAR_STEP = 90
_BAR_SHARE = 0.76  # of a step; the rest is the gap between two bars
_ROUNDING = 3.0


def _growth(growth: Sequence[Growth]) -> Iterator[Html]:
    last = growth[-1]
    yield _lead(
        f"{count_text(last.count, 'original')}, {size_text(last.size)}, by the dates of the files."
    )
    head = [tag("th", "Until", scope="col")]
    head += [tag("th", name, scope="col", class_="number") for name in ("Originals", "Size")]
    rows = (
        tag(
            "tr",
            tag("th", point.label, scope="row"),
            tag("td", point.count, class_="number"),
            tag("td", size_text(point.size), class_="number"),
        )
        for point in growth
    )
    table = _table("Growth of the archive", "growth", head, rows)
    yield tag(
        "div",
        _chart(growth) if len(growth) > 1 else None,
        tag("details", tag("summary", "As a table"), table),
        class_="card",
    )


def _chart(growth: Sequence[Growth]) -> Html:
    top = max(1, *(point.size for point in growth))
    step = min((_WIDTH - _LEFT) / len(growth), _BAR_STEP)
    room = _HEIGHT - _BELOW - _ABOVE
    parts = [_rule_line(top * share / 2, top, room) for share in (1, 2)]
    for number, point in enumerate(growth):
        height = room * point.size / top
        parts.append(
            tag(
                "rect",
                x=f"{_LEFT + number * step + step * (1 - _BAR_SHARE) / 2:.1f}",
                y=f"{_ABOVE + room - height:.1f}",
                width=f"{step * _BAR_SHARE:.1f}",
                height=f"{height:.1f}",
                rx=f"{min(_ROUNDING, step / 4):.1f}",
                class_="done",
            )
        )
    ends = (_LEFT, growth[0].label, "start"), (_LEFT + len(growth) * step, growth[-1].label, "end")
    for x, label, anchor in ends:
        parts.append(tag("text", label, x=f"{x:.1f}", y=_HEIGHT - 6, text_anchor=anchor))
    label = f"The archive grew to {size_text(growth[-1].size)} from {growth[0].label} on."
    return tag(
        "svg",
        parts,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=label,
        class_="chart",
    )


def _rule_line(value: float, top: int, room: int) -> Html:
    y = f"{_ABOVE + room * (1 - value / top):.1f}"
    line = tag("line", x1=_LEFT, x2=_WIDTH, y1=y, y2=y, class_="rule-line")
    label = size_text(value)
    return join((line, tag("text", label, x=_LEFT - 8, y=y, dy="0.35em", text_anchor="end")))
