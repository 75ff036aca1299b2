"""Small changes that a reader sees and a fingerprint does not, each making two pictures of one.

Most are drawn onto a plain place of the picture given, before and after, so that marks which it
lacks (a status dot, a shaded cell) can change too; the others change what is there. What the coding
of one side leaves of a change is measured: a change that nobody can see any more is no other
picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from support.slides import encode

from mirror.repeats.evidence import Evidence

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]
Place = tuple[int, int]
Paint = Callable[[Image.Image, Place, Colour], None]
"""Draws onto a picture, at a place with that ground."""

VISIBLE = 3.0
"""Difference in CIELAB, mean of 3x3 pixels, from which a person can see that something changed."""

_LUMA = np.array([0.299, 0.587, 0.114])
_FINE = 4  # shapes are drawn this much larger and scaled down, so that their edges are soft


@dataclass(frozen=True, slots=True)
class Edit:
    """One picture before and after; `how` is for a report."""

    name: str
    how: str
    before: Image.Image
    after: Image.Image


@dataclass(frozen=True, slots=True)
class Marks:
    """What is drawn on a plain place of that size, before and after."""

    size: tuple[int, int]
    before: Paint
    after: Paint
    how: str


# --- Colours --------------------------------------------------------------------------------------


def luma_of(colour: Sequence[float]) -> float:
    return float(np.dot(colour, _LUMA))


def shift(angle: float, chroma: float) -> NDArray[np.float64]:
    """What to add to a colour to move it so far in that direction and leave its luma."""
    blue, red = chroma * np.cos(np.radians(angle)), chroma * np.sin(np.radians(angle))
    green = -(0.299 * red / 0.713 + 0.114 * blue / 0.564) / 0.587
    return np.array([red / 0.713, green, blue / 0.564])


def hue(luma: float, angle: float, chroma: float) -> Colour:
    """The colour of that luma so far from grey in that direction, or as far as there are any."""
    away = shift(angle, 1)
    room = min((255 - luma if d > 0 else luma) / abs(d) for d in away if d)
    red, green, blue = (luma + min(chroma, room) * away).round().astype(int).tolist()
    return red, green, blue


def against(ground: Colour, by: int) -> Colour:
    sign = 1 if luma_of(ground) < 128 else -1
    red, green, blue = (max(0, min(255, level + sign * by)) for level in ground)
    return red, green, blue


def two_hues(random: Random, turn: float, chroma: tuple[int, int] = (25, 90)) -> list[Colour]:
    """Two colours of one luma, so many degrees apart."""
    luma, angle, strong = random.uniform(70, 200), random.uniform(0, 360), random.uniform(*chroma)
    return [hue(luma, angle, strong), hue(luma, angle + random.choice((-1, 1)) * turn, strong)]


# --- Drawing --------------------------------------------------------------------------------------


def nothing(image: Image.Image, at: Place, ground: Colour) -> None:
    """Leave the place as it is."""


def field(size: tuple[int, int], colour: Colour | None = None, *, by: int = 0) -> Paint:
    """A field of a colour, or of the ground made darker or lighter by so many levels."""

    def paint(image: Image.Image, at: Place, ground: Colour) -> None:
        box = (*at, at[0] + size[0], at[1] + size[1])
        image.paste(against(ground, by) if colour is None else colour, box)

    return paint


def shape(
    size: int, width: float, strokes: Sequence[Sequence[float]], ink: Colour | int | None
) -> Paint:
    """Strokes in a square of side 1, or a dot if there are none, scaled to `size`."""

    def paint(image: Image.Image, at: Place, ground: Colour) -> None:
        mask = Image.new("L", (size * _FINE, size * _FINE))
        pen = ImageDraw.Draw(mask)
        for stroke in strokes:
            places = [value * size * _FINE for value in stroke]
            pen.line(places, 255, max(1, round(width * _FINE)))
        if not strokes:
            pen.ellipse((0, 0, size * _FINE - 1, size * _FINE - 1), 255)
        colour = ink if isinstance(ink, tuple) else against(ground, ink or 0)
        stamp = Image.new("RGB", (size, size), colour)
        image.paste(stamp, at, mask.resize((size, size), Image.Resampling.BOX))

    return paint


def text(size: int, ink: Colour | int, *parts: str | tuple[str, float, float]) -> Paint:
    """Parts side by side; one in brackets is smaller by a share and lower by another."""

    def paint(image: Image.Image, at: Place, ground: Colour) -> None:
        colour = ink if isinstance(ink, tuple) else against(ground, ink)
        pen, left = ImageDraw.Draw(image), at[0]
        for part in parts:
            glyphs, share, drop = (part, 1.0, 0.0) if isinstance(part, str) else part
            font = ImageFont.load_default(max(5, round(size * share)))
            pen.text((left, at[1] + round(drop * size)), glyphs, colour, font)
            left += round(size * 0.62)

    return paint


# --- Marks on a plain place -----------------------------------------------------------------------

_HAN = (  # earth, scholar; not yet, end; self, already; sun, eye; big, dog
    (
        ((0.2, 0.38, 0.8, 0.38), (0.5, 0.1, 0.5, 0.9), (0.05, 0.9, 0.95, 0.9)),
        ((0.05, 0.38, 0.95, 0.38), (0.5, 0.1, 0.5, 0.9), (0.2, 0.9, 0.8, 0.9)),
    ),
    (
        ((0.25, 0.3, 0.75, 0.3), (0.08, 0.52, 0.92, 0.52), (0.5, 0.05, 0.5, 0.95)),
        ((0.08, 0.3, 0.92, 0.3), (0.25, 0.52, 0.75, 0.52), (0.5, 0.05, 0.5, 0.95)),
    ),
    (
        ((0.15, 0.15, 0.8, 0.15, 0.8, 0.5, 0.2, 0.5), (0.2, 0.5, 0.2, 0.88, 0.88, 0.88)),
        ((0.15, 0.15, 0.8, 0.15, 0.8, 0.5, 0.2, 0.5), (0.2, 0.36, 0.2, 0.88, 0.88, 0.88)),
    ),
    (
        ((0.2, 0.1, 0.8, 0.1, 0.8, 0.9, 0.2, 0.9, 0.2, 0.1), (0.2, 0.5, 0.8, 0.5)),
        ((0.2, 0.1, 0.8, 0.1, 0.8, 0.9, 0.2, 0.9, 0.2, 0.1), (0.2, 0.36, 0.8, 0.36)),
    ),
    (
        ((0.1, 0.38, 0.9, 0.38), (0.5, 0.08, 0.46, 0.5, 0.1, 0.92), (0.5, 0.45, 0.9, 0.92)),
        (
            (0.1, 0.38, 0.9, 0.38),
            (0.5, 0.08, 0.46, 0.5, 0.1, 0.92),
            (0.5, 0.45, 0.9, 0.92),
            (0.68, 0.12, 0.8, 0.26),
        ),
    ),
)
_CHECK = ((0.1, 0.5, 0.4, 0.85, 0.9, 0.15),)
_CROSS = ((0.15, 0.15, 0.85, 0.85), (0.15, 0.85, 0.85, 0.15))
_WARNING = ((0.1, 0.9, 0.5, 0.1, 0.9, 0.9, 0.1, 0.9), (0.5, 0.4, 0.5, 0.65))
_CONTRASTS = (30, 60, 120, 200)


def status_dot(random: Random) -> Marks:
    size, chroma = random.choice((8, 10, 12, 16, 22, 30)), random.choice((20, 40, 80))
    luma = random.uniform(90, 170)
    red, green = (shape(size, 1, (), hue(luma, angle, chroma)) for angle in (95, 235))
    return Marks((size, size), red, green, f"{size} px, chroma {chroma}")


def icon(random: Random) -> Marks:
    size, turn = random.choice((12, 16, 24)), random.choice((20, 40, 60))
    width = random.choice((1, 1.5, 2.5))
    one, other = (shape(size, width, _WARNING, ink) for ink in two_hues(random, turn))
    return Marks((size, size), one, other, f"{size} px, lines {width}, turned {turn}")


def code_token(random: Random) -> Marks:
    size, turn = random.choice((11, 13, 15, 18, 22)), random.choice((20, 40, 60, 120))
    word = random.choice(("return", "if", "nil", "func", "import", "0x1f", "true", "i", "self"))
    one, other = (text(size, ink, word) for ink in two_hues(random, turn))
    return Marks((size * len(word) + 6, size + 6), one, other, f"{word} {size} px, turned {turn}")


def chart_bar(random: Random) -> Marks:
    high, wide, turn = (
        random.choice((20, 60)),
        random.choice((4, 8, 20)),
        random.choice((20, 30, 60)),
    )
    usual, odd = two_hues(random, turn)
    tall = [random.randrange(high // 2, high) for _ in range(5)]
    changed = random.randrange(5)

    def bars(other: Colour) -> Paint:
        def paint(image: Image.Image, at: Place, ground: Colour) -> None:
            for n, top in enumerate(tall):
                place = (at[0] + 2 * n * wide, at[1] + high - top)
                field((wide, top), other if n == changed else usual)(image, place, ground)

        return paint

    return Marks((10 * wide, high), bars(usual), bars(odd), f"{wide} x {high}, turned {turn}")


def cell_tint(random: Random) -> Marks:
    size = random.choice(((24, 16), (60, 20), (140, 28)))
    by = random.choice((6, 10, 16, 23))

    def tinted(kept: int) -> Paint:
        def paint(image: Image.Image, at: Place, ground: Colour) -> None:
            pale = list(against(ground, by))
            pale[kept] = ground[kept]
            field(size, (pale[0], pale[1], pale[2]))(image, at, ground)
            if size[0] > 24:
                text(size[1] - 10, 150, "42.7 ms")(image, (at[0] + 4, at[1] + 2), ground)

        return paint

    return Marks(size, tinted(0), tinted(1), f"{size}, by {by}")


def shaded_field(random: Random) -> Marks:
    size, by = random.choice(((30, 20), (140, 28))), random.choice((3, 5, 8, 12))
    return Marks(size, nothing, field(size, by=by), f"{size}, by {by}")


def faint_text(random: Random) -> Marks:
    size, by = random.choice((10, 12, 14, 18, 24)), random.choice((8, 14, 20, 30, 45))
    words = (
        ("draft 3", "draft 8"),
        ("", "v2"),
        ("p. 17", "p. 11"),
        ("a", "o"),
        ("", "confidential"),
    )
    one, other = random.choice(words)
    how = f"{one!r} to {other!r}, {size} px, by {by}"
    return Marks((size * 7, size + 6), text(size, by, one), text(size, by, other), how)


def pale_coloured_text(random: Random) -> Marks:
    size, by, chroma = random.choice((12, 16, 24)), random.choice((15, 30)), random.choice((15, 30))

    def inked(angle: float) -> Paint:
        def paint(image: Image.Image, at: Place, ground: Colour) -> None:
            ink = hue(luma_of(against(ground, by)), angle, chroma)
            text(size, ink, "optional")(image, at, ground)

        return paint

    return Marks((size * 5, size + 6), inked(90), inked(240), f"{size} px, chroma {chroma}")


def thin_line(random: Random) -> Marks:
    size, by = _line(random, (1, 1, 2)), random.choice((12, 20, 35, 60, 120))
    return Marks(size, nothing, field(size, by=by), f"{size}, by {by}")


def coloured_line(random: Random) -> Marks:
    size, turn = _line(random, (1, 2, 3)), random.choice((30, 60, 120))
    one, other = (field(size, ink) for ink in two_hues(random, turn))
    return Marks(size, one, other, f"{size}, turned {turn}")


def _line(random: Random, widths: Sequence[int]) -> tuple[int, int]:
    long, wide = random.choice((24, 60, 200)), random.choice(widths)
    return (long, wide) if random.random() < 0.5 else (wide, long)


def check_or_cross(random: Random) -> Marks:
    size, width = random.choice((9, 12, 16)), random.choice((1, 1.6, 2.4))
    by = random.choice(_CONTRASTS)
    one, other = (shape(size, width, strokes, by) for strokes in (_CHECK, _CROSS))
    return Marks((size, size), one, other, f"{size} px, lines {width}, by {by}")


def han_stroke(random: Random) -> Marks:
    size, width = random.choice((11, 13, 16, 20, 26)), random.choice((1, 1.3, 2))
    by, number = random.choice(_CONTRASTS), random.randrange(len(_HAN))
    one, other = (shape(size, width, strokes, by) for strokes in _HAN[number])
    return Marks((size, size), one, other, f"pair {number}, {size} px, lines {width}, by {by}")


Parts = Sequence[str | tuple[str, float, float]]


def _texts(random: Random, *pairs: tuple[Parts, Parts]) -> Marks:
    size, by = random.choice((9, 11, 13, 16, 22)), random.choice(_CONTRASTS)
    one, other = random.choice(pairs)
    how = f"{one} to {other}, {size} px, by {by}"
    return Marks((size * 4, size + 8), text(size, by, *one), text(size, by, *other), how)


def subscript(random: Random) -> Marks:
    def low(glyph: str) -> tuple[str, float, float]:
        return glyph, 0.6, 0.5

    pairs = ((("x", low("1")), ("x", low("2"))), (("a", low("i")), ("a", low("j"))))
    return _texts(random, *pairs, (("H", low("2"), "O"), ("H", "", "O")))


def decimal_point(random: Random) -> Marks:
    return _texts(
        random, ("12.5", ("1", "2", "", "5")), ("3,0", "3.0"), ("1.50", ("1", "", "5", "0"))
    )


def sign(random: Random) -> Marks:
    return _texts(random, ("-4", "+4"), (("", "7"), "-7"), ("<3", ">3"), ("=0", "-0"))


def accent(random: Random) -> Marks:
    return _texts(random, *(tuple(pair) for pair in ("eé", "aà", "oö", "iì", "uü", "nñ", "cç")))


# --- Changes of what is there ---------------------------------------------------------------------


def words(image: Image.Image) -> list[Box]:
    """Boxes of runs of marks as high as letters."""
    grey = np.asarray(image.convert("L")).astype(np.int16)
    ground = ndimage.median_filter(grey[::2, ::2], 25).repeat(2, 0).repeat(2, 1)
    ground = np.pad(ground, ((0, 1), (0, 1)), mode="edge")[: grey.shape[0], : grey.shape[1]]
    ink = ndimage.binary_dilation(np.abs(grey - ground) > 50, np.ones((1, 7)))
    marks, _ = ndimage.label(ink, np.ones((3, 3)))
    boxes = []
    for rows, columns in ndimage.find_objects(marks):
        high, wide = rows.stop - rows.start, columns.stop - columns.start
        if 7 <= high <= 40 and 12 <= wide <= 260 and rows.stop + high < image.height:
            boxes.append((columns.start, rows.start, columns.stop, rows.stop))
    return boxes


def _ruled(image: Image.Image, box: Box, random: Random, share: float) -> str:
    left, top, right, bottom = box
    by, wide = random.choice((25, 60, 120)), random.choice((1, 1, 2))
    ground = image.getpixel((max(left - 1, 0), max(top - 1, 0)))
    field((right - left, wide), by=by)(image, (left, round(top + (bottom - top) * share)), ground)
    return f"{wide} px, by {by}"


def underlined(image: Image.Image, box: Box, random: Random) -> str:
    return _ruled(image, box, random, 1.12)


def struck_out(image: Image.Image, box: Box, random: Random) -> str:
    return _ruled(image, box, random, 0.55)


def recoloured_word(image: Image.Image, box: Box, random: Random) -> str:
    """Its ink in another hue; where the luma has no such colour, as near as there is one."""
    pixels = np.asarray(image.crop(box)).astype(np.float64)
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    away = np.abs(pixels - np.median(rim, axis=0)).max(axis=2)
    share = np.clip(away / max(np.percentile(away, 98), 1), 0, 1)[..., None]
    chroma = random.choice((15, 25, 40, 70))
    changed = pixels + share * shift(random.uniform(0, 360), chroma)
    inside = changed.clip(0, 255)
    changed = (inside + ((changed - inside) @ _LUMA)[..., None]).clip(0, 255).round()
    image.paste(Image.fromarray(changed.astype(np.uint8)), box[:2])
    return f"{box[2] - box[0]} x {box[3] - box[1]}, chroma {chroma}"


def part_of_a_letter(image: Image.Image, box: Box, random: Random) -> str:
    """The lowest fifth of a letter gone, as from E to F."""
    left, top, right, bottom = box
    wide = max(4, (bottom - top) // 2)
    at = (random.randrange(left, max(left + 1, right - wide)), bottom - max(2, (bottom - top) // 5))
    ground = image.getpixel((max(left - 2, 0), max(top - 2, 0)))
    field((wide, bottom - at[1]), ground)(image, at, ground)
    return f"{wide} x {bottom - at[1]}"


MARKS: tuple[Callable[[Random], Marks], ...] = (
    status_dot,
    icon,
    code_token,
    chart_bar,
    cell_tint,
    shaded_field,
    faint_text,
    pale_coloured_text,
    thin_line,
    coloured_line,
    check_or_cross,
    han_stroke,
    subscript,
    decimal_point,
    sign,
    accent,
)
CHANGES = (underlined, struck_out, recoloured_word, part_of_a_letter)


def edits(image: Image.Image, random: Random) -> Iterator[Edit]:
    """One edit of each kind, as far as the picture has a place for it."""
    grounds = _Ground(image)
    for make in MARKS:
        marks = make(random)
        place = grounds.place(marks.size, random)
        if place is None:
            continue
        ground = image.getpixel(place)
        before, after = image.copy(), image.copy()
        marks.before(before, place, ground)
        marks.after(after, place, ground)
        yield from _edit(make.__name__, marks.how, before, after)
    boxes = words(image)
    for change in CHANGES if boxes else ():
        after = image.copy()
        how = change(after, random.choice(boxes), random)
        yield from _edit(change.__name__, how, image, after)


def _edit(name: str, how: str, before: Image.Image, after: Image.Image) -> Iterator[Edit]:
    if not np.array_equal(np.asarray(before), np.asarray(after)):
        yield Edit(name.replace("_", " "), how, before, after)


class _Ground:
    """Where a picture is plain, and how far from other marks."""

    def __init__(self, image: Image.Image) -> None:
        grey = np.asarray(image.convert("L")).astype(np.int16)
        flat = ndimage.maximum_filter(grey, 3) - ndimage.minimum_filter(grey, 3) <= 3
        self._away = ndimage.distance_transform_cdt(flat)
        self._total = np.pad(flat.astype(np.int32).cumsum(0).cumsum(1), ((1, 0), (1, 0)))

    def place(self, size: tuple[int, int], random: Random) -> Place | None:
        """A place of that size with nothing in it, near other marks if there is one."""
        wide, high = size[0] + 4, size[1] + 4
        total = self._total
        if high >= len(total) or wide >= len(total[0]):
            return None
        plain = total[high:, wide:] - total[:-high, wide:]
        plain = plain - total[high:, :-wide] + total[:-high, :-wide]
        rows, columns = np.nonzero(plain == wide * high)
        if not len(rows):
            return None

        def distance(number: int) -> int:
            return int(self._away[rows[number] + high // 2, columns[number] + wide // 2])

        nearest = min((random.randrange(len(rows)) for _ in range(24)), key=distance)
        return int(columns[nearest]) + 2, int(rows[nearest]) + 2


# --- What can be seen -----------------------------------------------------------------------------


def difference(one: Image.Image, other: Image.Image) -> float:
    """The largest difference in CIELAB, of means over 3x3 pixels; 2.3 is just noticeable."""
    apart = ndimage.uniform_filter(_lab(one) - _lab(other), (3, 3, 0))
    return float(np.sqrt((apart**2).sum(axis=2)).max())


def _lab(image: Image.Image) -> NDArray[np.float64]:
    level = np.asarray(image.convert("RGB")) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    x, y, z = np.moveaxis(np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116), 2, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2)


def fine_edits(
    pictures: Iterable[tuple[str, Image.Image]],
    judge: Callable[[bytes, bytes], Evidence],
    codings: Mapping[str, Callable[[Image.Image], bytes]],
    random: Random,
) -> int:
    """Every kind of edit of every picture, one side as PNG, the other in three codings each.

    Print how many there were, how many were merged, and how many of those anybody could see; these
    are returned.
    """
    tried, merged, wrong = Counter[str](), Counter[str](), Counter[str]()
    print("finer edits, each against the untouched picture:")
    for name, image in pictures:
        for edit in edits(image, random):
            before = encode(edit.before, compress_level=1)
            for coding in random.sample(sorted(codings), min(3, len(codings))):
                after = codings[coding](edit.after)
                tried[edit.name] += 1
                evidence = judge(before, after)
                if not evidence.same:
                    continue
                merged[edit.name] += 1
                same_coding = codings[coding](edit.before)
                seen = difference(*(Image.open(BytesIO(data)) for data in (same_coding, after)))
                if seen > VISIBLE:
                    wrong[edit.name] += 1
                    said = f"{evidence.tier} {evidence.statistics}, {seen:.1f} apart"
                    print(f"    WRONG {edit.name} ({edit.how}), {coding}, {name}: {said}")
    for kind in sorted(tried):
        print(f"  {kind:28} {tried[kind]:5} tried, {merged[kind]} merged, {wrong[kind]} visible")
    print(f"  {'all':28} {tried.total():5} tried, {merged.total()} merged, {wrong.total()} visible")
    return wrong.total()
