"""The page from its head to its last section. Each yields a few elements, so it can be streamed.

Summary, hosts and findings are here; pictures and repeats in `tiles`, the chart in `growth`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from mirror.amounts import count_text, size_text
from mirror.model import Finding, Outcome, Rule
from mirror.quotes import shortened
from mirror.report.growth import growth_chart
from mirror.report.html import Html, join, lead, table, tag
from mirror.report.tiles import look_alikes, pictures, repeats
from mirror.report.values import HostTotals, Report
from mirror.report.words import OUTCOMES, TEXT_LENGTH, title

_MOST_ROWS = 1000  # in the table of one rule


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
        exception = _exception(totals.ignored)
        findings = count_text(grave, "finding")
        text = f"Every image is mirrored{exception}, and {findings} to look at."
    elif not totals.images:
        kind, text = "note", "No image of your sources was found in the posts."
    else:
        kind = "good"
        text = f"Every image of your sources is mirrored{_exception(totals.ignored)}."
    mark = {"good": "✓", "bad": "✗", "note": "!"}[kind]
    return tag(
        "p", tag("span", mark, aria_hidden="true"), tag("span", text), class_=f"verdict {kind}"
    )


def _exception(count: int) -> str:
    """Return the words for `count` ignored images, which are not mirrored."""
    verb = "is" if count == 1 else "are"
    return f", except {count:,} that {verb} ignored, as configured" if count else ""


def _contents(report: Report) -> Iterator[tuple[str, str, int | None]]:
    yield "summary", "Summary", None
    yield "hosts", "Hosts", len(report.hosts)
    yield "findings", "Findings", len(report.findings)
    yield "repeats", "Repeats", report.totals.repeats - report.totals.same_bytes
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
    yield from _section("repeats", "Repeats that look alike", repeats(report))
    if report.look_alikes:
        yield from _section("apart", "Alike, and kept apart", look_alikes(report))
    if report.growth:
        yield from _section("growth", "Growth of the archive", growth_chart(report.growth))
    yield from _section("pictures", "Pictures", pictures(report))


def _section(anchor: str, name: str, body: Iterable[Html]) -> Iterator[Html]:
    yield Html(f'<section aria-labelledby="{anchor}">')
    yield tag("h2", name, id=anchor)
    yield from body
    yield Html("</section>\n")


# --- Summary and hosts ------------------------------------------------------------------------


def _summary(report: Report) -> Html:
    totals = report.totals
    cells: list[tuple[str, str]] = [
        ("posts", f"{totals.posts:,}"),
        ("image references in them", f"{totals.references:,}"),
        ("images of your sources", f"{totals.images:,}"),
        ("not mirrored", f"{totals.missing:,}"),
        ("different pictures", f"{totals.pictures:,}"),
        ("repeats of the same bytes", f"{totals.same_bytes:,}"),
        ("repeats that look alike", f"{totals.repeats - totals.same_bytes:,}"),
        (f"of {count_text(totals.originals, 'original')}", size_text(totals.size)),
    ]
    if totals.ignored:
        cells.insert(4, ("ignored, as configured", f"{totals.ignored:,}"))
    former = len(report.pictures) + report.pictures_left_out - totals.pictures
    if former > 0 and report.pictures:
        cells.insert(-1, ("pictures that no address gives now", f"{former:,}"))
    listed = (tag("div", tag("dt", name), tag("dd", value)) for name, value in cells)
    return tag(
        "section",
        tag("h2", "Summary", id="summary"),
        tag("dl", listed, class_="totals"),
        aria_labelledby="summary",
    )


def _hosts(hosts: Sequence[HostTotals]) -> Iterator[Html]:
    if not hosts:
        yield lead("The posts show no image of any host.")
        return
    yield lead("Where the images come from. Hosts without a source are not yours to mirror.")
    names = ("Source", "Images", "Mirrored", "Size", "References", "Posts")
    head = [tag("th", "Host", scope="col"), tag("th", names[0], scope="col")]
    head += [tag("th", name, scope="col", class_="number") for name in names[1:]]
    head.insert(3, tag("td"))
    yield table("Images by host", "hosts", head, map(_host_row, hosts))


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


# --- Findings ---------------------------------------------------------------------------------


def _findings(report: Report) -> Iterator[Html]:
    when = report.last_sync
    if when is None:
        yield lead("No finding of a sync is on record here; these come from the posts alone.")
    else:
        moment = tag(
            "time", f"{when:%Y-%m-%d %H:%M %Z}", datetime=when.isoformat(timespec="minutes")
        )
        yield lead("What the last sync (", moment, ") could not do, and what the posts show now.")
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
    yield table(name, "findings", head, map(_finding_row, findings[:_MOST_ROWS]))
    if len(findings) > _MOST_ROWS:
        yield tag("p", f"and {len(findings) - _MOST_ROWS:,} more", class_="quiet")


def _finding_row(finding: Finding) -> Html:
    place = shortened(finding.place, 2 * TEXT_LENGTH)
    subject = None
    if finding.subject != finding.place:
        text = shortened(finding.subject, 2 * TEXT_LENGTH)
        subject = tag("span", text, class_="subject mono", dir="auto")
    return tag(
        "tr",
        tag("th", place, scope="row", class_="mono", dir="auto"),
        tag(
            "td",
            subject,
            shortened(finding.message, 6 * TEXT_LENGTH),
        ),
    )
