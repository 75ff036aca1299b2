"""What a body's headers say to a browser."""

from __future__ import annotations

import pytest

from mirror.fetch import Body, Validators


@pytest.mark.parametrize(
    ("headers", "media_type", "is_attachment"),
    [
        pytest.param({}, "", False, id="nothing"),
        pytest.param({"content-type": " Image/PNG ; q=1"}, "image/png", False, id="a parameter"),
        pytest.param(
            {"content-disposition": 'Attachment; filename="a.png"'}, "", True, id="a file name"
        ),
        pytest.param({"content-disposition": "inline; a=attachment"}, "", False, id="inline"),
    ],
)
def test_a_body_is_what_its_headers_say(
    headers: dict[str, str], media_type: str, is_attachment: bool
) -> None:
    body = Body(b"", Validators(), headers=headers)
    assert (body.media_type, body.is_attachment) == (media_type, is_attachment)
