"""A report with everything on it, and a parser for its page."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from typing import Any
from urllib.parse import quote

import html5lib
from PIL import Image
from support.slides import Slide

from mirror.model import Blob, Digest, Finding, Rule, Thumbnail
from mirror.pictures.thumbnail import thumbnail
from mirror.repeats.evidence import Evidence, Pair, Refusal
from mirror.report import (
    Growth,
    HostTotals,
    LookAlikes,
    PictureTile,
    PostLine,
    RepeatTile,
    Report,
    TileGroup,
    Totals,
)

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOSTILE = (
    '"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\u202egnp.exe\x1b[31m</style>'
)


def png(image: Image.Image) -> bytes:
    stream = BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


SLIDE = png(Slide("A title", ("one", "two")).draw())


def picture(number: int, text: str = "图 one", small: Thumbnail | None = None) -> PictureTile:
    digest = Digest(sha256(str(number).encode()).hexdigest())
    return PictureTile(
        Blob(digest, "0" * 32, 48_213 + number, "image/png", 1280, 720, None),
        (f"https://old.example.com/note/{quote(text)}-{number}.png",),
        (PostLine(f"content/posts/{text}.md", number + 1), PostLine("b.md", 3)),
        f"https://img.example.com/{digest}.png",
        small,
        "" if small else "not in the archive",
    )


def example(text: str = "图 one") -> Report:
    """A page with everything on it; `text` stands wherever somebody else's text does."""
    small = thumbnail(SLIDE, 2000)
    one, two, three, four = (picture(n, text, small if n else None) for n in range(4))
    pair = Pair.of(one.blob.digest, two.blob.digest)
    return Report(
        title=f"Images of {text}",
        made=NOON,
        totals=Totals(2, 9, 5, 1, 1, 2, 1, 200_000, 0, 3),
        hosts=(
            HostTotals(text, text, 5, 4, 1, 200_000, 8, 2),
            HostTotals("other.example.com", references=1),
        ),
        findings=(
            Finding(Rule.NOT_FETCHED, text, text, text, 3, 5),
            Finding(Rule.SVG_STORED, f"https://old.example.com/{text}", text),
        ),
        last_sync=NOON,
        groups=(
            TileGroup(
                one,
                (
                    RepeatTile(two, Evidence(pair, 2, "T0", None, (0.5, 0.01, 0.0, 0.0, 0.25))),
                    RepeatTile(three, is_reviewed=True),
                    RepeatTile(four),
                ),
            ),
        ),
        look_alikes=(LookAlikes(one, two, Evidence(pair, 4, None, Refusal.PIXELS)),),
        look_alike_count=7,
        growth=(Growth("2024-04", 3, 100_000), Growth("2024-05", 4, 200_000)),
        pictures=(one, two),
    )


def parse(text: str) -> Any:
    """The tree a browser would build; an error of syntax is an error here."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(text)


def text_of(element: Any) -> str:
    return "".join(element.itertext())
