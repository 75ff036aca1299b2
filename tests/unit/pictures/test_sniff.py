"""SVG, and the names of files that are no picture."""

from __future__ import annotations

import tracemalloc

import pytest

from mirror.pictures.blob import inspect
from mirror.pictures.decode import ImageError
from mirror.pictures.sniff import is_cut_short


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"<svg/>", id="empty"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'><g/></svg>\n", id="plain"),
        pytest.param(b"\xef\xbb\xbf <svg></svg><!-- by --> <!-- hand -->\n", id="BOM and comments"),
        pytest.param(b"<svg></svg>\n<?editor end?>\n", id="an instruction behind it"),
        pytest.param(b"<svg></svg><?a?><!-- b --> <?c?>", id="instructions and comments"),
        pytest.param(b"<!--" + b"licence " * 2000 + b"--><svg></svg>", id="a long licence"),
        pytest.param(
            "<?xml version='1.0' encoding='UTF-16'?><svg></svg>".encode("utf-16"), id="UTF-16"
        ),
        pytest.param(b"<?xml version='1.0'?><!-- a > b --><svg:svg></svg:svg >", id="prefix"),
        pytest.param(
            b'<!DOCTYPE svg [<!ENTITY a "&b;&b;"><!ENTITY b "ha">]><svg>&a;</svg>', id="entities"
        ),
        pytest.param(
            b'<!DOCTYPE svg [\n<!ENTITY a "b">\n] >\n<svg></svg>', id="a blank behind the entities"
        ),
        pytest.param(
            b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x'><svg></svg>", id="doctype"
        ),
    ],
)
def test_svg_is_known_by_its_root_and_has_no_pixels(text):
    blob = inspect(text)
    assert blob.media_type == "image/svg+xml"
    assert blob.width is blob.height is blob.fingerprint is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b" \n\t", "only blanks"),
        (b"<!DOCTYPE html><title>404</title>", "an HTML page"),
        (b"\n<html><body><svg></svg></body></html>", "an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "XML.*NoSuchKey"),
        (b'{"message": "denied"}', "JSON"),
        (b"not found\x1b[31m", "."),
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04....", "ZIP"),
        (b"\0\0\0\x18ftypmp42....", "mp42"),
        (b"\0\0\0\x18ftypheic....", "heic"),
        (b"\x01\x02\x03\xff" * 9, "36 bytes that begin 010203ff010203ff"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"P6 1 1 255\n\0\0\0", "14 bytes that begin 5036"),
        ("找不到图片".encode("gb18030"), "."),
        (b"<svg><g>", "SVG.*cut short"),
        (b"<svg><g></g></sv", "SVG.*cut short"),
        (b"<svg>" + b"<!---->" * 200_000, "SVG.*cut short"),
        (b"<svg>" + b"<??>" * 200_000, "SVG.*cut short"),
        (b"<svg><?" + b"?>" * 200_000, "SVG.*cut short"),
        (b"<svg " * 9000, "SVG.*cut short"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"GIF89a\0\0\0\0\0\0\0;", "GIF"),
        (b"BM", "BMP"),
    ],
)
def test_what_is_not_a_picture_is_named(data, said):
    with pytest.raises(ImageError, match=said) as caught:
        inspect(data)
    assert str(caught.value).isprintable()


def test_a_picture_of_empty_chunks_takes_no_memory_for_each() -> None:
    chunk = b"\0\0\0\0IDAT\0\0\0\0"
    data = b"\x89PNG\r\n\x1a\n" + chunk * 100_000 + chunk.replace(b"IDAT", b"IEND")
    tracemalloc.start()
    try:
        assert not is_cut_short(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
