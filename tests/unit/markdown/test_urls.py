"""Recognition of image URLs."""

from __future__ import annotations

import pytest

from mirror.markdown import is_image_link
from mirror.markdown.urls import form_by_name, is_other_file, is_picture_name
from mirror.model import Form
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


@pytest.mark.parametrize(
    "name",
    "image img cover coverUrl coverImage og_image OGImage bgURL user_avatar author-avatar picUrl"
    " pics userpic top_img thumbnail icon iconUrl logos teaser Picture hero featured media src"
    " 封面 文章封面图 featureimage apple-touch-icon".split(),
)
def test_a_name_of_pictures_is_known_by_its_words(name: str) -> None:
    assert is_picture_name(name)


@pytest.mark.parametrize(
    "name",
    "topic discover recover epic NumberPicker silicon heroes social_media header url path 地图 标题"
    " photographer image_credit photoCreditUrl cover_license imageAuthor og_url".split(),
)
def test_a_part_of_a_word_is_no_name_of_pictures(name: str) -> None:
    assert not is_picture_name(name)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h/a.mp4", True),
        ("https://h/a.PDF?x=1#p", True),
        ("//h/a.json", True),
        ("https://h/a.tar.gz", True),
        ("https://h/a", False),
        ("https://h/mp4", False),
        ("https://h/?a.mp4", False),
        ("https://h/a.mp4?x-oss-process=video/snapshot,t_1", False),
        ("https://h/a.mp4?vframe/jpg/offset/1", False),
        ("https://h/a.pdf?ci-process=doc-preview", False),
    ],
)
def test_a_file_that_is_plainly_no_picture_is_known_by_its_suffix(url: str, expected: bool) -> None:
    assert is_other_file(url) is expected
    expected_form = Form.LINK if expected else Form.HTML
    assert form_by_name(Form.HTML, url, "image") is expected_form
