"""Recognition of image URLs."""

from __future__ import annotations

import pytest

from mirror.markdown import is_image_link
from mirror.urls.address import Url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/a.png", True),
        ("a.JPEG?x=1#f", True),
        ("//h/a.png!small", True),
        ("//h/a.jpg@!webp?x", True),
        ("http://h/a.png%21w200", True),
        ("http://h/a.png/b", False),
        ("http://h/a.html?x=.png", False),
        ("http://h/a.pngx", False),
        ("http://h/#a.png", False),
        ("", False),
    ],
)
def test_an_image_link_is_known_by_its_path(url: str, expected: bool) -> None:
    assert is_image_link(Url(url)) is expected
