"""Slides for the demonstration, drawn the same on every machine."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

_SIZE = (1280, 720)
_INK, _PALE, _PAPER, _ACCENT = "#1d2733", "#5b6b7c", "#fbfaf7", "#c8553d"


def slide(title: str, lines: list[str], number: int) -> Image.Image:
    """Draw a slide with a title, bullets, and its page number in the corner."""
    image = Image.new("RGB", _SIZE, _PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 16, _SIZE[1]), fill=_ACCENT)
    draw.text((80, 64), title, font=ImageFont.load_default(56), fill=_INK)
    draw.line((80, 150, 1200, 150), fill=_PALE, width=2)
    for row, line in enumerate(lines):
        y = 200 + 74 * row
        draw.ellipse((84, y + 12, 98, y + 26), fill=_ACCENT)
        draw.text((124, y), line, font=ImageFont.load_default(34), fill=_INK)
    draw.text((1196, 668), str(number), font=ImageFont.load_default(22), fill=_PALE)
    return image


def encode(image: Image.Image, coding: str, **options: int) -> bytes:
    """Encode a picture as PNG or JPEG."""
    out = BytesIO()
    image.save(out, coding, **options)
    return out.getvalue()
