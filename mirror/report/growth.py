"""The growth of the archive, as a chart and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mirror.amounts import count_text, size_text
from mirror.report.html import Html, join, lead, table, tag
from mirror.report.values import Growth

# In units of the chart: its size, the room around the bars, the most that a bar takes, and the
# radius of its corners.
_WIDTH, _HEIGHT = 760, 200
_LEFT, _BELOW, _ABOVE = 64, 24, 10
_BAR_STEP = 90
_BAR_SHARE = 0.76  # of a step; the rest is the gap between two bars
_ROUNDING = 3.0


def growth_chart(points: Sequence[Growth]) -> Iterator[Html]:
    last = points[-1]
    yield lead(
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
        for point in points
    )
    as_table = table("Growth of the archive", "growth", head, rows)
    yield tag(
        "div",
        _chart(points) if len(points) > 1 else None,
        tag("details", tag("summary", "As a table"), as_table),
        class_="card",
    )


def _chart(points: Sequence[Growth]) -> Html:
    top = max(1, *(point.size for point in points))
    step = min((_WIDTH - _LEFT) / len(points), _BAR_STEP)
    room = _HEIGHT - _BELOW - _ABOVE
    parts = [_grid_line(top * share / 2, top, room) for share in (1, 2)]
    for number, point in enumerate(points):
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
    ends = (_LEFT, points[0].label, "start"), (_LEFT + len(points) * step, points[-1].label, "end")
    for x, label, anchor in ends:
        parts.append(tag("text", label, x=f"{x:.1f}", y=_HEIGHT - 6, text_anchor=anchor))
    label = f"The archive grew to {size_text(points[-1].size)} from {points[0].label} on."
    return tag(
        "svg",
        parts,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=label,
        class_="chart",
    )


def _grid_line(value: float, top: int, room: int) -> Html:
    y = f"{_ABOVE + room * (1 - value / top):.1f}"
    line = tag("line", x1=_LEFT, x2=_WIDTH, y1=y, y2=y, class_="rule-line")
    label = size_text(value)
    return join((line, tag("text", label, x=_LEFT - 8, y=y, dy="0.35em", text_anchor="end")))
