from __future__ import annotations

from urllib.parse import urljoin

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mirror.urls.relative import encoded, from_post, from_root

segments = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=5
).filter(lambda text: text not in (".", ".."))
paths = st.lists(segments, min_size=1, max_size=4).map("/".join)


@given(paths, paths)
def test_from_root_is_the_inverse_of_from_post(path: str, post: str) -> None:
    target = encoded(path)
    link = from_post(target, post)
    assert link.isascii()
    assert from_root(link, post) == target
    assert from_root(f"{link}#a/../b", post) == f"{target}#a/../b"


@given(paths, paths)
def test_a_browser_follows_the_link_from_the_file_of_the_post(path: str, post: str) -> None:
    assume(not post.startswith(f"{path}/"))  # no file is a folder as well
    page = f"https://h.example/{encoded(post)}"
    assert urljoin(page, from_post(encoded(path), post)) == f"https://h.example/{encoded(path)}"


@pytest.mark.parametrize(
    ("path", "post", "link"),
    [
        pytest.param("docs/mirror/a.png", "docs/a.md", "./mirror/a.png", id="below"),
        pytest.param("docs/mirror/a.png", "docs/x/y/a.md", "../../mirror/a.png", id="above"),
        pytest.param("img/a.png", "a.md", "./img/a.png", id="at the root"),
        pytest.param("img/a.png", "img/posts/a.md", "../a.png", id="in a folder of it"),
        pytest.param("docs/%E5%9B%BE/a.png", "docs/图/a.md", "./a.png", id="not ASCII"),
    ],
)
def test_from_post_gives_the_path_from_the_folder_of_the_post(
    path: str, post: str, link: str
) -> None:
    assert from_post(path, post) == link


@pytest.mark.parametrize(
    ("url", "path"),
    [
        pytest.param("../m/a.png", "docs/m/a.png", id="plain"),
        pytest.param("./../m//./a.png", "docs/m/a.png", id="another spelling"),
        pytest.param("../m/ä b.png", "docs/m/%C3%A4%20b.png", id="not encoded"),
        pytest.param("../m/%c3%a4%20b.png#x", "docs/m/%C3%A4%20b.png#x", id="lower-case hex"),
        pytest.param("%2e%2e/m/a.png", "docs/m/a.png", id="encoded dots"),
        pytest.param("../m/a%2Fb.png", "docs/m/a%2Fb.png", id="an encoded slash"),
        pytest.param("../../../a.png", "../a.png", id="out of the folder"),
        pytest.param("\ud800.png", "docs/posts/%ED%A0%80.png", id="half a surrogate pair"),
    ],
)
def test_from_root_takes_every_spelling(url: str, path: str) -> None:
    assert from_root(url, "docs/posts/a.md") == path


@pytest.mark.parametrize(
    "url",
    ["https://h.example/a", "//h.example/a", "/a.png", "#top", "?x", "", "data:,a", "mailto:a@b"],
)
def test_from_root_leaves_a_url_that_is_not_relative(url: str) -> None:
    assert from_root(url, "docs/posts/a.md") == url
